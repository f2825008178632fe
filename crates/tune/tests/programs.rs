//! Programs of the user's own as workers, of both kinds.

#![cfg(target_os = "linux")]

mod common;

use std::path::Path;
use std::process::Command;

use common::programs::{X, full, processes_of, study, with_script};
use common::{Place, text};
use serde_json::Value;

fn epochs(trial: &Value) -> usize {
    trial["executions"][0]["epochs"].as_array().unwrap().len()
}

#[test]
fn arguments_carry_the_hyperparameters() {
    // Answers with what it was given: --x X and, where it is active, --rate R.
    let script = r#"echo "starting"; echo "{\"epoch\": 1, \"val_loss\": $2, \"arguments\": $#}"; printf '%s' "$TUNE_PARAMS" > "$TUNE_CHECKPOINT/params""#;
    let space = format!(
        "{X}\nmethod = {{ type = \"choice\", values = [\"fast\", \"slow\"] }}\nrate = {{ type = \"float\", min = 0.0, max = 1.0, when = {{ method = \"slow\" }} }}"
    );
    let place = with_script("keep_checkpoints = \"all\"", script, &space);
    place.stdout(&["search", "mine.toml", "--quiet", "--trials", "8"]);
    let trials = place.trials("mine");
    assert_eq!(trials.len(), 8);
    for trial in &trials {
        assert_eq!(trial["state"], "completed", "{trial:#}");
        assert_eq!(trial["score"], trial["params"]["x"]);
        let slow = trial["params"]["method"] == "slow";
        assert_eq!(trial["executions"][0]["epochs"][0]["metrics"]["arguments"], if slow { 6.0 } else { 4.0 });
        let params =
            place.json(&format!("results/mine/checkpoints/{:04}/execution-0/params", trial["id"].as_u64().unwrap()));
        assert_eq!(params, trial["params"]);
    }
    assert!(trials.iter().any(|trial| trial["params"]["method"] == "slow"));
}

#[test]
fn values_are_filled_into_the_command_and_no_shell_reads_them() {
    let place = Place::new();
    place.write("train.sh", "echo \"$#:$1:$2\" >> seen; echo '{\"val_loss\": 1}'");
    let command = r#"command = ["sh", "train.sh", "{name}", "{{x}}/{x}/{trial}"]"#;
    let space = "name = { type = \"choice\", values = [\"$(touch evil); echo\", \"a b\"] }\nx = { type = \"int\", min = 1, max = 2 }";
    place.write("mine.toml", &study("", command, space));
    place.stdout(&["search", "mine.toml", "--quiet", "--strategy", "grid"]);
    let seen = std::fs::read_to_string(place.path().join("seen")).unwrap();
    assert_eq!(seen, "2:$(touch evil); echo:{x}/1/1\n2:$(touch evil); echo:{x}/2/2\n2:a b:{x}/1/3\n2:a b:{x}/2/4\n");
    assert!(!place.path().join("evil").exists());
}

#[test]
fn a_program_is_ended_politely_and_then_by_force() {
    for (trap, how) in [("trap 'echo bye > said; exit 0' TERM", "politely"), ("trap '' TERM", "by force")] {
        // It knows nothing of budgets, and its child holds its output open.
        let script = format!(
            "{trap}\nsleep 600 &\ni=0; while true; do i=$((i+1)); echo \"{{\\\"epoch\\\": $i, \\\"val_loss\\\": $i}}\"; sleep 0.02; done"
        );
        let place = with_script("", &script, X);
        place.stdout(&["search", "mine.toml", "--quiet", "--trials", "2"]);
        let trials = place.trials("mine");
        assert!(trials.iter().all(|trial| trial["state"] == "completed" && epochs(trial) == 3), "{how}: {trials:#?}");
        assert_eq!(place.path().join("said").exists(), how == "politely");
        assert_eq!(processes_of(&place), 0, "{how}: something is left");
    }
}

