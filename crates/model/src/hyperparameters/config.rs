use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ConfigError, check};
use crate::cnn::{Activation, CnnConfig, ConvKind, ConvLayer, DenseLayer, Head, Padding, Pool, PoolKind, Size};
use crate::preprocess::{Normalize, PreprocessConfig};
use crate::train::{ClassWeights, OptimizerKind, Schedule, ScheduleKind, TrainConfig};

/// Everything that decides a training, data and seed aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The network.
    pub cnn: CnnConfig,
    /// Optimizer, schedule and loss.
    pub training: TrainConfig,
    /// What happens to samples first.
    pub preprocess: PreprocessConfig,
}

impl Config {
    /// Reads the values of one configuration by the names of the vocabulary. What is not given
    /// has its default; what is given for a layer beyond the last has no effect.
    ///
    /// # Errors
    ///
    /// When a name is unknown or a value impossible. Whether the network suits the data is for
    /// [`Plan`](crate::cnn::Plan) to say.
    pub fn from_values(values: &Map<String, Value>) -> Result<Self, ConfigError> {
        for (name, value) in values {
            check(name, value)?;
        }
        let values = Checked(values);
        Ok(Self { cnn: cnn(values), training: training(values), preprocess: preprocess(values) })
    }
}

/// A size as a study file writes it.
pub(super) fn size(value: &Value) -> Option<Size> {
    match value {
        Value::Number(number) => Size::uniform(usize::try_from(number.as_u64()?).ok()?),
        Value::String(text) => Size::parse(text),
        _ => None,
    }
}

fn cnn(values: Checked<'_>) -> CnnConfig {
    let count = values.int("conv_layers", 2);
    let mut conv: Vec<ConvLayer> = (0..count).map(|layer| conv_layer(values, layer)).collect();
    if let (Some(last), Some(_)) = (conv.last_mut(), values.get("final_pool")) {
        last.pool = pool(values, ["final_pool", "final_pool_size", "final_pool_stride"], None);
    }
    let dense = (0..values.int("dense_layers", 1)).map(|layer| DenseLayer {
        units: values.of_layer("units", layer).map_or(64, whole),
        activation: values.word("dense_activation", Some(layer), Activation::from_name, Activation::Relu),
        dropout: values.of_layer("dense_dropout_rate", layer).map_or(0.0, number),
    });
    CnnConfig {
        conv,
        residual: values.bool("residual", false),
        head: values.word("head", None, Head::from_name, Head::Flatten),
        dense: dense.collect(),
    }
}

fn conv_layer(values: Checked<'_>, layer: usize) -> ConvLayer {
    let extent = |base, default| values.size(base, Some(layer)).unwrap_or_else(|| Size::of(default));
    let rate = values.of_layer("dropout_rate", layer).map(number);
    let drops = values.of_layer("dropout", layer).map_or(rate.is_some(), truth);
    ConvLayer {
        kind: values.word("layer", Some(layer), ConvKind::from_name, ConvKind::Standard),
        filters: values.of_layer("filters", layer).map_or(32, whole),
        kernel: extent("kernel_size", 3),
        stride: extent("stride", 1),
        dilation: extent("dilation", 1),
        padding: values.word("padding", Some(layer), Padding::from_name, Padding::Valid),
        batch_norm: values.of_layer("batch_norm", layer).is_some_and(truth),
        activation: values.word("activation", Some(layer), Activation::from_name, Activation::Relu),
        pool: pool(values, ["pool", "pool_size", "pool_stride"], Some(layer)),
        dropout: if drops { rate.unwrap_or(0.2) } else { 0.0 },
    }
}

fn pool(values: Checked<'_>, [kind, size, stride]: [&str; 3], layer: Option<usize>) -> Option<Pool> {
    let kind = values.find(kind, layer).and_then(Value::as_str).and_then(PoolKind::from_name)?;
    let size = values.size(size, layer).unwrap_or_else(|| Size::of(2));
    let stride = values.size(stride, layer).unwrap_or_else(|| size.clone());
    Some(Pool { kind, size, stride })
}

fn training(values: Checked<'_>) -> TrainConfig {
    TrainConfig {
        optimizer: values.word("optimizer", None, OptimizerKind::from_name, OptimizerKind::Adam),
        learning_rate: values.float("learning_rate", 1e-3),
        momentum: values.float("momentum", 0.0),
        nesterov: values.bool("nesterov", false),
        weight_decay: values.float("weight_decay", 0.0),
        batch_size: values.int("batch_size", 32),
        shuffle: values.bool("shuffle", true),
        schedule: Schedule {
            kind: values.word("schedule", None, ScheduleKind::from_name, ScheduleKind::Constant),
            warmup: values.float("schedule_warmup", 0.0),
            epochs: values.int("schedule_epochs", 0),
            step: values.int("schedule_step", 10),
            factor: values.float("schedule_factor", 0.1),
            floor: values.float("schedule_floor", 0.0),
        },
        gradient_clipping: values.float("gradient_clipping", 0.0),
        label_smoothing: values.float("label_smoothing", 0.0),
        class_weights: values.word("class_weights", None, ClassWeights::from_name, ClassWeights::None),
    }
}

