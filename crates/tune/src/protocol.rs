//! What the supervisor and a worker say to each other: one JSON object a line, orders on the worker's standard input, reports on
//! its standard output. `docs/protocol.md` documents it.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use tuner::{Decision, Epoch, Failure, Infeasible, Objective, TrialId};

use crate::config::{EarlyStopping, Work};

/// The version of the protocol; both sides must speak the same.
pub const VERSION: u32 = 1;

/// A longer line is refused.
const LONGEST_LINE_BYTES: u64 = 1 << 20;

/// From the supervisor to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    /// The first line: what all runs have in common.
    Setup(Setup),
    /// Train one execution of a trial.
    Run(Run),
    /// The answer to an [`Report::Epoch`].
    Decision { decision: Decision },
    /// Nothing more to do.
    Quit,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    pub protocol: u32,
    /// Seeds the split of the training set.
    pub seed: u64,
    pub backend: String,
    pub threads: usize,
    /// `data` or `objective_command`, as in `study.json`.
    #[serde(flatten)]
    pub work: Work,
    /// Decides which epoch's checkpoint is kept as the best.
    pub objective: Objective,
    /// Epochs of a full training, which schedules span.
    pub epochs: u32,
    pub early_stopping: Option<EarlyStopping>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub trial: TrialId,
    /// Which of the trial's executions, from 0.
    pub execution: usize,
    pub params: Map<String, Value>,
    pub seed: u64,
    /// Epochs that are done already.
    pub from_epoch: u32,
    pub to_epoch: u32,
    /// The folder of this execution's checkpoints.
    pub checkpoint: PathBuf,
}

/// From a worker to the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Report {
    /// The data are loaded; runs may come.
    Ready { protocol: u32 },
    /// How far the running epoch is; for the screen only.
    Progress(Progress),
    /// An epoch is finished and its checkpoint written. The worker waits for a [`Order::Decision`].
    Epoch { epoch: Epoch },
    /// Something that the user should read.
    Note { message: String },
    /// The run has ended.
    Done { end: End, best_epoch: Option<u32> },
    /// The run has failed; the worker can take another.
    Failed(Failure),
    /// The configuration cannot be built.
    Infeasible(Infeasible),
    /// The worker cannot work at all (data, backend); it ends.
    Unable { message: String },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub epoch: u32,
    pub batch: u64,
    pub batches: u64,
    pub metrics: BTreeMap<String, f64>,
    pub images_per_second: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All epochs of the budget are trained.
    Budget,
    /// Early stopping's patience ran out.
    EarlyStopping,
    /// The decision was to pause.
    Paused,
    /// The decision was to stop.
    Stopped,
}

#[derive(Debug, Error)]
pub enum ProtocolError {
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("a line of more than {LONGEST_LINE_BYTES} bytes; it begins with `{beginning}`")]
    TooLong { beginning: String },
    #[error("a line that is not understood: {reason}: `{line}`")]
    Malformed { line: String, reason: serde_json::Error },
}

/// Writes one message and flushes it.
pub fn send(mut output: impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

/// Reads the next message; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(input: &mut impl BufRead) -> Result<Option<T>, ProtocolError> {
    let Some(line) = line(input)? else { return Ok(None) };
    serde_json::from_slice(&line).map(Some).map_err(|reason| ProtocolError::Malformed { line: excerpt(&line), reason })
}

/// Reads the next line, its end included; `None` at the end of the stream.
pub fn line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, ProtocolError> {
    let mut line = Vec::new();
    input.take(LONGEST_LINE_BYTES + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > LONGEST_LINE_BYTES {
        return Err(ProtocolError::TooLong { beginning: excerpt(&line) });
    }
    Ok((!line.is_empty()).then_some(line))
}

/// The beginning of a line, to quote.
pub fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let beginning: String = text.chars().take(120).collect();
    if beginning.len() < text.len() { beginning + "…" } else { beginning }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_message_survives_the_way() {
        let report = Report::Done { end: End::EarlyStopping, best_epoch: Some(3) };
        let mut bytes = Vec::new();
        send(&mut bytes, &report).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "{\"type\":\"done\",\"end\":\"early_stopping\",\"best_epoch\":3}\n"
        );
        assert_eq!(receive::<Report>(&mut BufReader::new(&bytes[..])).unwrap(), Some(report));
    }

    #[test]
    fn a_foreign_line_is_quoted() {
        let error = receive::<Report>(&mut BufReader::new(&b"loading model ...\n"[..])).unwrap_err();
        assert!(error.to_string().ends_with("`loading model ...`"), "{error}");
    }

    #[test]
    fn a_failure_is_flat() {
        let report = Report::Failed(Failure::new(tuner::FailureReason::Killed { signal: 9 }, "gone"));
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(text, r#"{"type":"failed","reason":"killed","signal":9,"message":"gone"}"#);
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn an_unknown_type_names_the_known_ones_and_bytes_are_quoted() {
        let error = receive::<Report>(&mut BufReader::new(&b"{\"type\": \"finished\"}\n"[..])).unwrap_err().to_string();
        assert!(error.contains("unknown variant `finished`, expected one of `ready`"), "{error}");
        assert!(error.ends_with("`{\"type\": \"finished\"}`"), "{error}");
        let error = receive::<Report>(&mut BufReader::new(&b"\xff\xfe{}\n"[..])).unwrap_err().to_string();
        assert!(error.contains("\u{fffd}\u{fffd}{}"), "{error}");
    }

    #[test]
    fn an_endless_line_is_refused() {
        let line = vec![b'x'; LONGEST_LINE_BYTES as usize + 5];
        assert!(matches!(receive::<Report>(&mut BufReader::new(&line[..])), Err(ProtocolError::TooLong { .. })));
    }

    #[test]
    fn the_end_of_the_stream_is_no_error() {
        assert!(receive::<Report>(&mut BufReader::new(&b""[..])).unwrap().is_none());
    }

    #[test]
    fn fuzz_orders_and_reports() {
        fuzz::target("orders", |bytes| drop(receive::<Order>(&mut BufReader::new(bytes))));
        fuzz::target("reports", |mut bytes| {
            while let Ok(Some(report)) = receive::<Report>(&mut bytes) {
                let mut line = Vec::new();
                send(&mut line, &report).unwrap();
                assert_eq!(receive::<Report>(&mut &line[..]).unwrap(), Some(report));
            }
        });
    }
}
