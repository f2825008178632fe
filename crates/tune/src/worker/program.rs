//! A program of the simple kind: started once for each execution, told its hyperparameters as arguments, heard by the lines of
//! metrics that it prints.

use std::io::BufReader;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tuner::{Decision, Epoch, Failure, FailureReason};

use super::metrics::{self, Metrics};
use super::{Trainer, report, report_epoch};
use crate::config::{Fill, Program};
use crate::error::Error;
use crate::process::{self, Ending, LastWords};
use crate::protocol::{self, End, Order, Progress, Report, Run, Setup};

/// The process that is running, for [`exit`].
static RUNNING: Mutex<Option<u32>> = Mutex::new(None);

/// How often it is looked whether a program that prints nothing has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Lines that wait to be read; a program that prints faster waits.
const LINES_AHEAD: usize = 64;

/// Ends this process, and first whatever program it runs: nobody would listen to it any more.
pub fn exit(code: i32) -> ! {
    // Held to the end, so that no program is started meanwhile.
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = *running {
        process::end_group(process, Ending::Force);
    }
    std::process::exit(code)
}

/// Runs programs and speaks for them.
pub struct Adapter {
    setup: Setup,
    program: Program,
}

impl Adapter {
    pub fn prepare(setup: Setup, program: Program) -> Result<Self, Error> {
        if !program.directory.is_dir() {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::reading(&program.directory, missing));
        }
        Ok(Adapter { setup, program })
    }

    fn command(&self, run: &Run) -> Command {
        let places = [
            ("trial", run.trial.0.to_string()),
            ("execution", run.execution.to_string()),
            ("seed", run.seed.to_string()),
            ("epochs", run.to_epoch.to_string()),
            ("from_epoch", run.from_epoch.to_string()),
            ("checkpoint", run.checkpoint.display().to_string()),
        ];
        let arguments = self.program.arguments(&Fill { params: &run.params, places: &places });
        let mut command = Command::new(self.program.file(&arguments[0]));
        command.args(&arguments[1..]).current_dir(&self.program.directory);
        command.env("TUNE_PARAMS", serde_json::Value::from(run.params.clone()).to_string());
        for (name, value) in &places {
            command.env(format!("TUNE_{}", name.to_uppercase()), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process::in_own_group(&mut command);
        command
    }
}

impl Trainer for Adapter {
    fn train(&mut self, run: &Run, orders: &Receiver<Order>) -> Result<Report, Error> {
        let unable = |what: &str, error: &std::io::Error| Report::Unable { message: format!("cannot {what}: {error}") };
        if let Err(error) = std::fs::create_dir_all(&run.checkpoint) {
            return Ok(unable(&format!("make the folder {}", run.checkpoint.display()), &error));
        }
        let kills = process::memory_kills();
        let mut command = self.command(run);
        let spawned = {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            let spawned = command.spawn();
            *running = spawned.as_ref().ok().map(Child::id);
            spawned
        };
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let program = command.get_program().display().to_string();
                return Ok(unable(&format!("start `{program}` in {}", self.program.directory.display()), &error));
            }
        };
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::Worker("the program's streams are missing".to_owned()));
        };
        let words = LastWords::of(errors);
        let mut session = Session {
            run,
            orders,
            objective: &self.setup.objective.metric,
            done: 0,
            since: Instant::now(),
            last_line: None,
        };
        let grace = Duration::from_secs_f64(self.program.grace_seconds);
        let heard = session.listen(&mut child, output, grace);
        let status = process::end(&mut child, grace);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();

        let status = status.map_err(|error| Error::Worker(error.to_string()))?;
        let said = words.text();
        Ok(match heard? {
            Heard::Decision(Decision::Pause) => Report::Done { end: End::Paused, best_epoch: None },
            Heard::Decision(_) => Report::Done { end: End::Stopped, best_epoch: None },
            Heard::Enough => Report::Done { end: End::Budget, best_epoch: None },
            Heard::Fault(Failure { reason, message }) => {
                Report::Failed(Failure::new(reason, format!("{message}\n{said}").trim_end()))
            }
            Heard::Ended if !status.success() => Report::Failed(process::failure("the program", status, &said, kills)),
            Heard::Ended if session.done == 0 => Report::Failed(session.said_nothing(&said)),
            Heard::Ended if session.done >= run.to_epoch => Report::Done { end: End::Budget, best_epoch: None },
            Heard::Ended => Report::Done { end: End::EarlyStopping, best_epoch: None },
        })
    }
}

