//! A worker process, from the supervisor's side.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tuner::{Failure, FailureReason};

use crate::error::Error;
use crate::protocol::{self, Order, ProtocolError, Report};

/// Lines of a worker's errors that are kept for the failure's message.
const KEPT_LINES: usize = 20;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// What a worker's threads tell the supervisor.
pub enum Message {
    Report(Report),
    /// The output ended or made no sense; the process is of no more use.
    Lost(Option<ProtocolError>),
}

pub struct WorkerProcess {
    child: Child,
    orders: ChildStdin,
    errors: Arc<Mutex<VecDeque<String>>>,
    error_reader: JoinHandle<()>,
}

impl WorkerProcess {
    /// Starts a worker that sends what it says, wrapped by `wrap`, to `inbox`.
    pub fn start<T: Send + 'static>(
        backend: &str,
        inbox: Sender<T>,
        wrap: impl Fn(Message) -> T + Send + 'static,
    ) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|error| Error::Worker(error.to_string()))?;
        let mut command = Command::new(program);
        // Optimizer states are restored on Burn's default device, which has to be the one that trains.
        command
            .arg("worker")
            .env("BURN_DEVICE", backend)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for the supervisor alone: it lets the worker finish its epoch.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| Error::Worker(error.to_string()))?;
        let (Some(orders), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Error::Worker("its streams are missing".to_owned()));
        };

        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            loop {
                let (message, last) = match protocol::receive(&mut output) {
                    Ok(Some(report)) => (Message::Report(report), false),
                    Ok(None) => (Message::Lost(None), true),
                    Err(error) => (Message::Lost(Some(error)), true),
                };
                if inbox.send(wrap(message)).is_err() || last {
                    return;
                }
            }
        });

        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let keeping = Arc::clone(&kept);
        let error_reader = std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut lines = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == KEPT_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        });
        Ok(WorkerProcess { child, orders, errors: kept, error_reader })
    }

    /// Gives an order. An error means that the process has ended; its [`Message::Lost`] is on its way and says more.
    pub fn order(&mut self, order: &Order) -> std::io::Result<()> {
        protocol::send(&mut self.orders, order)
    }

    /// Waits for an idle worker to end after [`Order::Quit`].
    pub fn quit(mut self) {
        let _ = self.order(&Order::Quit);
        drop(self.orders);
        let _ = self.child.wait();
    }

    /// Ends the process now.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Why a lost worker is lost, as the failure of its trial.
    pub fn autopsy(mut self, protocol: Option<&ProtocolError>) -> Failure {
        if protocol.is_some() {
            let _ = self.child.kill();
        }
        drop(self.orders);
        let status = self.child.wait();
        let _ = self.error_reader.join();
        let lines = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let said = lines.iter().cloned().collect::<Vec<_>>().join("\n");
        if let Some(error) = protocol {
            return Failure { reason: FailureReason::Error, message: format!("the worker's output broke: {error}") };
        }
        match status {
            Ok(status) => classify(status, said),
            Err(error) => Failure { reason: FailureReason::Error, message: error.to_string() },
        }
    }
}

fn classify(status: ExitStatus, said: String) -> Failure {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let hint = if signal == 9 { " (often the system's answer to a lack of memory)" } else { "" };
        let message = format!("the worker was killed by signal {signal}{hint}\n{said}").trim_end().to_owned();
        return Failure { reason: FailureReason::Killed { signal }, message };
    }
    let reason = if status.code() == Some(PANICKED) { FailureReason::Panic } else { FailureReason::Error };
    let message = if said.is_empty() { format!("the worker ended: {status}") } else { said };
    Failure { reason, message }
}
