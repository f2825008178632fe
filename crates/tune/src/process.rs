//! What is common to all processes that this program starts: their groups, their last words, and why they ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tuner::{Failure, FailureReason};

/// Lines of a process's errors that are kept for the failure's message.
const KEPT_LINES: usize = 20;

/// A longer line of errors is cut.
const LONGEST_LINE_BYTES: u64 = 2000;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// What programs say that have no memory left: Rust, Python, NumPy, C++, CUDA.
const OUT_OF_MEMORY: &[&str] =
    &["memory allocation of", "MemoryError", "std::bad_alloc", "out of memory", "Out of memory", "OutOfMemory"];

/// The last lines that a process wrote to its standard error.
pub struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
}

impl LastWords {
    /// Listens until the stream ends.
    pub fn of(errors: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let keeping = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            let mut errors = BufReader::new(errors);
            loop {
                let mut line = Vec::new();
                // A line without an end comes in parts: memory stays bounded.
                match errors.by_ref().take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line) {
                    Ok(1..) => {}
                    _ => return,
                }
                let mut lines = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        });
        LastWords { lines, reader }
    }

    /// What was said. Of a process that has ended it is all: others that hold the stream open are not waited for.
    pub fn text(&self) -> String {
        let deadline = Instant::now() + Duration::from_millis(500);
        while !self.reader.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Why a process that ended by itself, or was ended by others, costs its trial. `kills` are those of [`memory_kills`] before
/// it began.
pub fn failure(what: &str, status: ExitStatus, said: &str, kills: u64) -> Failure {
    let (reason, headline) = diagnose(what, status, said, kills);
    Failure { reason, message: format!("{headline}\n{said}").trim_end().to_owned() }
}

fn diagnose(what: &str, status: ExitStatus, said: &str, kills: u64) -> (FailureReason, String) {
    let no_memory = OUT_OF_MEMORY.iter().any(|phrase| said.contains(phrase));
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let name = signal_name(signal);
        return if signal == 9 && memory_kills() > kills {
            (FailureReason::OutOfMemory, format!("{what} was killed by the system, which had no memory left"))
        } else if signal == 6 && no_memory {
            (FailureReason::OutOfMemory, format!("{what} found no memory and aborted"))
        } else {
            (FailureReason::Killed { signal }, format!("{what} was killed by signal {signal}{name}"))
        };
    }
    match status.code() {
        Some(PANICKED) => (FailureReason::Panic, format!("{what} panicked")),
        Some(code) if no_memory => (FailureReason::OutOfMemory, format!("{what} found no memory (exit code {code})")),
        Some(code) => (FailureReason::Error, format!("{what} ended with exit code {code}")),
        None => (FailureReason::Error, format!("{what} ended: {status}")),
    }
}

#[cfg(unix)]
fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => " (interrupt)",
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (kill; often the answer to a lack of memory)",
        11 => " (segmentation fault)",
        13 => " (broken pipe)",
        15 => " (termination)",
        24 => " (CPU time limit)",
        25 => " (file size limit)",
        _ => "",
    }
}

/// How many processes the system has killed for want of memory since it started; 0 where it does not tell.
pub fn memory_kills() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Makes the process the first of a group of its own: signals of the terminal do not reach it, and all that it starts can be
/// ended with it.
pub fn in_own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// How a process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Ask,
    Force,
}

/// Tells a process and all that it started to end.
pub fn end_group(process: u32, ending: Ending) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if ending == Ending::Ask { Signal::TERM } else { Signal::KILL };
        if let Some(group) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            // Who is gone already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
    #[cfg(not(unix))]
    let _ = (process, ending);
}

/// Waits for a process, but not for ever.
pub fn wait(child: &mut Child, at_most: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + at_most;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Ends a process and all that it started: asked first, then by force.
pub fn end(child: &mut Child, grace: Duration) -> std::io::Result<ExitStatus> {
    end_group(child.id(), Ending::Ask);
    let asked = wait(child, grace)?;
    end_group(child.id(), Ending::Force);
    if let Some(status) = asked {
        return Ok(status);
    }
    let _ = child.kill();
    child.wait()
}

/// Limits what a process, and each that it starts, may allocate.
pub fn limit_memory(process: u32, bytes: u64) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(i32::try_from(process).ok().and_then(Pid::from_raw), Resource::Data, limit)?;
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (process, bytes);
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "`memory_limit` works on Linux only"))
    }
}
