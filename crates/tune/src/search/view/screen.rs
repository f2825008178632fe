//! Bars and tables on a terminal.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tuner::{Objective, TrialId};

use super::{Happening, Overview, Place, View, ending};
use crate::tables::{duration, number, running};

/// Steps of a bar: fine enough for a smooth motion.
const STEPS: f64 = 1000.0;

pub struct Screen {
    bars: MultiProgress,
    study: ProgressBar,
    jobs: Vec<Job>,
    objective: Objective,
    name: String,
    trials: u64,
    executions: u32,
    finished_before: u64,
    finished: u64,
    best: Option<(TrialId, f64)>,
    started: Instant,
}

struct Job {
    bar: ProgressBar,
    /// How much of its trial is done, 0 to 1; absent while it has none.
    share: Option<f64>,
}

impl Screen {
    pub fn new(overview: &Overview<'_>) -> Self {
        let bars = MultiProgress::new();
        let _ = bars.println(format!("Study {}: {}", overview.name, super::introduction(overview)));
        let jobs = (0..overview.jobs)
            .map(|_| {
                let bar =
                    bars.add(ProgressBar::new(STEPS as u64).with_style(style("{prefix} {bar:24.green/dim} {msg}")));
                bar.set_prefix("starting");
                Job { bar, share: None }
            })
            .collect();
        let study = bars.add(ProgressBar::new(STEPS as u64).with_style(style("{prefix} {bar:24.cyan/dim} {msg}")));
        let mut screen = Screen {
            bars,
            study,
            jobs,
            objective: overview.objective.clone(),
            name: overview.name.to_owned(),
            trials: overview.trials,
            executions: overview.executions,
            finished_before: overview.finished,
            finished: overview.finished,
            best: None,
            started: Instant::now(),
        };
        screen.tick();
        screen
    }

    fn print(&self, text: impl AsRef<str>) {
        let _ = self.bars.println(text);
    }

    fn prefix(&self, place: &Place) -> String {
        let execution = if self.executions > 1 {
            format!(" execution {}/{}", place.execution + 1, self.executions)
        } else {
            String::new()
        };
        format!("trial {}{execution}", place.trial)
    }

    /// Moves a job's bar to where its trial is: `epochs` epochs, possibly in part, of its running execution.
    fn advance(&mut self, place: &Place, epochs: f64, message: String) {
        let prefix = self.prefix(place);
        let share = (epochs / f64::from(place.to_epoch.max(1))).clamp(0.0, 1.0);
        let executions = f64::from(self.executions.max(1));
        let job = &mut self.jobs[place.job];
        job.share = Some((place.execution as f64 + share) / executions);
        job.bar.set_prefix(prefix);
        job.bar.set_position((share * STEPS) as u64);
        job.bar.set_message(message);
        self.tick();
    }
}

impl View for Screen {
    fn show(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Started { place, params, from_epoch, stage, best } => {
                if let Some(best) = best.and_then(|best| best.score.map(|score| (best.id, score))) {
                    self.best = Some(best);
                }
                if place.execution == 0 {
                    let onward = super::onward(*from_epoch, *stage);
                    self.print(format!("\nTrial {} of {}{onward}", place.trial, self.trials));
                    self.print(running(params, best.map(|best| &best.params)));
                }
                self.advance(place, f64::from(*from_epoch), String::new());
            }
            Happening::Progress { place, progress } => {
                let within = progress.batch as f64 / progress.batches.max(1) as f64;
                let metrics: Vec<String> =
                    progress.metrics.iter().rev().map(|(name, value)| format!("{name} {}", number(*value))).collect();
                let message = format!(
                    "epoch {}/{}  batch {}/{}  {}  {:.0} images/s",
                    progress.epoch,
                    place.to_epoch,
                    progress.batch,
                    progress.batches,
                    metrics.join("  "),
                    progress.images_per_second
                );
                self.advance(place, f64::from(progress.epoch.saturating_sub(1)) + within, message);
            }
            Happening::Epoch { place, epoch } => {
                let measured = super::measured(epoch, &self.objective);
                let message = format!("epoch {}/{}  {measured}", epoch.epoch, place.to_epoch);
                self.advance(place, f64::from(epoch.epoch), message);
            }
            Happening::Ended { trial, best, finished } => {
                self.finished = *finished;
                self.best = best.and_then(|best| best.score.map(|score| (best.id, score)));
                let elapsed = duration(self.started.elapsed().as_secs_f64());
                self.print(format!("{}  elapsed {elapsed}", ending(trial, &self.objective, *best)));
                for job in &mut self.jobs {
                    job.share = job.share.filter(|share| *share < 1.0);
                }
                self.tick();
            }
            Happening::Paused { trial, stage, paused } => {
                self.print(super::pausing(trial, *stage, *paused, &self.objective));
                self.tick();
            }
            Happening::Note { text } => self.print(text),
            Happening::Stopping => self.print("stopping after this epoch; press Ctrl-C again to stop now"),
        }
    }

    fn tick(&mut self) {
        let running: f64 = self.jobs.iter().filter_map(|job| job.share).sum();
        let done = (self.finished as f64 + running).min(self.trials as f64);
        let done_now = done - self.finished_before as f64;
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = (self.trials as f64 - done) * elapsed / done_now;
        let left =
            if left.is_finite() && done_now > 0.0 { format!("  left {}", duration(left)) } else { String::new() };
        let best = self.best.map_or_else(String::new, |(trial, score)| {
            format!("  best {} {} (trial {trial})", self.objective.metric, number(score))
        });
        self.study.set_prefix(self.name.clone());
        self.study.set_position((done / self.trials.max(1) as f64 * STEPS) as u64);
        self.study.set_message(format!(
            "{}/{} trials  elapsed {}{left}{best}",
            self.finished,
            self.trials,
            duration(elapsed)
        ));
    }

    fn close(&mut self) {
        for job in &self.jobs {
            job.bar.finish_and_clear();
        }
        self.study.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━━─"))
}

/// How often the screen shows time passing.
pub const TICK: Duration = Duration::from_millis(250);
