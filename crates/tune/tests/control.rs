//! A search and a second terminal; two searches; folders that cannot be written to.

#![cfg(target_os = "linux")]

mod common;

use std::process::{Child, Command, Stdio};

use common::programs::{X, full, processes_of, signal, study, wait_for};
use common::{Place, text};
use serde_json::Value;

/// A study of slow epochs, and its search.
fn searching(trials: u64) -> (Place, Child) {
    let place = Place::new();
    let space = format!("{X}\nmilliseconds = {{ type = \"int\", min = 40, max = 41 }}");
    place.write("mine.toml", &study("jobs = 2\nmax_retries = 0", &full(), &space).replace("epochs = 3", "epochs = 20"));
    let mut command = place.command(&["search", "mine.toml", "--trials", &trials.to_string()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the first epoch", || place.path().join("results/mine/trials/0002.json").exists());
    (place, child)
}

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.stdout(&["status", "mine", "--format", "json"])).unwrap()
}

#[test]
fn a_second_terminal_sees_pauses_resumes_and_stops() {
    let (place, child) = searching(500);
    let shown = place.stdout(&["status", "mine"]);
    assert!(shown.contains(&format!("searching by process {}", child.id())), "{shown}");
    assert!(shown.contains("trial 0001 epoch ") && shown.contains("of 500 trials begun"), "{shown}");

    place.stdout(&["pause", "mine"]);
    wait_for("the pause", || {
        status(&place)["status"] == "paused" && status(&place)["running"] == serde_json::json!([])
    });
    wait_for("the end of the workers", || processes_of(&place) == 1);
    let before = status(&place)["epochs"].clone();
    assert_eq!(status(&place)["epochs"], before);

    place.stdout(&["resume", "mine"]);
    wait_for("more epochs", || status(&place)["epochs"].as_u64() > before.as_u64());
    place.stdout(&["stop", "mine"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let shown = place.stdout(&["status", "mine"]);
    assert!(shown.contains(": ended at ") && shown.contains("it was interrupted"), "{shown}");
    for trial in place.trials("mine") {
        assert!(trial["state"] == "completed" || trial["state"] == "waiting", "{trial:#}");
    }
    let (code, message) = place.failure(&["pause", "mine"]);
    assert_eq!(code, 1);
    assert!(message.contains("no search is at work on study `mine`"), "{message}");
    let names: Vec<_> =
        std::fs::read_dir(place.path().join("results/mine")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!names.iter().any(|name| name == "request" || name == "paused"), "{names:?}");
}

#[test]
fn a_search_that_is_killed_is_seen_as_interrupted() {
    let (place, mut child) = searching(500);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(status(&place)["status"], "interrupted");
    wait_for("the end of the orphans", || processes_of(&place) == 0);
}

#[test]
fn interrupted_twice_it_stops_now() {
    let place = Place::new();
    let space = format!("{X}\nmilliseconds = {{ type = \"int\", min = 60000, max = 60001 }}");
    place.write("mine.toml", &study("", &full(), &space));
    let mut command = place.command(&["search", "mine.toml"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the first trial", || place.path().join("results/mine/trials/0001.json").exists());
    signal(&child, "-INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(processes_of(&place), 0);
    assert_eq!(place.trials("mine")[0]["state"], "waiting");
}

#[test]
fn limits_end_a_study_and_are_remembered() {
    let limits = [
        ("--max-epochs-total", "7", "the epochs that all trials together may train are used up"),
        ("--target", "1000", "the target was reached"),
        ("--max-time", "1s", "the time is over"),
    ];
    for (flag, value, reason) in limits {
        let place = Place::new();
        let space = format!("{X}\nmilliseconds = {{ type = \"int\", min = 20, max = 21 }}");
        place.write("mine.toml", &study("plateau = 400", &full(), &space));
        let printed = place.stdout(&["search", "mine.toml", "--trials", "100000", flag, value]);
        assert!(printed.contains(&format!("Study mine ended: {reason}")), "{printed}");
        assert!(place.stdout(&["summary", "mine"]).contains(&format!("Ended: {reason}")));
        assert!(place.stdout(&["status", "mine"]).contains(reason));
        if flag == "--max-epochs-total" {
            assert_eq!(status(&place)["epochs"], 7, "to the epoch");
        }
    }
}

/// Mounts a file system for the test; `None`, with a message, where this is not allowed.
fn mount(place: &Place, options: &str) -> Option<Mount> {
    let at = place.path().join("results");
    std::fs::create_dir(&at).unwrap();
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).output();
    if status.is_ok_and(|output| output.status.success()) {
        return Some(Mount(at));
    }
    eprintln!("skipped: mounting a small disk needs the rights of root");
    None
}

struct Mount(std::path::PathBuf);

impl Mount {
    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_search_and_loses_nothing() {
    let (place, whole) = (Place::new(), Place::new());
    for place in [&place, &whole] {
        place.write("mine.toml", &study("keep_checkpoints = \"best\"", &full(), X));
    }
    let Some(disk) = mount(&place, "size=64k") else { return };
    let (code, message) = place.failure(&["search", "mine.toml", "--quiet", "--trials", "40"]);
    assert_eq!(code, 1);
    assert!(message.contains("No space left") || message.contains("StorageFull"), "{message}");
    disk.again("size=8m");
    place.stdout(&["search", "mine.toml", "--quiet", "--trials", "40"]);
    whole.stdout(&["search", "mine.toml", "--quiet", "--trials", "40"]);
    assert_eq!(place.trials("mine"), whole.trials("mine"));
}

#[test]
fn a_read_only_folder_is_named() {
    let place = Place::new();
    place.write("mine.toml", &study("", &full(), X));
    let Some(disk) = mount(&place, "size=8m") else { return };
    place.stdout(&["search", "mine.toml", "--quiet", "--trials", "2"]);
    let before = place.trials("mine");
    disk.again("ro");
    let (code, message) = place.failure(&["search", "mine.toml", "--quiet", "--trials", "4"]);
    assert_eq!(code, 1);
    assert!(message.contains("results/mine") && message.contains("Make the folder writable"), "{message}");
    assert_eq!(place.trials("mine"), before);
}

#[test]
fn a_study_of_a_newer_version_is_refused_and_left_alone() {
    let place = Place::new();
    place.write("mine.toml", &study("", &full(), X));
    place.stdout(&["search", "mine.toml", "--quiet", "--trials", "1"]);
    let newer = std::fs::read_to_string(place.path().join("results/mine/study.json"))
        .unwrap()
        .replace("\"format\": 1", "\"format\": 9");
    place.write("results/mine/study.json", &newer);
    for command in ["search", "status", "summary"] {
        let (code, message) = place.failure(&[command, "mine.toml"]);
        assert_eq!(code, 1);
        assert!(message.contains("has format 9, and this version knows formats up to 1"), "{command}: {message}");
    }
    assert_eq!(std::fs::read_to_string(place.path().join("results/mine/study.json")).unwrap(), newer);
}

#[test]
fn names_do_not_lead_out_of_the_results() {
    let place = Place::new();
    for name in ["../outside", "/tmp/outside", "a/b", ".."] {
        place.write("mine.toml", &study("", &full(), X).replace("name = \"mine\"", &format!("name = \"{name}\"")));
        let (code, message) = place.failure(&["search", "mine.toml"]);
        assert!(code == 2 && message.contains("cannot be the name of a study"), "{message}");
        for command in ["status", "stop", "summary"] {
            assert_eq!(place.failure(&[command, name]).0, 2, "{command} {name}");
        }
    }
    assert!(!place.path().join("results").exists());
}
