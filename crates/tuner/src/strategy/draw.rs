//! Finding the next admissible configuration: one that is feasible and that no trial has.

use std::collections::BTreeMap;

use rand::RngExt;

use super::{Proposal, StrategyError, StudyView};
use crate::space::Params;
use crate::trial::{Infeasible, InfeasibleReason};

/// How many infeasible configurations are looked at before the search for a feasible one is given up.
const INFEASIBLE_TRIES: u64 = 10_000;

/// How many known configurations are drawn in vain before what is left of a finite space is listed.
const KNOWN_TRIES: u64 = 1_000;

/// The largest space that is listed when drawing does not help.
const LISTABLE: u128 = 1 << 22;

/// A configuration that may be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The configuration.
    pub params: Params,
    /// How many infeasible candidates came before it.
    pub rejected: BTreeMap<InfeasibleReason, u64>,
}

impl Drawn {
    /// A new trial of the configuration.
    pub fn start(self, budget: u32) -> Proposal {
        Proposal::Start { params: self.params, budget, rejected: self.rejected }
    }
}

/// Finds admissible configurations for a strategy, which keeps it from one proposal to the next.
#[derive(Debug, Default)]
pub struct Draw {
    /// What is left of a finite space, in the order of [`Space::iter`](crate::Space::iter): a cache.
    rest: Option<Vec<Params>>,
}

impl Draw {
    /// The configuration that goes before all others, if the study has one; else the first admissible one among
    /// `candidates`; else one drawn uniformly. When draws keep failing in a finite space, what is left of it is listed,
    /// so that its last configuration is found as surely as its first. `None` when every one was tried.
    ///
    /// # Errors
    /// When nothing feasible turns up in 10,000 tries, and the space is too large to be listed, or has nothing feasible.
    pub fn next(
        &mut self,
        study: &StudyView<'_>,
        candidates: impl IntoIterator<Item = Params>,
    ) -> Result<Option<Drawn>, StrategyError> {
        let mut sieve = Sieve::new(study);
        if let Some(drawn) = sieve.first() {
            return Ok(Some(drawn));
        }
        let size = study.space.size().finite();
        if size.is_some_and(|size| u128::from(study.history.configurations()) >= size) {
            return Ok(None);
        }
        let mut rng = study.rng("draw");
        let uniform = std::iter::repeat_with(|| study.space.sample(&mut rng));
        for params in candidates.into_iter().chain(uniform) {
            if sieve.admits(&params) {
                return Ok(Some(sieve.drawn(params)));
            }
            if sieve.infeasible() >= INFEASIBLE_TRIES || sieve.known >= KNOWN_TRIES {
                break;
            }
        }
        if size.is_some_and(|size| size <= LISTABLE) { self.next_of_rest(study, sieve) } else { sieve.nothing_found() }
    }

    fn next_of_rest(&mut self, study: &StudyView<'_>, mut sieve: Sieve<'_>) -> Result<Option<Drawn>, StrategyError> {
        // What is listed was not proposed: it does not count as rejected, be it listed now or at an earlier proposal.
        let rejected = sieve.rejected.clone();
        match &mut self.rest {
            Some(rest) => rest.retain(|params| !study.history.contains(params)),
            None => self.rest = Some(study.space.iter().filter(|params| sieve.admits(params)).collect()),
        }
        match self.rest.as_deref() {
            Some(rest) if !rest.is_empty() => {
                let params = rest[study.rng("rest").random_range(0..rest.len())].clone();
                Ok(Some(Drawn { params, rejected }))
            }
            _ if study.history.started() > 0 => Ok(None),
            _ => sieve.nothing_found(),
        }
    }
}

/// Lets pass what is feasible and new, and counts the rest.
pub(super) struct Sieve<'s> {
    study: &'s StudyView<'s>,
    rejected: BTreeMap<InfeasibleReason, u64>,
    examples: BTreeMap<InfeasibleReason, Infeasible>,
    known: u64,
}

impl<'s> Sieve<'s> {
    pub(super) fn new(study: &'s StudyView<'s>) -> Self {
        Self { study, rejected: BTreeMap::new(), examples: BTreeMap::new(), known: 0 }
    }

    /// The configuration that goes before all others.
    pub(super) fn first(&mut self) -> Option<Drawn> {
        let first = self.study.first?;
        self.admits(first).then(|| self.drawn(first.clone()))
    }

    pub(super) fn admits(&mut self, params: &Params) -> bool {
        if self.study.history.contains(params) {
            self.known += 1;
            return false;
        }
        match (self.study.feasibility)(params) {
            Ok(()) => true,
            Err(infeasible) => {
                *self.rejected.entry(infeasible.reason).or_default() += 1;
                self.examples.entry(infeasible.reason).or_insert(infeasible);
                false
            }
        }
    }

    pub(super) fn infeasible(&self) -> u64 {
        self.rejected.values().sum()
    }

    pub(super) fn drawn(&self, params: Params) -> Drawn {
        Drawn { params, rejected: self.rejected.clone() }
    }

    /// Exhausted if nothing was even infeasible, else an error with the reason most often given.
    pub(super) fn nothing_found(mut self) -> Result<Option<Drawn>, StrategyError> {
        let most = self.rejected.iter().max_by_key(|(_, count)| **count).map(|(reason, _)| *reason);
        match most.and_then(|reason| self.examples.remove(&reason)) {
            None => Ok(None),
            Some(infeasible) => Err(StrategyError::NoFeasible { tries: self.infeasible() + self.known, infeasible }),
        }
    }
}

#[cfg(test)]
mod tests;
