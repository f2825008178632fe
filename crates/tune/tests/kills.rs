//! The supervisor killed at two hundred random moments: nothing is lost, and nothing is done twice.

#![cfg(target_os = "linux")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::Place;
use common::programs::{X, full, processes_of, study, wait_for};

const KILLS: usize = 200;
const TRIALS: &str = "12";

fn place() -> Place {
    let place = Place::new();
    let space = format!("{X}\nmilliseconds = {{ type = \"int\", min = 1, max = 3 }}");
    place.write("mine.toml", &study("keep_checkpoints = \"all\"", &full(), &space));
    place
}

fn search(place: &Place) -> std::process::Command {
    let mut command = place.command(&["search", "mine.toml", "--quiet", "--trials", TRIALS]);
    command.env("WORKER_LOG", place.path().join("log")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn killed_at_random_moments_the_study_is_the_uninterrupted_one() {
    let whole = place();
    assert!(search(&whole).status().unwrap().success());
    let expected = whole.trials("mine");
    // The same moments each time, as far as the machine lets them be.
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut moment = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        Duration::from_micros(random % 150_000)
    };
    let (mut kills, mut studies) = (0, 0);
    while kills < KILLS {
        let place = place();
        studies += 1;
        loop {
            let mut child = search(&place).spawn().unwrap();
            std::thread::sleep(moment());
            child.kill().unwrap();
            let finished = child.wait().unwrap().success();
            wait_for("the end of the orphans", || processes_of(&place) == 0);
            if finished {
                break;
            }
            kills += 1;
        }
        assert_eq!(place.trials("mine"), expected, "study {studies}, after {kills} kills");
        let log = std::fs::read_to_string(place.path().join("log")).unwrap();
        let trained: std::collections::BTreeSet<&str> = log.lines().collect();
        assert_eq!(trained.len(), 36, "every epoch is trained");
        assert_eq!(log.lines().count(), 36, "and none of them twice:\n{log}");
        let leftovers = std::fs::read_dir(place.path().join("results/mine/trials")).unwrap().count();
        assert_eq!(leftovers, 12);
    }
}
