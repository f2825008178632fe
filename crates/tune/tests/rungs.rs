//! Searches that train in rungs, as a user runs them.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use common::{Place, TINY};
use serde_json::Value;

/// Three brackets: 9 trials of 1 epoch, 3 of 3, 1 of 9; then 3 and 1; then 3 in full.
const NINE: &[&str] = &["search", "tiny.toml", "--strategy", "hyperband", "--epochs", "9"];

/// `tiny.toml` without a number of trials: one iteration of Hyperband.
fn place() -> Place {
    let place = Place::new();
    place.write("tiny.toml", &TINY.replace("trials  = 4\n", ""));
    place
}

fn quiet(arguments: &[&'static str]) -> Vec<&'static str> {
    [arguments, &["--quiet"]].concat()
}

fn with_checkpoints(place: &Place) -> Vec<String> {
    let folder = place.path().join("results/tiny/checkpoints");
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn numbers_in(trials: &[Value], state: &str) -> Vec<String> {
    let of_state = trials.iter().filter(|trial| trial["state"] == state);
    of_state.map(|trial| format!("{:04}", trial["id"].as_u64().unwrap())).collect()
}

#[test]
fn hyperband_trains_its_plan_and_keeps_what_is_needed() {
    let place = place();
    let plan = place.stdout(&["space", "tiny.toml", "--strategy", "hyperband", "--epochs", "9"]);
    let (_, plan) = plan.split_once("Plan of").unwrap();
    insta::assert_snapshot!("plan", plan);

    let printed = place.stdout(NINE);
    for expected in [
        "bracket 1, rung 1 of 3",
        "paused after epoch 1 (bracket 1, rung 1 of 3)",
        "after epoch 1 to bracket 1, rung 2 of 3",
    ] {
        assert!(printed.contains(expected), "{expected} is missing:\n{printed}");
    }
    let trials = place.trials("tiny");
    let epochs = |trial: &Value| trial["executions"][0]["epochs"].as_array().unwrap().len();
    assert_eq!((trials.len(), trials.iter().map(epochs).sum::<usize>()), (15, 63));
    assert_eq!(numbers_in(&trials, "completed").len(), 5);
    let marked: Vec<&Value> =
        trials.iter().filter(|trial| trial["state"] == "completed").map(|t| &t["rungs"]).collect();
    assert!(marked.contains(&&serde_json::json!([1, 3])), "{marked:?}");
    // Every bracket is over: nobody needs the checkpoints of those that were left behind.
    assert_eq!(with_checkpoints(&place), numbers_in(&trials, "completed"));

    let summary = place.stdout(&["summary", "tiny"]);
    assert!(summary.contains("Epochs: 63 trained, 72 saved (53% of a full training of every trial)"), "{summary}");
    assert!(summary.contains("Paused after") && summary.contains("│ 1 epoch "), "{summary}");
    let json: Value = serde_json::from_str(&place.stdout(&["summary", "tiny", "--format", "json"])).unwrap();
    assert_eq!(json["epochs"], serde_json::json!({ "trained": 63, "saved": 72 }));
    let again = place.stdout(&["space", "tiny.toml", "--strategy", "hyperband", "--epochs", "9"]);
    assert!(again.contains("an epoch so far"), "{again}");
}

/// Starts a search, waits for its `lines`-th line of an epoch, and ends it with a signal.
#[cfg(target_os = "linux")]
fn end_after(place: &Place, arguments: &[&str], lines: usize, name: &str) {
    let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&mut child, lines);
    std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    // What it still says is read, or it could not end.
    let _ = child.wait_with_output();
    let mine = place.path().canonicalize().unwrap();
    let is_here = |entry: std::fs::DirEntry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at == mine);
    while std::fs::read_dir("/proc").unwrap().flatten().any(is_here) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn wait_for(child: &mut Child, lines: usize) {
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut epochs = output.lines().map_while(Result::ok).filter(|line| line.contains(" epoch ") && line.contains('/'));
    epochs.nth(lines - 1).expect("the search ended too early");
}

/// In every rung of the first bracket, and in the second one.
#[test]
#[cfg(target_os = "linux")]
fn a_search_that_was_ended_in_any_rung_goes_on_to_the_same_result() {
    for strategy in ["hyperband", "asha"] {
        let search = ["search", "tiny.toml", "--strategy", strategy, "--epochs", "9", "--trials", "12"];
        let whole = place();
        whole.stdout(&quiet(&search));
        for (lines, name) in [(4, "-INT"), (11, "-KILL"), (13, "-INT"), (17, "-KILL"), (23, "-KILL")] {
            let place = place();
            end_after(&place, &search, lines, name);
            place.stdout(&quiet(&search));
            assert_eq!(place.trials("tiny"), whole.trials("tiny"), "{strategy}, {name} after {lines} epochs");
        }
    }
}

/// The weights in a checkpoint: its second part, without the parameters' identities, which are new in every process.
fn weights(place: &Place, name: &str) -> Vec<u8> {
    let path = place.path().join("results/tiny/checkpoints/0001/execution-0").join(name);
    let bytes = std::fs::read(path).unwrap();
    let number =
        |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte));
    let (parts, description, model) = (number(12, 4), number(16, 8), number(24, 8));
    let start = 16 + 8 * parts + description;
    // Magic, version, size of the names and shapes; the numbers begin at a multiple of 256 bytes after that.
    let numbers = (10 + number(start + 6, 4)).next_multiple_of(256);
    assert!(model > numbers + 1000, "{model} bytes, {numbers} of them before the weights");
    bytes[start + numbers..start + model].to_vec()
}

