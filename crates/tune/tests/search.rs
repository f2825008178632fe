//! `tune search` as a user runs it: to the end, interrupted, killed, repeated.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Place, text};

#[test]
fn a_search_runs_to_its_end_and_says_what_was_best() {
    let place = Place::new();
    let printed = place.stdout(&["search", "tiny.toml"]);
    let epochs = printed.lines().filter(|line| line.contains(" epoch ")).count();
    assert_eq!(epochs, 8, "one line per epoch:\n{printed}");
    for expected in ["trial 0004 completed", "Best trial: ", "val_accuracy", "tune summary tiny", "tune evaluate tiny"]
    {
        assert!(printed.contains(expected), "{expected} is missing:\n{printed}");
    }
    let trials = place.trials("tiny");
    assert_eq!(trials.len(), 4);
    for trial in &trials {
        assert_eq!(trial["state"], "completed");
        let epochs = trial["executions"][0]["epochs"].as_array().unwrap();
        assert_eq!(epochs.len(), 2);
        let best = epochs.iter().map(|epoch| epoch["metrics"]["val_accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(trial["score"].as_f64().unwrap(), best);
    }
    assert_eq!(place.json("results/tiny/study.json")["format"], 1);
}

#[test]
fn the_same_seed_gives_the_same_trials() {
    let (one, two) = (Place::new(), Place::new());
    one.stdout(&["search", "tiny.toml", "--quiet"]);
    two.stdout(&["search", "tiny.toml", "--quiet"]);
    assert_eq!(one.trials("tiny"), two.trials("tiny"));
    two.stdout(&["search", "tiny.toml", "--quiet", "--seed", "8", "--overwrite"]);
    assert_ne!(one.trials("tiny"), two.trials("tiny"));
}

#[test]
fn more_trials_go_on_after_those_there_are() {
    let (whole, parts) = (Place::new(), Place::new());
    whole.stdout(&["search", "tiny.toml", "--quiet"]);
    parts.stdout(&["search", "tiny.toml", "--quiet", "--trials", "2"]);
    let first = parts.trials("tiny");
    assert_eq!(first.len(), 2);
    parts.stdout(&["search", "tiny.toml", "--quiet"]);
    assert_eq!(parts.trials("tiny"), whole.trials("tiny"));
    let nothing_left = parts.stdout(&["search", "tiny.toml"]);
    assert!(!nothing_left.contains(" epoch "), "{nothing_left}");
}

/// Starts a search and waits for its `lines`-th line of an epoch.
fn start_and_wait(place: &Place, arguments: &[&str], lines: usize) -> Child {
    let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut epochs = output.lines().map_while(Result::ok).filter(|line| line.contains(" epoch "));
    epochs.nth(lines - 1).expect("the search ended too early");
    child
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Processes that this program started and that are still there.
#[cfg(target_os = "linux")]
fn workers_of(place: &Place) -> usize {
    let mine = place.path().canonicalize().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == mine))
        .count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_search_goes_on_where_it_was() {
    let whole = Place::new();
    whole.stdout(&["search", "tiny.toml", "--quiet", "--epochs", "4"]);
    for lines in [1, 3, 6, 11] {
        let place = Place::new();
        let mut child = start_and_wait(&place, &["search", "tiny.toml", "--epochs", "4"], lines);
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while workers_of(&place) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(workers_of(&place), 0, "an orphaned worker lives on");
        place.stdout(&["search", "tiny.toml", "--quiet", "--epochs", "4"]);
        assert_eq!(place.trials("tiny"), whole.trials("tiny"), "killed after {lines} epochs");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_search_says_how_to_go_on() {
    let (whole, place) = (Place::new(), Place::new());
    whole.stdout(&["search", "tiny.toml", "--quiet", "--epochs", "20"]);
    let child = start_and_wait(&place, &["search", "tiny.toml", "--epochs", "20"], 4);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{printed}{}", text(&output.stderr));
    assert!(printed.contains("Go on with the same command: tune search tiny.toml --epochs 20"), "{printed}");
    assert!(place.trials("tiny").len() < 4);
    place.stdout(&["search", "tiny.toml", "--quiet", "--epochs", "20"]);
    assert_eq!(place.trials("tiny"), whole.trials("tiny"));
}

#[test]
fn another_study_of_the_same_name_is_refused_with_the_difference() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "1"]);
    let (code, message) = place.failure(&["search", "tiny.toml", "--epochs", "3", "--seed", "9"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(message);
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "1", "--epochs", "3", "--overwrite"]);
    assert_eq!(place.trials("tiny")[0]["budget"], 3);
}

#[test]
fn two_searches_do_not_share_a_study() {
    let place = Place::new();
    let mut first = start_and_wait(&place, &["search", "tiny.toml", "--epochs", "200"], 1);
    let (code, message) = place.failure(&["search", "tiny.toml", "--epochs", "200"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(code, 1);
    insta::assert_snapshot!(message.replace(&first.id().to_string(), "PID"));
}

#[test]
fn a_damaged_trial_file_is_set_aside() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "2"]);
    place.write("results/tiny/trials/0001.json", "{ \"format\": 1, \"id\"");
    let printed = place.stdout(&["search", "tiny.toml", "--trials", "3"]);
    assert!(printed.contains("0001.json"), "{printed}");
    assert!(place.path().join("results/tiny/trials/0001.json.damaged").exists());
    let numbers: Vec<u64> = place.trials("tiny").iter().map(|trial| trial["id"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4], "three trials, and no number twice");
}

