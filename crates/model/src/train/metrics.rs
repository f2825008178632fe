//! What is measured at the end of every epoch.

use serde::{Deserialize, Serialize};

/// Every metric an epoch reports, with its meaning.
pub const METRICS: &[(&str, &str)] = &[
    ("loss", "mean training loss over the epoch, as it was while training: with smoothing, mixing and class weights"),
    ("accuracy", "share of training samples classified rightly while training"),
    ("val_loss", "mean cross-entropy on the validation data after the epoch, without smoothing or weights"),
    ("val_accuracy", "share of validation samples classified rightly after the epoch"),
    ("learning_rate", "learning rate of the epoch's last step"),
    ("train_seconds", "seconds spent on training steps in all epochs so far"),
    ("images_per_second", "training samples a second in the epoch"),
    ("parameters", "parameters of the network"),
    ("multiply_adds", "multiplications with an addition in one sample's forward pass"),
    ("model_bytes", "bytes of the parameters"),
];

/// A metric with the direction in which it is better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// One of [`METRICS`].
    pub metric: String,
    /// Whether more is better.
    pub maximize: bool,
}

impl Monitor {
    /// More is better for accuracies and `images_per_second`, less for everything else.
    pub fn infer(metric: impl Into<String>) -> Self {
        let metric = metric.into();
        let maximize = metric.ends_with("accuracy") || metric == "images_per_second";
        Self { metric, maximize }
    }

    /// Whether `value` is better than `best` by more than `min_delta`.
    pub fn improves(&self, value: f64, best: Option<f64>, min_delta: f64) -> bool {
        let Some(best) = best else { return true };
        if self.maximize { value > best + min_delta } else { value < best - min_delta }
    }
}

/// When to stop before the epochs are used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// What to watch.
    pub monitor: Monitor,
    /// Epochs in a row without improvement that end the training, as in Keras; 0 acts as 1.
    pub patience: u32,
    /// What an improvement has to exceed.
    pub min_delta: f64,
}

/// How long the watched metric has not improved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Patience {
    best: Option<f64>,
    waited: u32,
}

impl Patience {
    /// Takes note of an epoch; `true` when patience is at its end.
    pub fn is_over(&mut self, rule: &EarlyStopping, value: f64) -> bool {
        if rule.monitor.improves(value, self.best, rule.min_delta) {
            *self = Self { best: Some(value), waited: 0 };
            return false;
        }
        self.waited += 1;
        self.waited >= rule.patience.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs_until_stop(metric: &str, patience: u32, min_delta: f64, values: &[f64]) -> Option<usize> {
        let rule = EarlyStopping { monitor: Monitor::infer(metric), patience, min_delta };
        let mut watch = Patience::default();
        values.iter().position(|&value| watch.is_over(&rule, value)).map(|index| index + 1)
    }

    #[test]
    fn training_ends_when_patience_does() {
        let losses = [1.0, 0.8, 0.9, 0.85, 0.7, 0.71, 0.72, 0.73];
        assert_eq!(epochs_until_stop("val_loss", 3, 0.0, &losses), Some(8));
        assert_eq!(epochs_until_stop("val_loss", 2, 0.0, &losses), Some(4));
        assert_eq!(epochs_until_stop("val_loss", 4, 0.0, &losses), None);
        assert_eq!(epochs_until_stop("val_loss", 0, 0.0, &losses), Some(3));
        assert_eq!(epochs_until_stop("val_accuracy", 3, 0.0, &losses), Some(4));
        assert_eq!(epochs_until_stop("val_loss", 3, 0.15, &losses), Some(5), "0.7 is no improvement of 0.15 on 0.8");
    }
}
