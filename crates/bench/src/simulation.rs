//! Many workers at once, in simulated time: an event queue with each configuration's own time per epoch.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

use tuner::strategy::{Decision, Strategy};
use tuner::study::{Ask, Assignment, Outcome, Study, StudyError};
use tuner::{Epoch, Failure, FailureReason, seeds};

use crate::problem::{Measured, Problem};
use crate::replay::{Run, study};

/// How a simulation is made.
pub struct Simulation {
    /// How many workers there are.
    pub workers: usize,
    /// How long it goes on: so many times the average full training of a configuration.
    pub trials: usize,
    /// The study's seed.
    pub seed: u64,
}

/// Runs `strategy` on `problem` with many workers. An epoch is reported when it ends, and whoever is free asks at once; a
/// strategy's own thinking takes no simulated time.
pub fn simulate(problem: &dyn Problem, strategy: Box<dyn Strategy>, simulation: &Simulation) -> Result<Run, String> {
    let study = study(problem, strategy, simulation.seed, u64::MAX)?;
    let full_training = average_epoch(problem) * f64::from(problem.epochs());
    let mut floor = Floor {
        problem,
        study,
        queue: BinaryHeap::new(),
        idle: simulation.workers,
        begun: 0,
        now: 0.0,
        end: full_training * simulation.trials as f64,
        busy: 0.0,
        best: f64::INFINITY,
        thought: 0.0,
    };
    let mut regrets = Vec::with_capacity(simulation.trials);
    floor.employ().map_err(|error| error.to_string())?;
    while let Some(next) = floor.queue.peek().map(|Reverse(event)| event.time) {
        while regrets.len() < simulation.trials && full_training * (regrets.len() + 1) as f64 <= next {
            regrets.push(problem.regret(floor.best));
        }
        if next >= floor.end {
            break;
        }
        floor.advance().map_err(|error| error.to_string())?;
    }
    regrets.resize(simulation.trials, problem.regret(floor.best));
    let utilisation = floor.busy / (floor.end * simulation.workers as f64);
    Ok(Run { regrets, seconds: floor.thought, utilisation: Some(utilisation) })
}

/// The time per epoch of a configuration on average: over all of a space that can be listed, else over draws.
fn average_epoch(problem: &dyn Problem) -> f64 {
    const LISTABLE: u128 = 1 << 17;
    const DRAWS: usize = 4_000;
    let space = problem.space();
    let mut rng = seeds::stream(0, tuner::TrialId(1), "epoch seconds");
    let listable = space.size().finite().is_some_and(|size| size <= LISTABLE);
    let seconds: Vec<f64> = if listable {
        space.iter().map(|params| problem.epoch_seconds(&params)).collect()
    } else {
        (0..DRAWS).map(|_| problem.epoch_seconds(&space.sample(&mut rng))).collect()
    };
    seconds.iter().sum::<f64>() / seconds.len() as f64
}

/// The end of an epoch.
struct Event {
    time: f64,
    /// Of two epochs that end together, the one that began first ends first.
    begun: u64,
    epoch: u32,
    seconds: f64,
    work: Assignment,
    measured: Vec<Measured>,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.time.total_cmp(&other.time).then(self.begun.cmp(&other.begun))
    }
}

/// Where the workers are.
struct Floor<'p> {
    problem: &'p dyn Problem,
    study: Study,
    queue: BinaryHeap<Reverse<Event>>,
    idle: usize,
    begun: u64,
    now: f64,
    end: f64,
    /// The time that workers have been at work, together, up to `end`.
    busy: f64,
    /// The least loss so far.
    best: f64,
    /// Real seconds that asking took.
    thought: f64,
}

impl Floor<'_> {
    /// Gives work to whoever has none, as long as there is work.
    fn employ(&mut self) -> Result<(), StudyError> {
        while self.idle > 0 {
            let begin = Instant::now();
            let ask = self.study.ask()?;
            self.thought += begin.elapsed().as_secs_f64();
            let Ask::Run(work) = ask else { break };
            let Some(measured) = self.problem.train(&work.params, work.seed) else {
                let failure = Failure::new(FailureReason::Error, "this region fails");
                self.study.tell(work.trial, work.execution, Outcome::Failed(failure))?;
                continue;
            };
            self.idle -= 1;
            let seconds = self.problem.epoch_seconds(&work.params);
            self.begin(Event { time: self.now, begun: 0, epoch: work.from_epoch, seconds, work, measured });
        }
        Ok(())
    }

    /// Begins the epoch after the one that has ended.
    fn begin(&mut self, ended: Event) {
        self.begun += 1;
        let time = self.now + ended.seconds;
        self.busy += time.min(self.end) - self.now;
        self.queue.push(Reverse(Event { time, begun: self.begun, epoch: ended.epoch + 1, ..ended }));
    }

    /// Goes on to the next end of an epoch.
    fn advance(&mut self) -> Result<(), StudyError> {
        let Some(Reverse(event)) = self.queue.pop() else { return Ok(()) };
        self.now = event.time;
        let loss = event.measured[event.epoch as usize - 1];
        self.best = self.best.min(loss.actual);
        let report = Epoch::new(event.epoch, event.seconds, [("loss", loss.reported)]);
        let decision = self.study.report(event.work.trial, event.work.execution, report)?;
        let outcome = match decision {
            Decision::Continue if event.epoch < event.work.to_epoch => {
                self.begin(event);
                return Ok(());
            }
            Decision::Continue => Outcome::Finished { stopped_early: false, best_epoch: None },
            Decision::Pause => Outcome::Paused,
            Decision::Stop => Outcome::Pruned,
        };
        self.study.tell(event.work.trial, event.work.execution, outcome)?;
        self.idle += 1;
        self.employ()
    }
}