fn preprocess(values: Checked<'_>) -> PreprocessConfig {
    let filter = values.get("filter").and_then(Value::as_str).filter(|name| *name != "none");
    PreprocessConfig {
        filter: filter.map(str::to_owned),
        normalize: values.word("normalize", None, Normalize::from_name, Normalize::Unit),
        horizontal_flip: values.bool("horizontal_flip", false),
        random_crop: values.int("random_crop", 0),
        rotation: values.float("rotation", 0.0),
        cutout: values.int("cutout", 0),
        mixup: values.float("mixup", 0.0),
    }
}

/// Values that [`check`] has let pass: each is of the kind its name asks for.
#[derive(Clone, Copy)]
struct Checked<'a>(&'a Map<String, Value>);

impl<'a> Checked<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// That of the layer, else that of every layer.
    fn of_layer(self, base: &str, layer: usize) -> Option<&'a Value> {
        self.get(&format!("{base}{layer}")).or_else(|| self.get(base))
    }

    fn find(self, base: &str, layer: Option<usize>) -> Option<&'a Value> {
        layer.map_or_else(|| self.get(base), |layer| self.of_layer(base, layer))
    }

    fn int(self, name: &str, default: usize) -> usize {
        self.get(name).map_or(default, whole)
    }

    fn float(self, name: &str, default: f64) -> f64 {
        self.get(name).map_or(default, number)
    }

    fn bool(self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, truth)
    }

    fn size(self, base: &str, layer: Option<usize>) -> Option<Size> {
        self.find(base, layer).and_then(size)
    }

    fn word<T>(self, base: &str, layer: Option<usize>, read: fn(&str) -> Option<T>, default: T) -> T {
        self.find(base, layer).and_then(Value::as_str).and_then(read).unwrap_or(default)
    }
}

fn whole(value: &Value) -> usize {
    value.as_u64().unwrap_or_default() as usize
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hyperparameters::vocabulary;

    fn config(values: Value) -> Config {
        match values {
            Value::Object(values) => Config::from_values(&values).unwrap(),
            _ => unreachable!("tests give objects"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_vocabulary() {
        let implied = config(json!({}));
        for doc in vocabulary() {
            let Ok(default) = serde_json::from_str::<Value>(doc.default) else {
                continue;
            };
            // A rate that is given switches dropout on, and a final pool replaces the last.
            if doc.name == "dropout_rate{i}" {
                continue;
            }
            assert_eq!(config(json!({ (doc.base()): default })), implied, "{}", doc.name);
        }
        assert_eq!(config(json!({ "dropout": true })), config(json!({ "dropout_rate": 0.2 })));
    }

    #[test]
    fn a_layers_own_value_wins() {
        let conv =
            config(json!({ "conv_layers": 3, "filters": 16, "filters1": 64, "pool1": "max", "pool_size": 3 })).cnn.conv;
        assert_eq!(conv.iter().map(|layer| layer.filters).collect::<Vec<_>>(), [16, 64, 16]);
        assert_eq!(conv.iter().map(|layer| layer.pool.is_some()).collect::<Vec<_>>(), [false, true, false]);
        let pool = conv[1].pool.clone().unwrap();
        assert_eq!((pool.size, pool.stride), (Size::of(3), Size::of(3)));
    }

    #[test]
    fn the_final_pool_stands_in_for_that_of_the_last_convolution() {
        let last = |values| config(values).cnn.conv.pop().unwrap().pool.map(|pool| pool.kind);
        assert_eq!(last(json!({ "pool": "average" })), Some(PoolKind::Average));
        assert_eq!(last(json!({ "pool": "average", "final_pool": "max" })), Some(PoolKind::Max));
        assert_eq!(last(json!({ "pool": "average", "final_pool": "none" })), None);
        assert!(config(json!({ "conv_layers": 0, "final_pool": "max" })).cnn.conv.is_empty());
    }

    #[test]
    fn dropout_is_on_where_it_is_asked_for() {
        let rates = |values| config(values).cnn.conv.iter().map(|layer| layer.dropout).collect::<Vec<_>>();
        assert_eq!(rates(json!({ "dropout": true })), [0.2, 0.2]);
        assert_eq!(rates(json!({ "dropout_rate1": 0.5 })), [0.0, 0.5]);
        assert_eq!(rates(json!({ "dropout_rate": 0.5, "dropout": false, "dropout1": true })), [0.0, 0.5]);
    }
}
