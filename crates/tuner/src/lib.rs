//! A hyperparameter search engine: spaces with conditions, strategies that learn from history, trials that are never
//! lost.
//!
//! A [`Space`] declares hyperparameters, with conditions between them. A [`Strategy`](strategy::Strategy) proposes
//! configurations of it, given everything known so far. A [`Study`] joins the two with an [`Objective`] and a
//! [`Store`](store::Store).
//!
//! To tune a model of your own, declare its space and run a closure that trains one configuration:
//!
//! ```
//! use tuner::store::DirectoryStore;
//! use tuner::strategy::Random;
//! use tuner::{Decision, Domain, Hyperparameter, Objective, Sampling, Space, Study, StudySettings};
//! # use tuner::store::{FORMAT, StudyRecord};
//! # let folder = tempfile::tempdir()?;
//! # let results = folder.path();
//!
//! let space = Space::new(vec![
//!     Hyperparameter::new("hidden_size", Domain::int_with(32, 256, Some(32), Sampling::Linear)?),
//!     Hyperparameter::new("learning_rate", Domain::float_with(1e-4, 1e-1, None, Sampling::Log)?),
//!     Hyperparameter::new("optimizer", Domain::choice(vec!["adam".into(), "sgd".into()], false)?),
//!     Hyperparameter::new("momentum", Domain::float(0.0, 0.99)?).when("optimizer", ["sgd"]),
//! ])?;
//! let objective = Objective::infer("val_loss")?;
//! let settings = StudySettings { seed: 42, trials: 20, epochs: 5, ..StudySettings::default() };
//! # let record = StudyRecord {
//! #     format: FORMAT, program: "doc".into(), created: tuner::clock::now(), name: "mine".into(),
//! #     strategy: "random".into(), seed: 42, objective: objective.clone(), study: serde_json::Value::Null,
//! #     space: space.clone(),
//! # };
//! let store = DirectoryStore::create(&results.join("mine"), &record)?;
//!
//! let mut study = Study::new(space, objective, Box::new(Random::default()), Box::new(store), settings)?;
//! let reason = study.run(|trial| {
//!     // Build your model and its optimizer from the configuration, here a stand-in.
//!     let learning_rate = trial.params().get_float("learning_rate").unwrap_or(1e-3);
//!     let mut loss = 1.0;
//!     for _ in trial.epochs() {
//!         loss *= 1.0 - learning_rate;
//!         if trial.report([("loss", loss), ("val_loss", loss * 1.1)])? != Decision::Continue {
//!             break;
//!         }
//!     }
//!     Ok(())
//! })?;
//!
//! println!("{reason}");
//! let best = study.best().ok_or("no trial was completed")?;
//! println!("trial {} with {:?}", best.id, best.params);
//! # assert_eq!(study.history().len(), 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Run again, with [`DirectoryStore::open`](store::DirectoryStore::open), the study goes on where it was. A closure that
//! keeps checkpoints of its own calls [`TrialRun::resume`] to train only the epochs that are missing.

pub mod analysis;
pub mod clock;
pub mod history;
pub mod objective;
pub mod seeds;
pub mod space;
pub mod store;
pub mod strategy;
pub mod study;
pub mod trial;

pub use history::History;
pub use objective::{Direction, Objective};
pub use space::{Condition, Domain, Hyperparameter, Params, Sampling, Size, Space, SpaceError, Value};
pub use store::StoreError;
pub use strategy::{Decision, StrategyError};
pub use study::{Ask, Assignment, Outcome, StopReason, Study, StudyError, StudySettings, TrialError, TrialRun};
pub use trial::{Epoch, Execution, Failure, FailureReason, Infeasible, InfeasibleReason, Trial, TrialId, TrialState};
