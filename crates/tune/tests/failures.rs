//! Everything that can happen to a trial, done by a worker that really does it: it costs that trial, and the study goes on.

#![cfg(target_os = "linux")]

mod common;

use std::path::Path;

use common::Place;
use common::programs::{X, full, processes_of, study, with_script};
use serde_json::Value;

/// Runs four trials, of which the second goes wrong: what its file says of it.
fn second(place: &Place) -> Value {
    place.stdout(&["search", "mine.toml", "--quiet"]);
    let trials = place.trials("mine");
    assert_eq!(trials.len(), 4, "{trials:#?}");
    for trial in trials.iter().filter(|trial| trial["id"] != 2) {
        assert_eq!(trial["state"], "completed", "{trial:#}");
    }
    assert_eq!(trials[1]["state"], "failed", "{:#}", trials[1]);
    assert_eq!(processes_of(place), 0, "something is left");
    trials[1].clone()
}

/// A script of the simple kind whose second trial does this after its first epoch.
fn simple(search: &str, wrong: &str) -> Place {
    let script = format!(
        "echo '{{\"epoch\": 1, \"val_loss\": 1}}'\nif [ $TUNE_TRIAL = 2 ]; then echo 'some words' >&2; {wrong}\nfi\necho '{{\"epoch\": 2, \"val_loss\": 0.5}}'"
    );
    with_script(search, &script, X)
}

/// The example worker, whose second trial goes wrong in this way.
fn worker(search: &str, fault: &str) -> Place {
    let place = Place::new();
    let space = format!("{X}\nfault = {{ type = \"choice\", values = [\"none\", \"{fault}\"] }}");
    let mut text = study(search, &full(), &space);
    for trial in 1..=4 {
        let fault = if trial == 2 { fault } else { "none" };
        text += &format!("\n[[enqueue]]\nx = {trial}.0\nfault = \"{fault}\"\n");
    }
    place.write("mine.toml", &text);
    place
}

#[track_caller]
fn assert_failed(trial: &Value, reason: &str, words: &[&str]) {
    assert_eq!(trial["detail"]["reason"], reason, "{trial:#}");
    let message = trial["detail"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "`{word}` is missing: {message}");
    }
    assert!(trial.get("score").is_none(), "{trial:#}");
}

#[test]
fn an_exit_code() {
    assert_failed(&second(&simple("", "exit 3")), "error", &["exit code 3", "some words"]);
}

#[test]
fn a_kill_is_tried_once_more() {
    let trial = second(&simple("", "kill -9 $$"));
    assert_failed(&trial, "killed", &["signal 9", "some words"]);
    assert_eq!(trial["detail"]["signal"], 9);
    assert_eq!(trial["retried"].as_array().map(Vec::len), Some(1), "{trial:#}");
    let never = second(&simple("max_retries = 0", "kill -9 $$"));
    assert!(never.get("retried").is_none(), "{never:#}");
}

#[test]
fn a_kill_that_does_not_come_again_costs_nothing() {
    let place = simple("", "[ -e killed ] || { touch killed; kill -9 $$; }");
    place.stdout(&["search", "mine.toml", "--quiet"]);
    let trials = place.trials("mine");
    assert!(trials.iter().all(|trial| trial["state"] == "completed"), "{trials:#?}");
    assert_eq!(trials[1]["retried"][0]["reason"], "killed");
}

#[test]
fn a_segmentation_fault() {
    let trial = second(&simple("max_retries = 0", "kill -SEGV $$"));
    assert_failed(&trial, "killed", &["signal 11 (segmentation fault)", "some words"]);
}

#[test]
fn a_metric_that_is_not_finite() {
    let trial = second(&simple("", "echo '{\"epoch\": 2, \"val_loss\": NaN}'; sleep 60"));
    assert_failed(&trial, "non_finite", &["`val_loss` is not finite in epoch 2"]);
}

#[test]
fn a_line_that_is_malformed_or_out_of_order() {
    let trial = second(&simple("", "echo \"{'epoch': 2, 'val_loss': 1}\"; sleep 60"));
    assert_failed(&trial, "error", &["no JSON object of metrics", "`{'epoch': 2, 'val_loss': 1}`", "some words"]);
    let trial = second(&simple("", "echo '{\"epoch\": 7, \"val_loss\": 1}'; sleep 60"));
    assert_failed(&trial, "error", &["expected epoch 2, found epoch 7"]);
}

#[test]
fn an_endless_line() {
    let trial = second(&simple("", "yes '{' | tr -d '\\n' | head -c 3000000; sleep 60"));
    assert_failed(&trial, "error", &["more than 1048576 bytes", "`{{{{"]);
}

#[test]
fn no_metrics_at_all() {
    let place = with_script("", "if [ $TUNE_TRIAL = 2 ]; then echo accuracy 0.9; else echo '{\"val_loss\": 1}'; fi", X);
    assert_failed(
        &second(&place),
        "error",
        &["without a line of metrics", "{\"epoch\": 1, \"val_loss\": 0.5}", "`accuracy 0.9`"],
    );
}

