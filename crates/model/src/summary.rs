//! The layer table of a plan, after the form Keras gives it.

use std::fmt::Write;

use serde::Serialize;

use crate::cnn::{Infeasible, LayerPlan, Plan};

/// A plan as data: what the text shows, and a little more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary<'a> {
    /// The shape of one sample, channels last: `32×32×3`.
    pub input: String,
    /// The layers in order; those before the failing one of an infeasible plan.
    pub layers: &'a [LayerPlan],
    /// All parameters.
    pub parameters: u64,
    /// Parameters learned by gradient.
    pub trainable: u64,
    /// Parameters kept but not learned.
    pub non_trainable: u64,
    /// Multiplications with an addition for one sample's forward pass.
    pub multiply_adds: u64,
    /// Bytes of the parameters.
    pub model_bytes: u64,
    /// Samples a training step is estimated for.
    pub batch_size: usize,
    /// Estimate of the bytes a training step holds.
    pub step_bytes: u64,
    /// Why the network cannot be built, if it cannot.
    pub infeasible: Option<&'a Infeasible>,
}

impl<'a> Summary<'a> {
    /// Sums `plan` up, for training steps of `batch_size` samples.
    pub fn new(plan: &'a Plan, batch_size: usize) -> Self {
        Self {
            input: plan.input().to_string(),
            layers: plan.layers(),
            parameters: plan.parameters(),
            trainable: plan.trainable(),
            non_trainable: plan.non_trainable(),
            multiply_adds: plan.multiply_adds(),
            model_bytes: plan.model_bytes(),
            batch_size,
            step_bytes: plan.memory_bytes(batch_size),
            infeasible: plan.infeasible(),
        }
    }
}

/// The table as text: layer, output shape, parameters; then the totals, or what failed.
impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rows = vec![["Layer (type)", "Output shape", "Param #", "Configured with"].map(str::to_owned)];
        rows.push(["input".to_owned(), self.input.clone(), "0".to_owned(), String::new()]);
        rows.extend(self.layers.iter().map(|layer| {
            [
                format!("{} ({})", layer.name, layer.type_name),
                layer.output.to_string(),
                grouped(layer.parameters()),
                layer.detail.clone(),
            ]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2), width(3)];
        let rule = "─".repeat(widths.iter().sum::<usize>() + 6);
        for (index, [layer, output, parameters, detail]) in rows.iter().enumerate() {
            let line =
                format!("{layer:<0$}  {output:<1$}  {parameters:>2$}  {detail}", widths[0], widths[1], widths[2]);
            writeln!(f, "{}", line.trim_end())?;
            if index == 0 {
                writeln!(f, "{rule}")?;
            }
        }
        writeln!(f, "{rule}")?;
        if let Some(reason) = self.infeasible {
            return write!(f, "Infeasible: {reason}");
        }
        let size = |count: u64| format!("{} ({})", grouped(count), bytes(count.saturating_mul(4)));
        writeln!(f, "Total params: {}", size(self.parameters))?;
        writeln!(f, "Trainable params: {}", size(self.trainable))?;
        writeln!(f, "Non-trainable params: {}", size(self.non_trainable))?;
        writeln!(f, "Multiply-adds per sample: {}", grouped(self.multiply_adds))?;
        write!(f, "Memory of a training step, batch {}: about {}", self.batch_size, bytes(self.step_bytes))
    }
}

/// `2,950,506`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `11.26 MiB`.
fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let mut text = String::new();
    let places = if unit == "B" { 0 } else { 2 };
    let _ = write!(text, "{value:.places$} {unit}");
    text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Config, InputShape};

    fn summary(values: Value, input: &InputShape) -> String {
        let Value::Object(values) = values else { unreachable!("tests give objects") };
        let config = Config::from_values(&values).unwrap();
        Summary::new(&Plan::new(&config.cnn, input, 10), 32).to_string()
    }

    #[test]
    fn a_table_as_keras_users_know_it() {
        let values = json!({
            "conv_layers": 2, "filters": 8, "kernel_size1": "2x3", "batch_norm0": true, "pool0": "max",
            "dropout_rate1": 0.25, "units": 32, "activation1": "tanh",
        });
        assert_snapshot!(summary(values, &InputShape::new(1, [8, 8])), @r"
        Layer (type)                                Output shape  Param #  Configured with
        ───────────────────────────────────────────────────────────────────────────────────
        input                                       8×8×1               0
        conv2d_1 (Conv2D)                           6×6×8              80  kernel 3×3
        batch_normalization_1 (BatchNormalization)  6×6×8              32  relu
        max_pooling2d_1 (MaxPooling2D)              3×3×8               0  2×2
        conv2d_2 (Conv2D)                           2×1×8             392  kernel 2×3, tanh
        dropout_1 (Dropout)                         2×1×8               0  rate 0.25
        flatten_1 (Flatten)                         16                  0
        dense_1 (Dense)                             32                544  relu
        dense_2 (Dense)                             10                330
        ───────────────────────────────────────────────────────────────────────────────────
        Total params: 1,378 (5.38 KiB)
        Trainable params: 1,362 (5.32 KiB)
        Non-trainable params: 16 (64 B)
        Multiply-adds per sample: 4,192
        Memory of a training step, batch 32: about 289.78 KiB
        ");
    }

    #[test]
    fn an_infeasible_network_is_shown_up_to_the_layer_that_fails() {
        let values = json!({ "conv_layers": 4, "kernel_size": 5, "filters": 4, "pool": "max" });
        assert_snapshot!(summary(values, &InputShape::new(3, [32, 32])), @r"
        Layer (type)                    Output shape  Param #  Configured with
        ───────────────────────────────────────────────────────────────────────
        input                           32×32×3             0
        conv2d_1 (Conv2D)               28×28×4           304  kernel 5×5, relu
        max_pooling2d_1 (MaxPooling2D)  14×14×4             0  2×2
        conv2d_2 (Conv2D)               10×10×4           404  kernel 5×5, relu
        max_pooling2d_2 (MaxPooling2D)  5×5×4               0  2×2
        conv2d_3 (Conv2D)               1×1×4             404  kernel 5×5, relu
        ───────────────────────────────────────────────────────────────────────
        Infeasible: max_pooling2d_3: pool 2×2 does not fit an input of 1×1
        ");
    }

    #[test]
    fn numbers_are_written_to_be_read() {
        assert_eq!(
            ["0", "999", "1,000", "2,950,506"],
            [0, 999, 1000, 2_950_506].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!(
            ["512 B", "1.00 KiB", "11.26 MiB"],
            [512, 1024, 11_802_024].map(bytes).each_ref().map(String::as_str)
        );
    }
}
