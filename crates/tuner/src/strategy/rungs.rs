//! Rungs and brackets: how many trials are trained for how many epochs.
//!
//! Everything is counted in integers: a logarithm in floating point gives one bracket too few for 243 epochs and a
//! factor of 3.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::StudyView;
use crate::trial::{Trial, TrialState};

/// The loss of a trial when it had been trained for so many epochs, lower is better; nothing while it is still on its
/// way to them, and nothing of a trial that failed.
pub fn loss_at(study: &StudyView<'_>, trial: &Trial, epochs: u32) -> Option<f64> {
    let has_arrived =
        trial.budget > epochs || matches!(trial.state, TrialState::Paused | TrialState::Completed | TrialState::Pruned);
    let score = if has_arrived { trial.score_at(study.objective, epochs) } else { None };
    score.map(|score| study.objective.direction.sign() * score)
}

/// The budgets at which trials are compared, in epochs, ascending; the last one is a full training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    budgets: Vec<u32>,
    factor: u32,
}

impl Ladder {
    /// A full training of `max_epochs`, and a `factor`-th of it, and a `factor`-th of that, as long as it is at least
    /// `min_epochs`; rounded down. A factor below 2 counts as 2, a least budget of 0 as 1.
    pub fn new(max_epochs: u32, min_epochs: u32, factor: u32) -> Self {
        let factor = factor.max(2);
        let max_epochs = max_epochs.max(1);
        let shorter = std::iter::successors(Some(max_epochs), |epochs| Some(epochs / factor));
        let mut budgets: Vec<u32> = shorter.take_while(|&epochs| epochs >= min_epochs.max(1)).collect();
        if budgets.is_empty() {
            budgets.push(max_epochs);
        }
        budgets.reverse();
        Self { budgets, factor }
    }

    /// The budgets.
    pub fn budgets(&self) -> &[u32] {
        &self.budgets
    }

    /// By how much a budget grows from one to the next, and the share of the trials that go on shrinks.
    pub fn factor(&self) -> u32 {
        self.factor
    }

    /// Successive halving of so many trials from the lowest budget to the highest, at least one to the end.
    pub fn bracket(&self, trials: u64) -> Bracket {
        let factor = u64::from(self.factor);
        let sizes = std::iter::successors(Some(trials), |trials| Some((trials / factor).max(1)));
        let rungs = self.budgets.iter().zip(sizes).map(|(&epochs, trials)| Rung { trials, epochs }).collect();
        Bracket { rungs }
    }

    /// The brackets of one iteration of Hyperband, those that begin with the shortest trainings first: with S + 1
    /// budgets, bracket s begins with floor((S + 1) / (s + 1)) factorˢ trials (Li et al. 2018, table 1).
    pub fn plan(&self) -> Plan {
        let count = self.budgets.len();
        let bracket = |s: usize| {
            let last_rungs = Self { budgets: self.budgets[count - 1 - s..].to_vec(), factor: self.factor };
            last_rungs.bracket((count / (s + 1)) as u64 * u64::from(self.factor).pow(s as u32))
        };
        Plan { brackets: (0..count).rev().map(bracket).collect() }
    }
}

/// One iteration of Hyperband, or what [`Asha`](super::Asha) comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they begin.
    pub brackets: Vec<Bracket>,
}

/// Successive halving: all trials are trained to the first rung, the best of them to the second, and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bracket {
    /// By ascending budget.
    pub rungs: Vec<Rung>,
}

/// How many trials come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// How many trials there are in it.
    pub trials: u64,
    /// How many epochs each has been trained at its end, those of the rungs before included.
    pub epochs: u32,
}

impl Plan {
    /// How many trials are begun.
    pub fn trials(&self) -> u64 {
        self.brackets.iter().map(Bracket::trials).sum()
    }

    /// How many epochs are trained in all, where every trial goes on from where it was.
    pub fn epochs(&self) -> u64 {
        self.brackets.iter().map(Bracket::epochs).sum()
    }

    /// Bracket number `index`, counted from 0 over all iterations, and the numbers that its trials have, from 1.
    pub fn bracket(&self, index: u64) -> (&Bracket, Range<u64>) {
        let count = self.brackets.len() as u64;
        let (iteration, within) = (index / count, (index % count) as usize);
        let before: u64 = self.brackets[..within].iter().map(Bracket::trials).sum();
        let first = 1 + iteration * self.trials() + before;
        let bracket = &self.brackets[within];
        (bracket, first..first + bracket.trials())
    }

