//! Studies of programs, and the programs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::Place;

/// A study of a program: `search` and `command` are lines of their tables, `space` those of the space.
pub fn study(search: &str, command: &str, space: &str) -> String {
    format!(
        "name = \"mine\"\nobjective = \"val_loss\"\nseed = 7\n\n[search]\nstrategy = \"random\"\ntrials = 4\nepochs = 3\n{search}\n\n\
         [objective_command]\ngrace = \"500ms\"\n{command}\n\n[space]\n{space}\n"
    )
}

pub const X: &str = "x = { type = \"float\", min = 0.0, max = 10.0 }";

/// The example worker, which speaks the whole protocol.
pub fn worker() -> PathBuf {
    let example = Path::new(env!("CARGO_BIN_EXE_tune")).parent().unwrap().join("examples/worker");
    assert!(example.exists(), "{} is built by `cargo test`, unless one test is asked for alone", example.display());
    example
}

/// `command` and `protocol` of a study of the example worker.
pub fn full() -> String {
    format!("command = [{:?}]\nprotocol = \"full\"", worker().display().to_string())
}

/// A folder with `mine.toml` and the script `train.sh`, of the simple kind.
pub fn with_script(search: &str, script: &str, space: &str) -> Place {
    let place = Place::new();
    place.write("train.sh", script);
    place.write("mine.toml", &study(search, "command = [\"sh\", \"train.sh\"]", space));
    place
}

/// Processes that work in the folder of a place, or below.
pub fn processes_of(place: &Place) -> usize {
    let mine = place.path().canonicalize().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder.starts_with(&mine)))
        .count()
}

/// Waits for something that must come, generously.
pub fn wait_for(what: &str, mut come: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !come() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
