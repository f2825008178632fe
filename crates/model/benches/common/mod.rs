//! The networks of the benchmarks, and their training as a trial does it.

use model::device::device;
use model::train::{Decision, EpochReport, Event, FitOptions, Monitor, TrainingData, fit};
use model::{Config, ImageData, InputShape};
use serde_json::{Value, json};

pub const BATCH: usize = 32;
/// Rounds before those that count.
pub const WARM_UP: usize = 2;

pub struct Network {
    pub name: &'static str,
    /// Filters, kernel size, activation, whether a pool of two follows.
    pub convolutions: &'static [(usize, usize, &'static str, bool)],
    pub units: &'static [usize],
    /// Steps of a round.
    pub steps: usize,
}

pub const NETWORKS: [Network; 2] = [
    Network { name: "small", convolutions: &[(32, 3, "relu", true), (64, 3, "relu", true)], units: &[128], steps: 20 },
    Network {
        name: "large",
        convolutions: &[(256, 3, "tanh", true), (224, 5, "relu", false), (256, 3, "tanh", true)],
        units: &[224, 224, 96, 32],
        steps: 4,
    },
];

impl Network {
    fn config(&self) -> Config {
        let mut values = serde_json::Map::new();
        let mut set = |name: String, value: Value| values.insert(name, value);
        set("conv_layers".into(), json!(self.convolutions.len()));
        set("batch_size".into(), json!(BATCH));
        set("padding".into(), json!("valid"));
        for (layer, (filters, kernel, activation, pooled)) in self.convolutions.iter().enumerate() {
            set(format!("filters{layer}"), json!(filters));
            set(format!("kernel_size{layer}"), json!(kernel));
            set(format!("activation{layer}"), json!(activation));
            if *pooled {
                set(format!("pool{layer}"), json!("max"));
            }
        }
        set("dense_layers".into(), json!(self.units.len()));
        for (layer, units) in self.units.iter().enumerate() {
            set(format!("units{layer}"), json!(units));
        }
        Config::from_values(&values).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Trains for some epochs, each a round of steps, and tells of each.
    pub fn train(&self, epochs: usize, mut on_epoch: impl FnMut(&EpochReport)) {
        let (train, validation) = (noise(self.steps * BATCH), noise(BATCH));
        let data = TrainingData { train: &train, validation: &validation };
        let outcome = fit(&self.config(), data, &options(epochs), &mut |event| {
            if let Event::Epoch(report) = event {
                on_epoch(report);
            }
            Decision::Continue
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    }
}

pub fn options<'a>(epochs: usize) -> FitOptions<'a> {
    FitOptions {
        seed: 1,
        from_epoch: 0,
        to_epoch: epochs as u32,
        full_epochs: epochs as u32,
        best: Monitor::infer("val_loss"),
        early_stopping: None,
        checkpoint: None,
        device: device("flex").unwrap_or_else(|error| panic!("{error}")),
    }
}

/// Pixels and labels that nothing can be learnt from, the same each time.
fn noise(count: usize) -> ImageData {
    let shape = InputShape::new(3, [32, 32]);
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    ImageData {
        samples: (0..count * shape.elements()).map(|_| next()).collect(),
        shape,
        labels: (0..count as u32).map(|index| index % 10).collect(),
        class_names: (0..10).map(|class| class.to_string()).collect(),
    }
}

pub fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or(f64::NAN)
}
