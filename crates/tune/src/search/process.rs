//! A worker process, from the supervisor's side.

use std::io::BufReader;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tuner::{Failure, FailureReason};

use super::launch::Launch;
use crate::error::Error;
use crate::process::{self, Ending, LastWords};
use crate::protocol::{self, Order, ProtocolError, Report};

/// How long a worker may take to end after it was told to, or after its orders have ended.
const GRACE: Duration = Duration::from_secs(2);

/// What a worker's threads tell the supervisor.
pub enum Message {
    Report(Report),
    /// The output ended or made no sense; the process is of no more use.
    Lost(Option<ProtocolError>),
}

pub struct WorkerProcess {
    child: Child,
    orders: ChildStdin,
    words: LastWords,
    /// Of [`process::memory_kills`], when it was started.
    kills: u64,
}

impl WorkerProcess {
    /// Starts a worker that sends what it says, wrapped by `wrap`, to `inbox`.
    pub fn start<T: Send + 'static>(
        launch: &Launch,
        inbox: SyncSender<T>,
        wrap: impl Fn(Message) -> T + Send + 'static,
    ) -> Result<Self, Error> {
        let kills = process::memory_kills();
        let mut command = launch.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the supervisor alone: it lets the worker finish its epoch.
        process::in_own_group(&mut command);
        let mut child = command.spawn().map_err(|error| Error::Worker(format!("`{}`: {error}", launch.name())))?;
        if let Some(bytes) = launch.memory_limit_bytes {
            // Before it has had an order, and so before it has anything to allocate for.
            process::limit_memory(child.id(), bytes)
                .map_err(|error| Error::Worker(format!("its memory cannot be limited: {error}")))?;
        }
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
        Ok(WorkerProcess { child, orders, words: LastWords::of(errors), kills })
    }

    /// Gives an order. An error means that the process has ended; its [`Message::Lost`] is on its way and says more.
    pub fn order(&mut self, order: &Order) -> std::io::Result<()> {
        protocol::send(&mut self.orders, order)
    }

    /// Lets an idle worker end.
    pub fn quit(mut self) {
        let _ = self.order(&Order::Quit);
        self.kill();
    }

    /// Ends the process now, and all that it started, and returns its last words. A worker ends by itself when its orders
    /// end, and takes what it started with it; only one that does not is ended by force.
    pub fn kill(self) -> String {
        let WorkerProcess { mut child, orders, words, .. } = self;
        drop(orders);
        let ended = process::wait(&mut child, GRACE);
        process::end_group(child.id(), Ending::Force);
        if !matches!(ended, Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
        words.text()
    }

    /// Why a lost worker is lost, as the failure of its trial.
    pub fn autopsy(mut self, protocol: Option<&ProtocolError>) -> Failure {
        if let Some(error) = protocol {
            let said = self.kill();
            let message = format!("the worker's output broke: {error}\n{said}").trim_end().to_owned();
            return Failure { reason: FailureReason::Error, message };
        }
        drop(self.orders);
        let status = process::end(&mut self.child, GRACE);
        let said = self.words.text();
        match status {
            Ok(status) => process::failure("the worker", status, &said, self.kills),
            Err(error) => Failure { reason: FailureReason::Error, message: error.to_string() },
        }
    }
}
