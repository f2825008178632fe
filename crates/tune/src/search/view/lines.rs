//! Plain lines on standard output, for logs and pipes: one per epoch.

use std::io::Write as _;
use std::time::Instant;

use tuner::Objective;

use super::{Happening, Overview, View, ending, measured};
use crate::tables::{duration, value};

pub struct Lines {
    objective: Objective,
    trials: u64,
    executions: u32,
    started: Instant,
}

impl Lines {
    pub fn new(overview: &Overview<'_>) -> Self {
        let lines = Lines {
            objective: overview.objective.clone(),
            trials: overview.trials,
            executions: overview.executions,
            started: Instant::now(),
        };
        print(&format!("study {}: {}", overview.name, super::introduction(overview)));
        lines
    }

    fn execution(&self, execution: usize) -> String {
        if self.executions > 1 { format!(" execution {}/{}", execution + 1, self.executions) } else { String::new() }
    }
}

/// A reader that went away (a closed pipe) must not end the search.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl View for Lines {
    fn show(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Started { place, params, from_epoch, stage, .. } => {
                if place.execution == 0 && *from_epoch == 0 {
                    let values: Vec<String> = params.iter().map(|(name, v)| format!("{name}={}", value(v))).collect();
                    let onward = super::onward(0, *stage);
                    print(&format!("trial {} of {}{onward}: {}", place.trial, self.trials, values.join(" ")));
                } else if *from_epoch > 0 {
                    let execution = self.execution(place.execution);
                    let to = stage.map_or_else(String::new, |stage| format!(" to {stage}"));
                    print(&format!("trial {}{execution} goes on after epoch {from_epoch}{to}", place.trial));
                }
            }
            Happening::Epoch { place, epoch } => {
                let rate = epoch.metrics.get("images_per_second").map(|rate| format!("  {rate:.0} images/s"));
                print(&format!(
                    "trial {}{} epoch {}/{}  {}{}  {}",
                    place.trial,
                    self.execution(place.execution),
                    epoch.epoch,
                    place.to_epoch,
                    measured(epoch, &self.objective),
                    rate.unwrap_or_default(),
                    duration(epoch.seconds),
                ));
            }
            Happening::Ended { trial, best, .. } => {
                let elapsed = duration(self.started.elapsed().as_secs_f64());
                print(&format!("{}  elapsed {elapsed}", ending(trial, &self.objective, *best)));
            }
            Happening::Paused { trial, stage, paused } => {
                print(&super::pausing(trial, *stage, *paused, &self.objective));
            }
            Happening::Note { text } => print(text),
            Happening::Stopping => print("stopping after this epoch; interrupt again to stop now"),
            Happening::Progress { .. } => {}
        }
    }
}