/// One training through the rungs 1, 3 and 9, each in processes of its own, is one training of nine epochs.
#[test]
#[cfg(target_os = "linux")]
fn one_three_nine_epochs_across_processes_equal_nine_at_once() {
    for optimizer in ["adam", "sgd"] {
        let study = TINY.replace("trials  = 4", "trials  = 1")
            + "dropout_rate0 = 0.25\nhorizontal_flip = true\nrandom_crop = 1\nschedule = \"cosine\"\n\n[[enqueue]]\n"
            + &format!("optimizer = \"{optimizer}\"\n")
            + if optimizer == "sgd" { "momentum = 0.9\n" } else { "" };
        let (parts, whole) = (Place::new(), Place::new());
        parts.write("tiny.toml", &study);
        whole.write("tiny.toml", &study);
        whole.stdout(&["search", "tiny.toml", "--strategy", "random", "--epochs", "9", "--quiet"]);
        for lines in [1, 2] {
            // After the first epoch, and after the second that follows it: in the second rung and at its end.
            end_after(&parts, NINE, lines, "-KILL");
        }
        parts.stdout(&quiet(NINE));
        let (in_parts, at_once) = (&parts.trials("tiny")[0], &whole.trials("tiny")[0]);
        assert_eq!((&in_parts["rungs"], &in_parts["state"]), (&serde_json::json!([1, 3]), &at_once["state"]));
        assert_eq!(in_parts["executions"], at_once["executions"], "{optimizer}");
        for name in ["best.ckpt", "last.ckpt"] {
            assert!(weights(&parts, name) == weights(&whole, name), "{optimizer}: {name}");
        }
    }
}

#[test]
fn clean_removes_what_is_not_among_the_best_and_on_request_what_has_paused() {
    let place = place();
    let study = TINY.replace("trials  = 4", "trials  = 12\nkeep_checkpoints = \"all\"");
    place.write("tiny.toml", &study);
    place.stdout(&["search", "tiny.toml", "--strategy", "asha", "--epochs", "4", "--quiet"]);
    let trials = place.trials("tiny");
    let (completed, paused) = (numbers_in(&trials, "completed"), numbers_in(&trials, "paused"));
    assert!(!completed.is_empty() && with_checkpoints(&place).len() == 12);

    assert!(place.stdout(&["clean", "tiny"]).contains("of 0 trials"));
    place.stdout(&["clean", "tiny", "--keep", "1"]);
    assert_eq!(with_checkpoints(&place).len(), paused.len() + 1);
    let printed = place.stdout(&["clean", "tiny", "--keep", "1", "--paused"]);
    assert!(printed.contains(&format!("Removed the checkpoints of {} trials: ", paused.len())), "{printed}");
    assert_eq!(with_checkpoints(&place).len(), 1);

    // A trial that is resumed without its checkpoint begins anew, and says so.
    let printed = place.stdout(&["search", "tiny.toml", "--strategy", "asha", "--epochs", "4", "--trials", "20"]);
    assert_eq!(place.trials("tiny").len(), 20, "{printed}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_damaged_checkpoint_is_reported_and_its_trial_begun_anew() {
    let (whole, place) = (self::place(), self::place());
    whole.stdout(&quiet(NINE));
    // In the second rung of the first bracket.
    end_after(&place, NINE, 11, "-KILL");
    for number in with_checkpoints(&place) {
        damage(&place.path().join(format!("results/tiny/checkpoints/{number}/execution-0/last.ckpt")));
    }
    let printed = place.stdout(NINE);
    assert!(printed.contains("damaged") && printed.contains("anew"), "{printed}");
    assert_eq!(place.trials("tiny"), whole.trials("tiny"));
}

fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_rule_stops_trials_that_are_behind() {
    let place = Place::new();
    let rule = "\n[pruning]\nrule = \"percentile\"\npercentile = 20\nwarmup_trials = 1\n";
    place.write("tiny.toml", &(TINY.replace("trials  = 4", "trials  = 6") + rule));
    place.stdout(&["search", "tiny.toml", "--strategy", "random", "--epochs", "4", "--quiet"]);
    let pruned = numbers_in(&place.trials("tiny"), "pruned");
    assert!(!pruned.is_empty());
    assert!(place.stdout(&["summary", "tiny"]).contains(&format!("{} pruned", pruned.len())));
}

#[test]
fn mistakes_in_the_tables_are_shown_with_their_place() {
    let place = Place::new();
    let wrong =
        "\n[search.hyperband]\nfactor = 1\nsampler = \"tpee\"\n\n[pruning]\nrule = \"media\"\npercentile = 120\n";
    place.write("tiny.toml", &(TINY.to_owned() + wrong));
    let (_, message) = place.failure(&["space", "tiny.toml"]);
    insta::assert_snapshot!("mistakes", message);
}
