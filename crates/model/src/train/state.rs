//! A training between two epochs: what a checkpoint holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checkpoint::{self, CheckpointError};
use super::error::FitError;
use super::metrics::Patience;
use super::optimizer::optimizer;
use crate::cnn::{Cnn, Plan};
use crate::hyperparameters::Config;
use crate::preprocess::Normalization;
use crate::random::device_seed;

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Seconds of training and validation.
    pub seconds: f64,
    /// By the names of [`METRICS`](super::METRICS), all finite.
    pub metrics: BTreeMap<String, f64>,
}

/// The part of a checkpoint that is no tensor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    /// What the training is of: configuration, seed and data.
    pub identity: Identity,
    pub normalization: Normalization,
    pub epochs: Vec<EpochReport>,
    pub best: Option<Best>,
    pub patience: Patience,
    /// Whether patience has ended the training.
    pub stopped: bool,
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub epoch: u32,
    pub value: f64,
}

/// A training between two epochs.
pub(super) struct State {
    pub header: Header,
    /// `None` once a training was ended in the middle of an epoch.
    pub model: Option<Cnn>,
    pub optimizer: ModuleOptimizer,
}

/// A digest of what a training is of.
pub(super) type Identity = [u8; 32];

/// What a training is of. A checkpoint that differs in it is of another training.
pub(super) fn identity(config: &Config, seed: u64, plan: &Plan, samples: [usize; 2]) -> Identity {
    let described = serde_json::json!({
        "config": config, "seed": seed, "input": plan.input(), "classes": plan.classes(), "samples": samples,
    });
    Sha256::digest(described.to_string()).into()
}

impl State {
    /// A training that has not begun: weights drawn from the seed.
    ///
    /// They are drawn on the CPU, so that a training begins with the same weights on every backend.
    pub fn new(config: &Config, plan: &Plan, seed: u64, device: &Device, header: Header) -> Result<Self, FitError> {
        let cpu = Device::flex();
        cpu.seed(device_seed(seed, 0));
        let mut model = Cnn::new(plan, &cpu.clone().autodiff())?;
        if *device != cpu {
            let record = model.into_record().into_bytes().and_then(ModuleRecord::from_bytes);
            let record = record.map_err(|error| encode("initial model", &error))?;
            model = Cnn::new(plan, &device.clone().autodiff())?
                .try_load_record(record)
                .map_err(|error| encode("initial model", &error))?;
        }
        Ok(Self { header, model: Some(model), optimizer: optimizer(&config.training) })
    }

    /// Epochs done.
    pub fn epoch(&self) -> u32 {
        self.header.epochs.len() as u32
    }

    /// Writes `last` and, when the last epoch is the best, `best` into `folder`.
    pub fn save(&self, folder: &Path, snapshot: &Cnn) -> Result<(), CheckpointError> {
        let model = snapshot.clone().into_record().into_bytes().map_err(|error| encode("model", &error))?;
        if self.header.best.is_some_and(|best| best.epoch == self.epoch()) {
            checkpoint::write(&best_path(folder), &self.header, &[&model])?;
        }
        let optimizer = self.optimizer.into_bytes().map_err(|error| encode("optimizer", &error))?;
        checkpoint::write(&last_path(folder), &self.header, &[&model, &optimizer])
    }

    /// The training in `folder`, when there is one and it is the one meant.
    pub fn load(
        config: &Config,
        plan: &Plan,
        device: &Device,
        folder: &Path,
        identity: &Identity,
    ) -> Result<Option<Self>, FitError> {
        let path = last_path(folder);
        let Some((header, parts)) = checkpoint::read::<Header>(&path)? else { return Ok(None) };
        let [model, moments] =
            <[Vec<u8>; 2]>::try_from(parts).map_err(|_| damaged(&path, "model or optimizer is missing"))?;
        if header.identity != *identity {
            let what = "its configuration, seed or data differ".to_owned();
            return Err(CheckpointError::Foreign { path, what }.into());
        }
        let default = Device::default();
        if default != *device {
            return Err(FitError::DefaultDevice { default: format!("{default:?}"), device: format!("{device:?}") });
        }
        let model = load_model(plan, &device.clone().autodiff(), model, &path)?;
        let optimizer = optimizer(&config.training)
            .from_bytes(Bytes::from_bytes_vec(moments))
            .map_err(|error| damaged(&path, &error))?;
        Ok(Some(Self { header, model: Some(model), optimizer }))
    }
}

/// The network of the best epoch in `folder`, for inference on `device`.
pub(super) fn load_best(plan: &Plan, device: &Device, folder: &Path) -> Result<Option<(Header, Cnn)>, FitError> {
    let path = best_path(folder);
    let Some((header, parts)) = checkpoint::read::<Header>(&path)? else { return Ok(None) };
    let [model] = <[Vec<u8>; 1]>::try_from(parts).map_err(|_| damaged(&path, "the model is missing"))?;
    let model = load_model(plan, device, model, &path)?;
    Ok(Some((header, model.valid())))
}

fn load_model(plan: &Plan, device: &Device, bytes: Vec<u8>, path: &Path) -> Result<Cnn, FitError> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|error| damaged(path, &error))?;
    let loaded = Cnn::new(plan, device)?.try_load_record(record);
    Ok(loaded.map_err(|error| CheckpointError::Foreign { path: path.to_owned(), what: error.to_string() })?)
}

pub(super) fn last_path(folder: &Path) -> PathBuf {
    folder.join("last.ckpt")
}

pub(super) fn best_path(folder: &Path) -> PathBuf {
    folder.join("best.ckpt")
}

fn damaged(path: &Path, what: &(impl ToString + ?Sized)) -> CheckpointError {
    CheckpointError::Damaged { path: path.to_owned(), what: what.to_string() }
}

fn encode(what: &'static str, error: &impl ToString) -> CheckpointError {
    CheckpointError::Encode { what, message: error.to_string() }
}
