//! Grid search.

use super::draw::{Drawn, Sieve};
use super::{Proposal, Settings, Strategy, StrategyError, StudyView};

/// How many infeasible configurations in a row are skipped. The grid's slow dimensions can make a long run of them.
const INFEASIBLE_IN_A_ROW: u64 = 1 << 20;

/// The full product of all values, in the order of [`Space::iter`](crate::Space::iter): the last hyperparameter
/// fastest, each beginning at its default. Of a continuous range it takes some evenly spread points.
#[derive(Debug)]
pub struct Grid {
    points: u32,
}

impl Grid {
    /// A grid with so many points, both ends among them, of each continuous range.
    pub fn new(points: u32) -> Self {
        Self { points }
    }
}

impl Default for Grid {
    fn default() -> Self {
        Self::new(Settings::default().grid_points)
    }
}

impl Strategy for Grid {
    fn name(&self) -> &'static str {
        "grid"
    }

    fn propose(&mut self, study: &StudyView<'_>) -> Result<Proposal, StrategyError> {
        Ok(self.next(study)?.map_or(Proposal::Exhausted, |drawn| drawn.start(study.epochs)))
    }
}

impl Grid {
    fn next(&self, study: &StudyView<'_>) -> Result<Option<Drawn>, StrategyError> {
        let mut sieve = Sieve::new(study);
        if let Some(drawn) = sieve.first() {
            return Ok(Some(drawn));
        }
        let all = study.space.iter_with_points(self.points);
        // The last trial says how far the grid has come: nothing else is remembered.
        let ahead = match study.history.iter().rev().find(|trial| !trial.enqueued) {
            Some(last) => all.clone().after(&last.params),
            None => all.clone(),
        };
        for params in ahead {
            if sieve.admits(&params) {
                return Ok(Some(sieve.drawn(params)));
            }
            if sieve.infeasible() >= INFEASIBLE_IN_A_ROW {
                return sieve.nothing_found();
            }
        }
        self.passed_over(study, &sieve)
    }

    /// What an earlier pass left out, because its trial was lost or the last one was not on the grid.
    fn passed_over(&self, study: &StudyView<'_>, ahead: &Sieve<'_>) -> Result<Option<Drawn>, StrategyError> {
        let size = study.space.size().finite();
        if size.is_some_and(|size| u128::from(study.history.configurations()) >= size) {
            return Ok(None);
        }
        let mut sieve = Sieve::new(study);
        for params in study.space.iter_with_points(self.points) {
            if sieve.admits(&params) {
                return Ok(Some(ahead.drawn(params)));
            }
        }
        if study.history.started() > 0 { Ok(None) } else { sieve.nothing_found() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Objective;
    use crate::space::{Domain, Hyperparameter, Params, Sampling, Space};
    use crate::store::{MemoryStore, Store};
    use crate::study::{Study, StudySettings};
    use crate::trial::{Execution, Infeasible, InfeasibleReason, Trial, TrialId};

    fn space() -> Space {
        Space::new(vec![
            Hyperparameter::new("layers", Domain::int(1, 2).unwrap()),
            Hyperparameter::new("rate", Domain::float_with(1e-4, 1e-2, None, Sampling::Log).unwrap())
                .with_default(3e-4)
                .unwrap(),
            Hyperparameter::new("units", Domain::int(7, 8).unwrap()).when_greater("layers", 1),
        ])
        .unwrap()
    }

    fn tried(store: MemoryStore, wish: Option<&Params>) -> Vec<String> {
        let objective = Objective::infer("loss").unwrap();
        let settings = StudySettings::default();
        let mut study = Study::new(space(), objective, Box::new(Grid::new(3)), Box::new(store), settings).unwrap();
        if let Some(wish) = wish {
            study.enqueue(wish).unwrap();
        }
        study.run(|run| run.report([("loss", 1.0)]).map(|_| ()).map_err(Into::into)).unwrap();
        study.history().iter().map(|trial| serde_json::to_string(&trial.params).unwrap()).collect()
    }

    #[test]
    fn is_the_product_with_the_default_before_it() {
        insta::assert_snapshot!(tried(MemoryStore::new(), None).join("\n"), @r#"
    {"layers":1,"rate":0.0003}
    {"layers":1,"rate":0.0001}
    {"layers":1,"rate":0.001}
    {"layers":1,"rate":0.01}
    {"layers":2,"rate":0.0001,"units":7}
    {"layers":2,"rate":0.0001,"units":8}
    {"layers":2,"rate":0.001,"units":7}
    {"layers":2,"rate":0.001,"units":8}
    {"layers":2,"rate":0.01,"units":7}
    {"layers":2,"rate":0.01,"units":8}
    "#);
    }

    #[test]
    fn goes_on_in_its_order_whatever_was_enqueued() {
        let wish = Params::from_iter([("layers", 2.into()), ("rate", crate::Value::Float(1e-4))]);
        let with_wish = tried(MemoryStore::new(), Some(&wish));
        let mut in_order = tried(MemoryStore::new(), None);
        in_order.remove(0);
        let wished = in_order.remove(3);
        in_order.insert(0, wished);
        assert_eq!(with_wish, in_order);
    }

    /// What was rejected on the way to one trial is not rejected again on the way to the next.
    #[test]
    fn rejects_each_configuration_once() {
        let objective = Objective::infer("loss").unwrap();
        let (store, settings) = (Box::new(MemoryStore::new()), StudySettings::default());
        let study = Study::new(space(), objective, Box::new(Grid::new(3)), store, settings).unwrap();
        let mut study = study.with_feasibility(|params| match params.get_int("units") {
            Some(7) => Err(Infeasible::new(InfeasibleReason::Shape, "seven")),
            _ => Ok(()),
        });
        study.run(|run| run.report([("loss", 1.0)]).map(|_| ()).map_err(Into::into)).unwrap();
        let rejected: Vec<u64> = study.history().iter().map(|trial| trial.rejected.values().sum()).collect();
        assert_eq!(rejected, [0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn comes_back_to_what_was_lost() {
        let mut store = MemoryStore::new();
        let all: Vec<Params> = space().iter_with_points(3).collect();
        // The file of trial 2 is gone.
        for (id, params) in [(1, &all[0]), (3, &all[2])] {
            let mut trial = Trial::new(TrialId(id), params.clone(), 1);
            trial.executions.push(Execution::new(0));
            store.save(&trial).unwrap();
        }
        let tried = tried(store, None);
        assert_eq!(tried.len(), all.len());
        assert_eq!(tried.last().unwrap(), &serde_json::to_string(&all[1]).unwrap());
    }
}
