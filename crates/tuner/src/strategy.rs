//! Strategies: what to try next, given everything known.

mod asha;
pub mod auto;
mod bayesian;
pub mod draw;
mod encoding;
mod evidence;
mod grid;
mod hyperband;
mod initial;
mod numeric;
mod pruning;
mod random;
pub mod rungs;
mod sampler;
mod sobol;
mod tpe;

#[cfg(test)]
pub(crate) mod conformance;

pub use asha::{Asha, AshaSettings};
pub use auto::Auto;
pub use bayesian::{Bayesian, BayesianSettings, Inactive};
pub use grid::Grid;
pub use hyperband::{Hyperband, HyperbandSettings};
pub use pruning::{Pruned, PruningSettings, Rule};
pub use random::Random;
pub use sampler::Sampler;
pub use sobol::Sobol;
pub use tpe::{Tpe, TpeSettings};

use std::collections::BTreeMap;
use std::fmt;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::objective::Objective;
use crate::seeds;
use crate::space::{Params, Space};
use crate::trial::{Infeasible, InfeasibleReason, Trial, TrialId};

/// A study as a strategy sees it: everything known, trials under way included.
pub struct StudyView<'a> {
    /// Where configurations come from.
    pub space: &'a Space,
    /// What they are judged by.
    pub objective: &'a Objective,
    /// What was tried.
    pub history: &'a History,
    /// The study's seed.
    pub seed: u64,
    /// The most epochs one execution may train: a full training.
    pub epochs: u32,
    /// How many new trials may still be started. At 0, only a paused trial can be given more work.
    pub trials_left: u64,
    /// A configuration that goes before any that the strategy would choose: the default or an enqueued one.
    /// [`Draw`](draw::Draw) takes it into account.
    pub first: Option<&'a Params>,
    /// Whether a configuration can be trained at all: cheap, and always the same answer.
    pub feasibility: &'a dyn Fn(&Params) -> Result<(), Infeasible>,
}

impl StudyView<'_> {
    /// The number that the next new trial will have.
    pub fn next_trial(&self) -> TrialId {
        self.history.next_id()
    }

    /// The random stream of the next new trial for one purpose.
    pub fn rng(&self, purpose: &str) -> ChaCha8Rng {
        seeds::stream(self.seed, self.next_trial(), purpose)
    }
}

/// A way to search.
///
/// It keeps nothing that could not be rebuilt from history: whatever it holds is a cache. The same view gives the same
/// answer, in a study that was interrupted or not, on every machine.
pub trait Strategy: Send {
    /// The name, as in a study file.
    fn name(&self) -> &'static str;

    /// The next piece of work, given everything known. Trials under way are part of what is known.
    ///
    /// # Errors
    /// When no configuration can be found that could be trained.
    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError>;

    /// What becomes of a trial that has just reported an epoch short of its budget. (At its budget it pauses or ends by
    /// itself.)
    fn decide(&self, study: &StudyView<'_>, trial: TrialId) -> Decision {
        let _ = (study, trial);
        Decision::Continue
    }

    /// Where a trial is on its way to a full training of `epochs`, for a strategy that trains in rungs.
    fn stage(&self, epochs: u32, trial: &Trial) -> Option<Stage> {
        let _ = (epochs, trial);
        None
    }

    /// Whether a paused trial may be resumed one day: if not, nobody needs its checkpoint.
    fn may_resume(&self, study: &StudyView<'_>, trial: &Trial) -> bool {
        let _ = (study, trial);
        true
    }
}

/// Where a trial is on its way to a full training. All numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Which bracket, over all iterations, for a strategy that has several.
    pub bracket: Option<u64>,
    /// The rung that its budget leads to.
    pub rung: usize,
    /// How many rungs there are.
    pub rungs: usize,
}

/// `bracket 2, rung 1 of 3`.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bracket) = self.bracket {
            write!(f, "bracket {bracket}, ")?;
        }
        write!(f, "rung {} of {}", self.rung, self.rungs)
    }
}