/// Why the program is not listened to any longer.
enum Heard {
    /// It has ended by itself.
    Ended,
    /// It has trained all epochs that it was to train, and goes on.
    Enough,
    /// The supervisor wants no more of it.
    Decision(Decision),
    /// It has said something that cannot be.
    Fault(Failure),
}

/// One run of a program.
struct Session<'a> {
    run: &'a Run,
    orders: &'a Receiver<Order>,
    objective: &'a str,
    /// Epochs that it has printed.
    done: u32,
    since: Instant,
    /// The last line that was no line of metrics.
    last_line: Option<String>,
}

impl Session<'_> {
    fn listen(&mut self, child: &mut Child, output: ChildStdout, grace: Duration) -> Result<Heard, Error> {
        let (sender, lines) = sync_channel(LINES_AHEAD);
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(line) = protocol::line(&mut output).transpose() {
                let broken = line.is_err();
                if sender.send(line).is_err() || broken {
                    return;
                }
            }
        });
        let mut enough_since: Option<Instant> = None;
        let mut ended = false;
        loop {
            match lines.recv_timeout(LOOK) {
                Ok(Ok(line)) => {
                    if let Some(heard) = self.hear(&line)? {
                        return Ok(heard);
                    }
                    if self.done >= self.run.to_epoch {
                        enough_since.get_or_insert_with(Instant::now);
                    }
                }
                Ok(Err(error)) => return Ok(fault(format!("the program's output broke: {error}"))),
                // Its output may be held open by what it started; that is not waited for.
                Err(RecvTimeoutError::Timeout) if ended => return Ok(Heard::Ended),
                Err(RecvTimeoutError::Timeout) => {
                    ended = child.try_wait().map_err(|error| Error::Worker(error.to_string()))?.is_some();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // It may print no more and yet have something to do.
                    while process::wait(child, LOOK).map_err(|error| Error::Worker(error.to_string()))?.is_none() {
                        if enough_since.is_some_and(|since| since.elapsed() > grace) {
                            return Ok(Heard::Enough);
                        }
                    }
                    return Ok(Heard::Ended);
                }
            }
            if enough_since.is_some_and(|since| since.elapsed() > grace) {
                return Ok(Heard::Enough);
            }
        }
    }

    /// Takes one line; something is returned when it was the last to be taken.
    fn hear(&mut self, line: &[u8]) -> Result<Option<Heard>, Error> {
        let Metrics { epoch, values } = match metrics::read(line) {
            None => {
                self.last_line = Some(protocol::excerpt(line));
                return Ok(None);
            }
            Some(Err(message)) => return Ok(Some(fault(message))),
            Some(Ok(metrics)) => metrics,
        };
        let first = self.done == 0 && self.run.from_epoch > 0;
        let expected =
            if first && epoch == Some(self.run.from_epoch + 1) { self.run.from_epoch + 1 } else { self.done + 1 };
        let number = epoch.unwrap_or(expected);
        if number != expected {
            let message = format!("expected epoch {expected}, found epoch {number}: `{}`", protocol::excerpt(line));
            return Ok(Some(fault(message)));
        }
        if number > self.run.to_epoch {
            return Ok(Some(Heard::Enough));
        }
        self.done = number;
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        let epoch = Epoch::new(number, seconds, values);
        if number <= self.run.from_epoch {
            // A program without a checkpoint trains again what is known.
            let progress = Progress { epoch: number, metrics: epoch.metrics, ..Progress::default() };
            report(&Report::Progress(progress))?;
            return Ok(None);
        }
        let diverged = epoch.non_finite.iter().any(|name| name == self.objective);
        let decision = report_epoch(epoch, self.orders)?;
        if diverged {
            let message = format!("`{}` is not finite in epoch {number}", self.objective);
            return Ok(Some(Heard::Fault(Failure::new(FailureReason::NonFinite, message))));
        }
        Ok((decision != Decision::Continue).then_some(Heard::Decision(decision)))
    }

    fn said_nothing(&self, said: &str) -> Failure {
        let mut message = format!(
            "the program ended without a line of metrics; expected lines such as {{\"epoch\": 1, \"{}\": 0.5}} on its output",
            self.objective
        );
        if let Some(line) = &self.last_line {
            message += &format!("; its last line was `{line}`");
        }
        Failure::new(FailureReason::Error, format!("{message}\n{said}").trim_end())
    }
}

fn fault(message: String) -> Heard {
    Heard::Fault(Failure::new(FailureReason::Error, message))
}
