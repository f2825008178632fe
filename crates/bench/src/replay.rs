//! One run of one strategy on one task.

use std::collections::VecDeque;
use std::time::Instant;

use tuner::store::MemoryStore;
use tuner::strategy::{Decision, Strategy};
use tuner::study::{Ask, Assignment, Outcome, Study, StudySettings};
use tuner::{Direction, Epoch, Failure, FailureReason, Objective};

use crate::problem::Problem;

/// How a run is made.
pub struct Replay {
    /// How many full trainings it may spend.
    pub trials: usize,
    /// Whether trials may be as many as there are epochs, because they are cut short.
    pub cut_short: bool,
    /// How many trials are under way at any time.
    pub pending: usize,
    /// The study's seed.
    pub seed: u64,
}

/// What came out.
pub struct Run {
    /// The regret of the best result after each full training's worth of epochs.
    pub regrets: Vec<f64>,
    /// How long the strategy took for all its proposals.
    pub seconds: f64,
    /// The share of the workers' time in which they had something to do, where time was simulated.
    pub utilisation: Option<f64>,
}

/// Runs `strategy` on `problem`. Of the trials under way, the one that began first ends first.
///
/// The default configuration gets no precedence: the recorded curves begin anywhere, and in a table the first
/// value of a hyperparameter means nothing.
pub fn replay(problem: &dyn Problem, strategy: Box<dyn Strategy>, replay: &Replay) -> Result<Run, String> {
    let trials = replay.trials as u64 * u64::from(if replay.cut_short { problem.epochs() } else { 1 });
    let study = study(problem, strategy, replay.seed, trials)?;
    let mut clock = Clock { problem, limit: replay.trials, spent: 0, best: None, regrets: Vec::new() };
    let seconds = drive(study, &mut clock, replay).map_err(|error| error.to_string())?;
    // A space that was exhausted holds its best to the end.
    clock.regrets.resize(replay.trials, clock.regrets.last().copied().unwrap_or(f64::NAN));
    Ok(Run { regrets: clock.regrets, seconds, utilisation: None })
}

/// A study of `problem` that nothing but its strategy and its number of trials ends.
pub fn study(problem: &dyn Problem, strategy: Box<dyn Strategy>, seed: u64, trials: u64) -> Result<Study, String> {
    let settings = StudySettings {
        seed,
        trials,
        epochs: problem.epochs(),
        default_first: false,
        max_consecutive_failures: u32::MAX,
        ..StudySettings::default()
    };
    let objective = Objective { metric: "loss".to_owned(), direction: Direction::Minimize };
    Study::new(problem.space().clone(), objective, strategy, Box::new(MemoryStore::new()), settings)
        .map_err(|error| error.to_string())
}

fn drive(mut study: Study, clock: &mut Clock<'_>, replay: &Replay) -> Result<f64, tuner::study::StudyError> {
    let mut under_way: VecDeque<Assignment> = VecDeque::new();
    let mut seconds = 0.0;
    while clock.regrets.len() < replay.trials {
        while under_way.len() < replay.pending {
            let begin = Instant::now();
            let ask = study.ask()?;
            seconds += begin.elapsed().as_secs_f64();
            match ask {
                Ask::Run(assignment) => under_way.push_back(assignment),
                Ask::Wait | Ask::Finished(_) => break,
            }
        }
        let Some(assignment) = under_way.pop_front() else { break };
        train(&mut study, &assignment, clock)?;
    }
    Ok(seconds)
}

fn train(study: &mut Study, assignment: &Assignment, clock: &mut Clock<'_>) -> Result<(), tuner::study::StudyError> {
    let Assignment { trial, execution, ref params, seed, from_epoch, to_epoch } = *assignment;
    let Some(losses) = clock.problem.train(params, seed) else {
        clock.spend(None);
        let failure = Failure::new(FailureReason::Error, "this region fails");
        return study.tell(trial, execution, Outcome::Failed(failure));
    };
    let mut outcome = Outcome::Finished { stopped_early: false, best_epoch: None };
    for epoch in from_epoch + 1..=to_epoch {
        let measured = losses[epoch as usize - 1];
        clock.spend(Some((measured.reported, measured.actual)));
        match study.report(trial, execution, Epoch::new(epoch, 0.0, [("loss", measured.reported)]))? {
            Decision::Continue => {}
            Decision::Pause => {
                outcome = Outcome::Paused;
                break;
            }
            Decision::Stop => {
                outcome = Outcome::Pruned;
                break;
            }
        }
    }
    study.tell(trial, execution, outcome)
}

/// Counts epochs and remembers the best result.
struct Clock<'p> {
    problem: &'p dyn Problem,
    limit: usize,
    spent: u64,
    best: Option<(f64, f64)>,
    regrets: Vec<f64>,
}

impl Clock<'_> {
    fn spend(&mut self, result: Option<(f64, f64)>) {
        if let Some(result) = result
            && self.best.is_none_or(|best| result.0 < best.0)
        {
            self.best = Some(result);
        }
        // A failed training costs a whole one.
        self.spent += if result.is_some() { 1 } else { u64::from(self.problem.epochs()) };
        let full = (self.spent / u64::from(self.problem.epochs())) as usize;
        let regret = self.best.map_or(f64::INFINITY, |(_, actual)| self.problem.regret(actual));
        while self.regrets.len() < full.min(self.limit) {
            self.regrets.push(regret);
        }
    }
}
