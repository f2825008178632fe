//! How a network is trained.

use serde::{Deserialize, Serialize};

use crate::named::named_enum;

named_enum! {
    /// The rule that turns gradients into steps.
    pub enum OptimizerKind {
        /// Adam (arXiv 1412.6980), β₁ = 0.9, β₂ = 0.999, ε = 1e-7 as in Keras.
        Adam = "adam",
        /// Adam with decoupled weight decay (arXiv 1711.05101).
        AdamW = "adamw",
        /// Stochastic gradient descent, with or without momentum.
        Sgd = "sgd",
        /// `RMSprop`, ρ = 0.9, ε = 1e-7 as in Keras.
        RmsProp = "rmsprop",
    }
}

named_enum! {
    /// How the learning rate moves during training.
    pub enum ScheduleKind {
        /// It stays.
        Constant = "constant",
        /// It falls along half a cosine (arXiv 1608.03983).
        Cosine = "cosine",
        /// It is multiplied by a factor every so many epochs.
        Step = "step",
    }
}

named_enum! {
    /// How classes weigh in the loss.
    pub enum ClassWeights {
        /// All alike.
        None = "none",
        /// In inverse proportion to their number of training samples.
        Balanced = "balanced",
    }
}

/// Optimizer, schedule and loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The rule that turns gradients into steps.
    pub optimizer: OptimizerKind,
    /// Step size, above 0; what the schedule starts from.
    pub learning_rate: f64,
    /// Momentum of sgd and rmsprop, 0..1.
    pub momentum: f64,
    /// Nesterov's form of the momentum of sgd. Without momentum it changes nothing.
    pub nesterov: bool,
    /// L2 penalty added to gradients; decoupled from them for adamw. Biases included.
    pub weight_decay: f64,
    /// Samples per step.
    pub batch_size: usize,
    /// Whether samples come in a new random order every epoch.
    pub shuffle: bool,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Largest norm of each parameter's gradient (Keras' `clipnorm`); 0 for no limit.
    pub gradient_clipping: f64,
    /// Share of the target spread evenly over all classes, 0..1.
    pub label_smoothing: f64,
    /// How classes weigh in the loss.
    pub class_weights: ClassWeights,
}

/// A learning rate as a function of the epochs passed, fractions included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The shape after warming up.
    pub kind: ScheduleKind,
    /// Epochs over which the rate rises linearly to its full value, before any schedule.
    pub warmup: f64,
    /// Epochs the cosine spans, warm-up included; 0 for all the epochs of a full training.
    pub epochs: usize,
    /// Epochs between the drops of the step schedule, at least 1.
    pub step: usize,
    /// What the step schedule multiplies by at each drop.
    pub factor: f64,
    /// Where the cosine ends, as a fraction of the learning rate.
    pub floor: f64,
}

impl Schedule {
    /// What the learning rate is multiplied by when `epochs` (with fraction) have passed, of a
    /// training that has `total` of them.
    pub fn factor_at(&self, epochs: f64, total: u32) -> f64 {
        if epochs < self.warmup {
            return epochs / self.warmup;
        }
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Step => self.factor.powi((epochs / self.step as f64) as i32),
            ScheduleKind::Cosine => {
                let span = if self.epochs == 0 { f64::from(total) } else { self.epochs as f64 };
                let length = span - self.warmup;
                let progress = if length > 0.0 { ((epochs - self.warmup) / length).min(1.0) } else { 1.0 };
                self.floor + (1.0 - self.floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind) -> Schedule {
        Schedule { kind, warmup: 0.0, epochs: 0, step: 10, factor: 0.1, floor: 0.0 }
    }

    #[test]
    fn a_cosine_falls_from_one_to_its_floor_and_stays() {
        let cosine = Schedule { floor: 0.1, ..schedule(ScheduleKind::Cosine) };
        assert_eq!(cosine.factor_at(0.0, 8), 1.0);
        assert!((cosine.factor_at(4.0, 8) - 0.55).abs() < 1e-12);
        assert!((cosine.factor_at(8.0, 8) - 0.1).abs() < 1e-12);
        assert!((cosine.factor_at(20.0, 8) - 0.1).abs() < 1e-12);
        let longer = Schedule { epochs: 16, ..cosine };
        assert!((longer.factor_at(8.0, 8) - 0.55).abs() < 1e-12);
    }

    #[test]
    fn warming_up_comes_before_any_schedule() {
        for kind in [ScheduleKind::Constant, ScheduleKind::Cosine, ScheduleKind::Step] {
            let warm = Schedule { warmup: 2.0, ..schedule(kind) };
            assert_eq!(warm.factor_at(0.5, 8), 0.25, "{kind}");
            assert_eq!(warm.factor_at(2.0, 8), 1.0, "{kind}");
        }
    }

    #[test]
    fn a_step_schedule_drops_every_so_many_epochs() {
        let step = schedule(ScheduleKind::Step);
        assert_eq!(step.factor_at(9.99, 30), 1.0);
        assert!((step.factor_at(10.0, 30) - 0.1).abs() < 1e-12);
        assert!((step.factor_at(29.0, 30) - 0.01).abs() < 1e-12);
    }
}