#[test]
fn early_stopping_and_the_end_of_a_program_are_early_ends() {
    let script = r#"for i in 1 2 3 4 5 6 7 8; do echo "{\"epoch\": $i, \"val_loss\": $LOSS}"; done; sleep 30"#;
    let place = with_script("", &script.replace("$LOSS", "0.5"), X);
    let stopping =
        std::fs::read_to_string(place.path().join("mine.toml")).unwrap() + "\n[early_stopping]\npatience = 1\n";
    place.write("mine.toml", &stopping.replace("epochs = 3", "epochs = 8"));
    place.stdout(&["search", "mine.toml", "--quiet", "--trials", "1"]);
    let stopped = &place.trials("mine")[0];
    assert_eq!((epochs(stopped), &stopped["executions"][0]["stopped_early"]), (3, &Value::from(true)), "{stopped:#}");

    let ended = with_script("", r#"echo '{"val_loss": 0.5}'"#, X);
    ended.stdout(&["search", "mine.toml", "--quiet", "--trials", "1"]);
    let ended = &ended.trials("mine")[0];
    assert_eq!((epochs(ended), &ended["executions"][0]["stopped_early"]), (1, &Value::from(true)), "{ended:#}");
}

#[test]
fn an_interrupted_program_goes_on_from_its_checkpoint_or_from_the_beginning() {
    let with_checkpoint = r#"
        i=${TUNE_FROM_EPOCH}
        while [ $i -lt $TUNE_EPOCHS ]; do i=$((i+1)); echo "$TUNE_TRIAL $i" >> trained; echo "{\"epoch\": $i, \"val_loss\": $i}"; sleep 0.1; done"#;
    for (script, twice) in
        [(with_checkpoint.to_owned(), false), (with_checkpoint.replace("${TUNE_FROM_EPOCH}", "0"), true)]
    {
        let place = with_script("", &script, X);
        place.stdout(&["search", "mine.toml", "--quiet", "--trials", "1", "--max-epochs-total", "2", "--epochs", "6"]);
        let half = place.trials("mine");
        assert_eq!((epochs(&half[0]), half[0]["state"].as_str()), (2, Some("waiting")), "{half:#?}");
        place.stdout(&["search", "mine.toml", "--quiet", "--trials", "1", "--epochs", "6"]);
        let whole = place.trials("mine");
        assert_eq!((epochs(&whole[0]), whole[0]["state"].as_str()), (6, Some("completed")));
        assert_eq!(
            whole[0]["executions"][0]["epochs"].as_array().unwrap()[..2],
            half[0]["executions"][0]["epochs"].as_array().unwrap()[..]
        );
        let trained = std::fs::read_to_string(place.path().join("trained")).unwrap();
        assert_eq!(trained.matches("1 1\n").count(), if twice { 2 } else { 1 }, "{trained}");
    }
}

#[test]
fn a_worker_of_the_full_protocol_serves_many_trials() {
    let place = Place::new();
    place.write("mine.toml", &study("", &full(), X));
    let mut command = place.command(&["search", "mine.toml", "--jobs", "2", "--trials", "12"]);
    let output = command.env("WORKER_LOG", place.path().join("log")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("Best trial: "), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains("tune evaluate"), "{}", text(&output.stdout));
    let trials = place.trials("mine");
    assert!(trials.len() == 12 && trials.iter().all(|trial| trial["state"] == "completed" && epochs(trial) == 3));
    let log = std::fs::read_to_string(place.path().join("log")).unwrap();
    assert_eq!(log.lines().count(), 36);
    let summary = place.stdout(&["summary", "mine"]);
    assert!(summary.contains("all trials asked for were run") && summary.contains("val_loss"), "{summary}");
    let (code, message) = place.failure(&["evaluate", "mine"]);
    assert!(code == 2 && message.contains("has no network"), "{message}");
}

#[test]
fn mistakes_in_the_table_are_shown_with_their_places() {
    let place = Place::new();
    let command = "command = [\"sh\", \"{xx}\", \"{rate}\"]\nprotocol = \"ful\"\nshell = true";
    let space = format!(
        "{X}\n\"a b\" = {{ type = \"boolean\" }}\nmethod = {{ type = \"boolean\" }}\nrate = {{ type = \"float\", min = 0.0, max = 1.0, when = {{ method = true }} }}"
    );
    place.write("mine.toml", &(study("", command, &space) + "\n[data]\ndataset = \"digits\"\n"));
    let (code, message) = place.failure(&["search", "mine.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message);
    place.write("mine.toml", &study("", command, &space.replace("\"a b\"", "ab")));
    let (_, message) = place.failure(&["search", "mine.toml"]);
    insta::assert_snapshot!("places_in_the_command", message);
}

#[test]
fn a_program_that_does_not_exist_ends_the_search_at_once() {
    for protocol in ["simple", "full"] {
        let place = Place::new();
        place.write("mine.toml", &study("", &format!("command = [\"no-such-program\"]\nprotocol = \"{protocol}\""), X));
        let (code, message) = place.failure(&["search", "mine.toml", "--quiet"]);
        assert_eq!(code, 1);
        assert!(message.contains("no-such-program") && message.contains("No such file"), "{message}");
    }
}

fn example(folder: &str, file: &str, trials: &str) -> Place {
    let place = Place::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(folder);
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    place.stdout(&["search", file, "--quiet", "--trials", trials]);
    place
}

#[test]
fn the_shell_example_searches() {
    let place = example("shell", "curve.toml", "6");
    let trials = place.trials("shell_curve");
    assert!(trials.len() == 6 && trials.iter().all(|trial| trial["state"] == "completed"), "{trials:#?}");
    assert_eq!(trials[0]["params"]["x"], 9.0);
}

#[test]
fn the_python_example_searches() {
    let python = Command::new("python3").args(["-c", "import sklearn"]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 has no scikit-learn; python3 -m pip install scikit-learn");
        return;
    }
    let place = example("python", "digits.toml", "3");
    let trials = place.trials("python_digits");
    assert!(trials.len() == 3 && trials.iter().all(|trial| trial["state"] == "completed"), "{trials:#?}");
    let best = trials.iter().filter_map(|trial| trial["score"].as_f64()).fold(0.0, f64::max);
    assert!(best > 0.8, "{best}");
}