    /// The bracket that a trial belongs to, counted from 0 over all iterations.
    pub fn bracket_of(&self, trial: u64) -> u64 {
        let place = trial.saturating_sub(1);
        let (iteration, mut place) = (place / self.trials(), place % self.trials());
        let within = self.brackets.iter().take_while(|bracket| {
            let passed = place >= bracket.trials();
            place = place.saturating_sub(if passed { bracket.trials() } else { 0 });
            passed
        });
        iteration * self.brackets.len() as u64 + within.count() as u64
    }
}

impl Bracket {
    /// How many trials are begun.
    pub fn trials(&self) -> u64 {
        self.rungs.first().map_or(0, |rung| rung.trials)
    }

    /// The place among the rungs, from 0, of the first one with at least so many epochs.
    pub fn rung_at(&self, epochs: u32) -> usize {
        self.rungs.iter().take_while(|rung| rung.epochs < epochs).count()
    }

    /// How many epochs are trained in all, where every trial goes on from where it was.
    pub fn epochs(&self) -> u64 {
        let before = std::iter::once(0).chain(self.rungs.iter().map(|rung| rung.epochs));
        self.rungs.iter().zip(before).map(|(rung, before)| rung.trials * u64::from(rung.epochs - before)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(max_epochs: u32, factor: u32) -> String {
        let rung = |rung: &Rung| format!("{}@{}", rung.trials, rung.epochs);
        let bracket = |bracket: &Bracket| bracket.rungs.iter().map(rung).collect::<Vec<_>>().join(" ");
        Ladder::new(max_epochs, 1, factor).plan().brackets.iter().map(bracket).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn sizes_are_those_of_the_paper() {
        insta::assert_snapshot!(drawn(81, 3), @r"
        81@1 27@3 9@9 3@27 1@81
        27@3 9@9 3@27 1@81
        9@9 3@27 1@81
        6@27 2@81
        5@81
        ");
        insta::assert_snapshot!(drawn(52, 3), @r"
        27@1 9@5 3@17 1@52
        9@5 3@17 1@52
        6@17 2@52
        4@52
        ");
        insta::assert_snapshot!(drawn(1, 3), @"1@1");
    }

    #[test]
    fn powers_of_the_factor_are_counted_exactly() {
        let brackets = |epochs, factor| Ladder::new(epochs, 1, factor).plan().brackets.len();
        assert_eq!([(243, 3), (242, 3), (1000, 10), (999, 10)].map(|(r, f)| brackets(r, f)), [6, 5, 4, 3]);
    }

    #[test]
    fn the_least_budget_cuts_off_the_lowest_rungs() {
        assert_eq!(Ladder::new(52, 5, 3).budgets(), [5, 17, 52]);
        assert_eq!(Ladder::new(52, 6, 3).budgets(), [17, 52]);
        assert_eq!(Ladder::new(52, 99, 3).budgets(), [52]);
    }

    #[test]
    fn epochs_count_every_epoch_once() {
        let plan = Ladder::new(81, 1, 3).plan();
        assert_eq!(
            (plan.trials(), plan.epochs()),
            (128, 81 + 54 + 54 + 54 + 54 + 81 + 54 * 3 + 81 + 54 * 2 + 162 + 108 + 405)
        );
    }

    proptest! {
        #[test]
        fn trials_are_numbered_through_all_brackets(max_epochs in 1_u32..2_000, factor in 2_u32..6, index in 0_u64..40) {
            let plan = Ladder::new(max_epochs, 1, factor).plan();
            let (bracket, trials) = plan.bracket(index);
            prop_assert_eq!(trials.end - trials.start, bracket.trials());
            prop_assert_eq!(plan.bracket(index + 1).1.start, trials.end);
            prop_assert_eq!([trials.start, trials.end - 1].map(|trial| plan.bracket_of(trial)), [index; 2]);
        }

        #[test]
        fn every_bracket_ends_with_a_full_training(max_epochs in 1_u32..2_000, min_epochs in 0_u32..50, factor in 0_u32..6) {
            for bracket in Ladder::new(max_epochs, min_epochs, factor).plan().brackets {
                let last = bracket.rungs.last().unwrap();
                prop_assert!(last.epochs == max_epochs && last.trials >= 1);
                prop_assert!(bracket.rungs.is_sorted_by(|a, b| a.epochs < b.epochs && a.trials > b.trials));
            }
        }
    }
}