#[test]
fn a_missing_trial_file_is_named() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "3"]);
    std::fs::remove_file(place.path().join("results/tiny/trials/0002.json")).unwrap();
    let printed = place.stdout(&["search", "tiny.toml", "--trials", "3"]);
    assert!(printed.contains("trials/0002.json is missing"), "{printed}");
    let numbers: Vec<u64> = place.trials("tiny").iter().map(|trial| trial["id"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 3, 4]);
}

#[test]
fn grid_ends_when_the_space_is_exhausted() {
    let place = Place::new();
    let study = common::TINY
        .replace("learning_rate = {", "# learning_rate = {")
        .replace("momentum      = {", "# momentum = {")
        .replace("trials  = 4", "trials  = 30");
    place.write("tiny.toml", &study);
    let printed = place.stdout(&["search", "tiny.toml", "--strategy", "grid", "--epochs", "1"]);
    assert!(printed.contains("every configuration was tried"), "{printed}");
    assert_eq!(place.trials("tiny").len(), 16);
}

#[test]
fn executions_are_trained_with_seeds_of_their_own() {
    let place = Place::new();
    let study = common::TINY
        .replace("epochs  = 2", "epochs  = 2\nexecutions_per_trial = 3")
        .replace("trials  = 4", "trials  = 1");
    place.write("tiny.toml", &study);
    place.stdout(&["search", "tiny.toml", "--quiet"]);
    let trial = &place.trials("tiny")[0];
    let executions = trial["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 3);
    let bests: Vec<f64> = executions
        .iter()
        .map(|execution| {
            let epochs = execution["epochs"].as_array().unwrap();
            epochs.iter().map(|epoch| epoch["metrics"]["val_accuracy"].as_f64().unwrap()).fold(0.0, f64::max)
        })
        .collect();
    let mean = bests.iter().sum::<f64>() / 3.0;
    assert!((trial["score"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert_ne!(executions[0]["seed"], executions[1]["seed"]);
    assert_ne!(executions[0]["epochs"], executions[1]["epochs"]);
}

#[test]
fn a_diverging_trial_fails_and_the_search_goes_on() {
    let place = Place::new();
    let study = common::TINY.to_owned() + "\n[[enqueue]]\noptimizer = \"sgd\"\nmomentum = 0.9\nlearning_rate = 1e30\n";
    place.write("tiny.toml", &study.replace("max = 1e-1", "max = 1e30"));
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "2"]);
    let trials = place.trials("tiny");
    assert_eq!(trials[0]["state"], "failed", "{:#}", trials[0]);
    assert_eq!(trials[0]["detail"]["reason"], "non_finite");
    assert_eq!(trials.len(), 2);
}

#[test]
fn two_jobs_share_the_work() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--jobs", "2"]);
    let trials = place.trials("tiny");
    assert_eq!(trials.len(), 4);
    assert!(trials.iter().all(|trial| trial["state"] == "completed"));
}

#[test]
fn a_backend_that_is_not_built_in_names_its_feature() {
    let place = Place::new();
    let (code, message) = place.failure(&["search", "tiny.toml", "--backend", "cuda"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message);
    assert!(!place.path().join("results").exists(), "nothing is written before all is checked");
}

/// Images of the user's own, in a folder for each class.
#[test]
fn a_folder_of_images_is_searched_and_evaluated() {
    let place = Place::new();
    for (part, count) in [("train", 24_u8), ("test", 6)] {
        for (class, column) in [("left", 1), ("right", 5)] {
            let folder = place.path().join("lines").join(part).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for index in 0..count {
                let pixel = |x, _| image::Luma([if x == column { 200 + index } else { index }]);
                image::GrayImage::from_fn(8, 8, pixel).save(folder.join(format!("{index}.png"))).unwrap();
            }
        }
    }
    let study = common::TINY
        .replace("dataset    = \"digits\"", "dataset = \"folder\"\npath = \"lines\"\ngrey = true")
        .replace("epochs  = 2", "epochs = 6")
        .replace("batch_size  = 64", "batch_size = 8");
    place.write("tiny.toml", &study);
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "3"]);
    let evaluated: serde_json::Value =
        serde_json::from_str(&place.stdout(&["evaluate", "tiny", "--format", "json"])).unwrap();
    assert_eq!(evaluated["accuracy"], 1.0, "{evaluated}");
    assert_eq!(evaluated["classes"], serde_json::json!(["left", "right"]), "{evaluated}");
}

#[test]
fn jobs_are_measured_when_asked() {
    let place = Place::new();
    let printed = place.stdout(&["search", "tiny.toml", "--jobs", "auto"]);
    assert!(printed.contains("jobs auto chose ") && printed.contains("images/s by jobs: 1: "), "{printed}");
    assert!(place.trials("tiny").iter().all(|trial| trial["state"] == "completed"));
}
