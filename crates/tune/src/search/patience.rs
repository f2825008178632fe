//! Early stopping for programs of the user's own. (The built-in training does it itself.)

use tuner::{Epoch, Objective};

use crate::config::{self, EarlyStopping, StudyFile, Work};

/// When an execution has improved for the last time.
pub struct Patience {
    monitor: Objective,
    epochs: u32,
    min_delta: f64,
}

impl Patience {
    /// What a study of a program asks for; `None` where nothing is to be done.
    pub fn of(file: &StudyFile) -> Option<Self> {
        let EarlyStopping { monitor, patience, min_delta } = file.settings.early_stopping.clone()?;
        let Work::Program(_) = file.settings.work else { return None };
        let monitor = config::monitored(&monitor, Some(&file.objective)).ok()?;
        Some(Patience { monitor, epochs: patience, min_delta })
    }

    /// Whether more epochs than patience allows have passed without an improvement. It follows from the epochs alone, and so is the
    /// same after an interruption.
    pub fn is_over(&self, epochs: &[Epoch]) -> bool {
        let mut best: Option<f64> = None;
        let mut waited = 0;
        for epoch in epochs {
            let value = epoch.metrics.get(&self.monitor.metric).copied();
            let improved = value.filter(|value| {
                best.is_none_or(|best| self.monitor.is_better(*value, best) && (value - best).abs() > self.min_delta)
            });
            match improved {
                Some(value) => (best, waited) = (Some(value), 0),
                None => waited += 1,
            }
        }
        waited > self.epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(patience: u32, min_delta: f64, losses: &[f64]) -> bool {
        let monitor = Objective::infer("val_loss").unwrap();
        let epochs: Vec<Epoch> =
            (1..).zip(losses).map(|(number, loss)| Epoch::new(number, 0.1, [("val_loss", *loss)])).collect();
        Patience { monitor, epochs: patience, min_delta }.is_over(&epochs)
    }

    #[test]
    fn patience_ends_when_nothing_improves() {
        assert!(!over(1, 0.0, &[3.0, 2.0, 2.5]));
        assert!(over(1, 0.0, &[3.0, 2.0, 2.5, 2.0]));
        assert!(!over(1, 0.0, &[3.0, 2.0, 2.5, 1.0]));
        assert!(over(0, 0.5, &[3.0, 2.6]));
        assert!(over(0, 0.0, &[3.0, f64::NAN]));
        assert!(!over(0, 0.0, &[]));
    }
}