/// The next piece of work.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// A new trial.
    Start {
        /// Its configuration.
        params: Params,
        /// How many epochs each execution may train at first.
        budget: u32,
        /// How many infeasible configurations were discarded on the way.
        rejected: BTreeMap<InfeasibleReason, u64>,
    },
    /// More of a paused trial.
    Resume {
        /// Which one.
        trial: TrialId,
        /// How many epochs each execution may train, counted from its beginning.
        budget: u32,
    },
    /// Nothing until a trial under way has ended.
    Wait,
    /// Nothing any more: every configuration was tried.
    Exhausted,
    /// Nothing any more: all that the strategy was set to do is done.
    Complete,
}

/// What becomes of a trial after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Train on.
    Continue,
    /// Write a checkpoint and make room; it may be taken up again.
    Pause,
    /// End it for good.
    Stop,
}

/// What can be set of strategies; each takes what concerns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `grid`: how many points of each continuous range.
    pub grid_points: u32,
    /// `tpe`.
    pub tpe: TpeSettings,
    /// `bayesian`.
    pub bayesian: BayesianSettings,
    /// `hyperband`.
    pub hyperband: HyperbandSettings,
    /// `asha`.
    pub asha: AshaSettings,
    /// A rule that stops trials early, for any strategy.
    pub pruning: Option<PruningSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grid_points: 10,
            tpe: TpeSettings::default(),
            bayesian: BayesianSettings::default(),
            hyperband: HyperbandSettings::default(),
            asha: AshaSettings::default(),
            pruning: None,
        }
    }
}

/// The strategies by name, each with what it does in a line.
pub const STRATEGIES: &[(&str, &str)] = &[
    ("auto", "what suits the size of the space and the number of trials; says what it chose and why"),
    ("random", "configurations drawn uniformly, none twice"),
    ("grid", "the full product of all values, the last hyperparameter fastest"),
    ("sobol", "an Owen-scrambled Sobol sequence: more even than random"),
    ("tpe", "tree-structured Parzen estimator: what good trials have and bad ones have not; a millisecond each"),
    ("bayesian", "a Gaussian process and expected improvement: the fewest trials to a good result"),
    ("hyperband", "many trials trained a little, the best of them more, few in full; in brackets"),
    ("asha", "the same without waiting for a bracket: for many workers"),
];

/// The strategy of a name.
///
/// # Errors
/// When there is none; the error lists all names.
pub fn by_name(name: &str, settings: &Settings) -> Result<Box<dyn Strategy>, StrategyError> {
    let strategy: Box<dyn Strategy> = match name {
        "random" => Box::new(Random::default()),
        "auto" => Box::new(Auto::new(settings)),
        "sobol" => Box::new(Sobol::default()),
        "tpe" => Box::new(Tpe::new(settings.tpe)),
        "bayesian" => Box::new(Bayesian::new(settings.bayesian)),
        "grid" => Box::new(Grid::new(settings.grid_points)),
        "hyperband" => Box::new(Hyperband::new(settings)),
        "asha" => Box::new(Asha::new(settings)),
        _ => {
            let known: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
            let nearest = crate::space::nearest(name, known.iter().copied());
            return Err(StrategyError::Unknown { name: name.to_owned(), nearest, known });
        }
    };
    Ok(match settings.pruning {
        Some(pruning) => Box::new(Pruned::new(strategy, pruning)),
        None => strategy,
    })
}

/// Why a strategy has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// Everything found was infeasible.
    #[error(
        "no untried and feasible configuration among {tries} looked at; the reason most often given is {infeasible}. \
         Narrow the space to what can be trained, or raise the limit"
    )]
    NoFeasible {
        /// How many were tried.
        tries: u64,
        /// An example of the reason most often given.
        infeasible: Infeasible,
    },
    /// There is no such strategy.
    #[error(
        "there is no strategy `{name}`{}; the strategies are {}",
        nearest.as_deref().map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?")),
        known.join(", ")
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// A known name that looks like it.
        nearest: Option<String>,
        /// All names.
        known: Vec<&'static str>,
    },
}