#[test]
fn a_timeout() {
    let trial = second(&simple("trial_timeout = \"2s\"", "while true; do echo working; sleep 0.1; done"));
    assert_failed(&trial, "timeout", &["trial_timeout, 2.0 s"]);
}

#[test]
fn silence() {
    let trial = second(&worker("silence_timeout = \"2s\"", "silence"));
    assert_failed(&trial, "timeout", &["said nothing for 2.0 s"]);
}

#[test]
fn a_panic() {
    let trial = second(&worker("", "panic"));
    assert_failed(&trial, "panic", &["the worker panicked", "the worker was asked to panic"]);
}

#[test]
fn an_allocation_beyond_the_limit() {
    let trial = second(&worker("memory_limit = \"256MiB\"", "memory"));
    assert_failed(&trial, "out_of_memory", &["found no memory", "memory allocation of"]);
}

/// A control group of 64 MiB, removed in the end; `None`, with a message, where none can be made.
fn small_group() -> Option<Group> {
    let name = format!("tune-test-{}", std::process::id());
    let limits = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
    for (root, limit) in limits {
        let group = Group(Path::new(root).join(&name));
        let made = std::fs::create_dir(&group.0).and_then(|()| {
            std::fs::metadata(group.0.join(limit))?;
            std::fs::write(group.0.join(limit), (64 << 20).to_string())
        });
        if made.is_ok() {
            return Some(group);
        }
    }
    eprintln!("skipped: a control group with a memory limit needs the rights of root");
    None
}

struct Group(std::path::PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_kill_by_the_system_for_want_of_memory() {
    let Some(group) = small_group() else { return };
    let wrong = format!("echo $$ > {}/cgroup.procs; exec tail /dev/zero", group.0.display());
    assert_failed(&second(&simple("", &wrong)), "out_of_memory", &["killed by the system, which had no memory left"]);
}

#[test]
fn a_memory_error_of_python() {
    let trial = second(&simple("", "echo 'numpy._core._exceptions._ArrayMemoryError: Unable to allocate' >&2; exit 1"));
    assert_failed(&trial, "out_of_memory", &["exit code 1", "Unable to allocate"]);
}

#[test]
fn nonsense_and_gaps_in_the_protocol() {
    assert_failed(&second(&worker("", "nonsense")), "error", &["not understood", "`epoch 2 is done`"]);
    assert_failed(&second(&worker("", "gap")), "error", &["reported epoch 9, and epoch 2 has not been reported"]);
}

#[test]
fn a_corrupt_batch_of_data() {
    // A program that reads its data batch by batch, and finds one that is cut off.
    let script = "head -c 1000 /dev/zero > good; head -c 10 /dev/zero > bad\nfor epoch in 1 2 3; do\n  batch=good; [ $TUNE_TRIAL = 2 ] && [ $epoch = 2 ] && batch=bad\n  size=$(wc -c < $batch)\n  [ $size -eq 1000 ] || { echo \"batch $batch has $size bytes, not 1000\" >&2; exit 1; }\n  echo \"{\\\"epoch\\\": $epoch, \\\"val_loss\\\": $epoch}\"\ndone";
    assert_failed(&second(&with_script("", script, X)), "error", &["batch bad has 10 bytes, not 1000"]);
}

#[test]
fn corrupt_data_of_the_built_in_training_end_the_search_with_the_file() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("idx")).unwrap();
    for name in
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    {
        place.write(&format!("idx/{name}"), "\0\0\u{8}\u{3}\0\0");
    }
    place
        .write("tiny.toml", &common::TINY.replace("dataset    = \"digits\"", "dataset    = \"mnist\"\npath = \"idx\""));
    let (code, message) = place.failure(&["search", "tiny.toml", "--quiet"]);
    assert_eq!(code, 1);
    assert!(message.contains("idx3-ubyte"), "{message}");
}

#[test]
fn too_many_failures_stop_the_study_with_the_reason() {
    let place = with_script("max_consecutive_failures = 3", "echo 'no data here' >&2; exit 1", X);
    let (code, message) = place.failure(&["search", "mine.toml", "--quiet", "--trials", "20"]);
    assert_eq!((code, place.trials("mine").len()), (1, 3));
    assert!(message.contains("too many trials failed in a row") && message.contains("no data here"), "{message}");
    let summary = place.stdout(&["summary", "mine"]);
    assert!(summary.contains("Ended: 3 trials failed one after the other"), "{summary}");
}

#[test]
fn a_worker_that_never_gets_ready_ends_the_search() {
    let place = Place::new();
    place.write("train.sh", "read setup; echo 'no licence' >&2; exit 4");
    place.write("mine.toml", &study("", "command = [\"sh\", \"train.sh\"]\nprotocol = \"full\"", X));
    let (code, message) = place.failure(&["search", "mine.toml", "--quiet"]);
    assert_eq!(code, 1);
    assert!(message.contains("exit code 4") && message.contains("no licence"), "{message}");
    assert!(!Path::new(&place.path().join("results/mine/trials/0001.json")).exists());
}
