use std::collections::HashMap;

use super::{
    BlockPlan, CnnConfig, ConvKind, DensePlan, Head, Infeasible, LayerKind, LayerPlan, Plan, PoolKind, PoolPlan, Shape,
    Window, times,
};
use crate::cnn::Size;
use crate::cnn::config::{Activation, ConvLayer, DenseLayer, Padding, Pool};
use crate::image_data::InputShape;

pub(super) fn plan(config: &CnnConfig, input: &InputShape, classes: usize) -> Plan {
    let mut planner = Planner {
        maps: input.clone(),
        counts: HashMap::new(),
        plan: Plan {
            input: input.clone(),
            classes,
            blocks: Vec::new(),
            head: config.head,
            dense: Vec::new(),
            layers: Vec::new(),
            infeasible: None,
        },
    };
    planner.plan.infeasible = planner.network(config).err();
    planner.plan
}

struct Planner {
    /// The feature maps so far.
    maps: InputShape,
    /// Layers named so far, by the name without its number.
    counts: HashMap<String, usize>,
    plan: Plan,
}

/// What a layer adds to the counts.
#[derive(Default, Clone, Copy)]
struct Cost {
    trainable: u64,
    non_trainable: u64,
    multiply_adds: u64,
    /// Values kept for the backward pass, in units of four bytes.
    kept: u64,
}

impl Planner {
    fn network(&mut self, config: &CnnConfig) -> Result<(), Infeasible> {
        for layer in &config.conv {
            let block = self.block(layer, config.residual)?;
            self.plan.blocks.push(block);
        }
        let mut inputs = self.head(config.head);
        for layer in &config.dense {
            inputs = self.dense(inputs, layer);
        }
        let output = DenseLayer { units: self.plan.classes, activation: Activation::None, dropout: 0.0 };
        self.dense(inputs, &output);
        Ok(())
    }

    fn block(&mut self, layer: &ConvLayer, residual: bool) -> Result<BlockPlan, Infeasible> {
        let before = self.maps.clone();
        let conv_activation = if layer.batch_norm { Activation::None } else { layer.activation };
        let windows = self.convolution(layer, conv_activation)?;
        if layer.batch_norm {
            self.batch_norm(layer.activation);
        }
        let residual = residual && before == self.maps;
        if residual {
            let kept = self.elements();
            self.push(LayerKind::Add, "the block's input".to_owned(), Cost { kept, ..Cost::default() });
        }
        let output = self.maps.dims.clone();
        let pool = layer.pool.as_ref().map(|pool| self.pool(pool)).transpose()?;
        if layer.dropout > 0.0 {
            self.dropout(layer.dropout);
        }
        Ok(BlockPlan {
            kind: layer.kind,
            channels: before.channels,
            filters: layer.filters,
            windows,
            output,
            batch_norm: layer.batch_norm,
            activation: layer.activation,
            residual,
            pool,
            dropout: layer.dropout,
        })
    }

    fn convolution(&mut self, layer: &ConvLayer, activation: Activation) -> Result<Vec<Window>, Infeasible> {
        let kind = match layer.kind {
            ConvKind::Standard => LayerKind::Conv,
            ConvKind::Separable => LayerKind::SeparableConv,
            ConvKind::LocallyConnected => LayerKind::LocallyConnected,
        };
        let rank = self.maps.dims.len();
        if layer.kind != ConvKind::Standard && rank != 2 {
            let what = format!("`{}` exists for 2-D data only; the data has {rank} dimensions", layer.kind);
            return Err(self.fail(kind, None, what));
        }
        let kernel = self.resolve(kind, "kernel", &layer.kernel)?;
        let stride = self.resolve(kind, "stride", &layer.stride)?;
        let dilation = self.resolve(kind, "dilation", &layer.dilation)?;
        let windows: Vec<Window> = (0..rank)
            .map(|d| Window::new(kernel[d], stride[d], dilation[d], layer.padding, self.maps.dims[d]))
            .collect();
        let mut what = format!("kernel {}", times(&kernel));
        if dilation.iter().any(|&step| step > 1) {
            let spans: Vec<usize> = windows.iter().map(|window| window.span()).collect();
            what = format!("{what} dilated to {}", times(&spans));
        }
        let output = self.slide(kind, &windows, &what)?;

        let channels = self.maps.channels as u64;
        let filters = layer.filters as u64;
        let taps = product(&kernel);
        let places = product(&output);
        self.maps = InputShape { channels: layer.filters, dims: output };
        let outputs = self.elements();
        let mut kept = outputs.saturating_mul(tensors(activation));
        let dense_weights = taps.saturating_mul(channels).saturating_mul(filters);
        let (trainable, products) = match layer.kind {
            ConvKind::Standard => (dense_weights.saturating_add(filters), dense_weights.saturating_mul(places)),
            ConvKind::Separable => {
                kept = kept.saturating_add(channels.saturating_mul(places));
                let weights = taps.saturating_mul(channels).saturating_add(channels.saturating_mul(filters));
                (weights.saturating_add(filters), weights.saturating_mul(places))
            }
            ConvKind::LocallyConnected => {
                kept = kept.saturating_add(taps.saturating_mul(channels).saturating_mul(places));
                let weights = dense_weights.saturating_mul(places);
                (weights.saturating_add(filters.saturating_mul(places)), weights)
            }
        };
        let cost = Cost { trainable, multiply_adds: products, kept, ..Cost::default() };
        let detail = conv_detail(layer, &kernel, &stride, &dilation, activation);
        self.push(kind, detail, cost);
        Ok(windows)
    }

    fn batch_norm(&mut self, activation: Activation) {
        let channels = self.maps.channels as u64;
        let kept = self.elements().saturating_mul(1 + tensors(activation));
        let detail = if activation == Activation::None { String::new() } else { activation.to_string() };
        let cost = Cost { trainable: 2 * channels, non_trainable: 2 * channels, kept, ..Cost::default() };
        self.push(LayerKind::BatchNormalization, detail, cost);
    }

    fn pool(&mut self, pool: &Pool) -> Result<PoolPlan, Infeasible> {
        let kind = match pool.kind {
            PoolKind::Max => LayerKind::MaxPooling,
            PoolKind::Average => LayerKind::AveragePooling,
            PoolKind::Min => LayerKind::MinPooling,
            PoolKind::AdaptiveAverage => LayerKind::AdaptiveAveragePooling,
            PoolKind::AdaptiveMax => LayerKind::AdaptiveMaxPooling,
        };
        let size = self.resolve(kind, "pool size", &pool.size)?;
        let (windows, output) = if pool.kind.is_adaptive() {
            if let Some(d) = (0..size.len()).find(|&d| size[d] > self.maps.dims[d]) {
                let what =
                    format!("an output of {} is larger than its input of {}", times(&size), times(&self.maps.dims));
                return Err(self.fail(kind, Some(d), what));
            }
            (Vec::new(), size.clone())
        } else {
            let stride = self.resolve(kind, "pool stride", &pool.stride)?;
            let windows: Vec<Window> = size
                .iter()
                .zip(&stride)
                .map(|(&extent, &stride)| Window::new(extent, stride, 1, Padding::Valid, 0))
                .collect();
            let output = self.slide(kind, &windows, &format!("pool {}", times(&size)))?;
            (windows, output)
        };
        self.maps.dims.clone_from(&output);
        let indices = if matches!(pool.kind, PoolKind::Average | PoolKind::AdaptiveAverage) { 1 } else { 3 };
        let kept = self.elements().saturating_mul(indices);
        let mut detail = times(&size);
        if windows.iter().any(|window| window.stride != window.extent) {
            let stride: Vec<usize> = windows.iter().map(|window| window.stride).collect();
            detail = format!("{detail}, stride {}", times(&stride));
        }
        self.push(kind, detail, Cost { kept, ..Cost::default() });
        Ok(PoolPlan { kind: pool.kind, windows, output })
    }

    fn head(&mut self, head: Head) -> usize {
        let (kind, values, kept) = match head {
            Head::Flatten => (LayerKind::Flatten, self.maps.elements(), 0),
            Head::GlobalAverage => (LayerKind::GlobalAveragePooling, self.maps.channels, 1),
            Head::GlobalMax => (LayerKind::GlobalMaxPooling, self.maps.channels, 3),
        };
        let cost = Cost { kept: kept * values as u64, ..Cost::default() };
        self.push_row(kind, String::new(), values, cost);
        values
    }

    fn dense(&mut self, inputs: usize, layer: &DenseLayer) -> usize {
        let (wide, units) = (inputs as u64, layer.units as u64);
        let weights = wide.saturating_mul(units);
        let cost = Cost {
            trainable: weights.saturating_add(units),
            multiply_adds: weights,
            kept: units * tensors(layer.activation),
            ..Cost::default()
        };
        let detail = if layer.activation == Activation::None { String::new() } else { layer.activation.to_string() };
        self.push_row(LayerKind::Dense, detail, layer.units, cost);
        if layer.dropout > 0.0 {
            let cost = Cost { kept: 2 * units, ..Cost::default() };
            self.push_row(LayerKind::Dropout, format!("rate {}", layer.dropout), layer.units, cost);
        }
        self.plan.dense.push(DensePlan {
            inputs,
            units: layer.units,
            activation: layer.activation,
            dropout: layer.dropout,
        });
        layer.units
    }

    fn dropout(&mut self, rate: f64) {
        let kept = self.elements().saturating_mul(2);
        self.push(LayerKind::Dropout, format!("rate {rate}"), Cost { kept, ..Cost::default() });
    }

    /// The extents left by windows over the feature maps.
    fn slide(&mut self, kind: LayerKind, windows: &[Window], what: &str) -> Result<Vec<usize>, Infeasible> {
        let input = self.maps.dims.clone();
        let output: Result<Vec<usize>, usize> =
            windows.iter().enumerate().map(|(d, window)| window.places(input[d]).ok_or(d)).collect();
        output.map_err(|d| self.fail(kind, Some(d), format!("{what} does not fit an input of {}", times(&input))))
    }

    fn resolve(&mut self, kind: LayerKind, what: &str, size: &Size) -> Result<Vec<usize>, Infeasible> {
        let rank = self.maps.dims.len();
        size.resolve(rank).ok_or_else(|| {
            let found = size.rank().unwrap_or(1);
            let message = format!("{what} {size} has {found} dimensions, the data {rank} ({})", names(rank).join(", "));
            self.fail(kind, None, message)
        })
    }

    fn fail(&mut self, kind: LayerKind, dimension: Option<usize>, message: String) -> Infeasible {
        let dimension = dimension.and_then(|d| names(self.maps.dims.len()).get(d).copied());
        Infeasible { layer: self.name(kind), dimension, message }
    }

    fn elements(&self) -> u64 {
        (self.maps.channels as u64).saturating_mul(product(&self.maps.dims))
    }

    fn push(&mut self, kind: LayerKind, detail: String, cost: Cost) {
        let output = Shape::Maps(self.maps.clone());
        self.push_layer(kind, detail, output, cost);
    }

    fn push_row(&mut self, kind: LayerKind, detail: String, values: usize, cost: Cost) {
        self.push_layer(kind, detail, Shape::Row(values), cost);
    }

    fn push_layer(&mut self, kind: LayerKind, detail: String, output: Shape, cost: Cost) {
        let layer = LayerPlan {
            name: self.name(kind),
            kind,
            type_name: self.type_name(kind),
            detail,
            output,
            trainable: cost.trainable,
            non_trainable: cost.non_trainable,
            multiply_adds: cost.multiply_adds,
            activation_bytes: cost.kept.saturating_mul(4),
        };
        self.plan.layers.push(layer);
    }

    fn type_name(&self, kind: LayerKind) -> String {
        if kind.is_spatial() { format!("{kind}{}D", self.maps.dims.len()) } else { kind.to_string() }
    }

    /// `conv2d_1`: the type in snake case, numbered.
    fn name(&mut self, kind: LayerKind) -> String {
        let mut stem = String::new();
        for (index, letter) in kind.name().char_indices() {
            if letter.is_uppercase() && index > 0 {
                stem.push('_');
            }
            stem.extend(letter.to_lowercase());
        }
        if kind.is_spatial() {
            stem = format!("{stem}{}d", self.maps.dims.len());
        }
        let number = self.counts.entry(stem.clone()).and_modify(|count| *count += 1).or_insert(1);
        format!("{stem}_{number}")
    }
}

/// Tensors an output with its activation leaves behind.
fn tensors(activation: Activation) -> u64 {
    if activation == Activation::None { 1 } else { 2 }
}

fn conv_detail(
    layer: &ConvLayer,
    kernel: &[usize],
    stride: &[usize],
    dilation: &[usize],
    activation: Activation,
) -> String {
    let mut parts = vec![format!("kernel {}", times(kernel))];
    if stride.iter().any(|&step| step > 1) {
        parts.push(format!("stride {}", times(stride)));
    }
    if dilation.iter().any(|&step| step > 1) {
        parts.push(format!("dilation {}", times(dilation)));
    }
    if layer.padding == Padding::Same {
        parts.push("same".to_owned());
    }
    if activation != Activation::None {
        parts.push(activation.to_string());
    }
    parts.join(", ")
}

fn product(extents: &[usize]) -> u64 {
    extents.iter().fold(1, |product: u64, &extent| product.saturating_mul(extent as u64))
}

/// The names of the dimensions of 2-D and 3-D data.
fn names(rank: usize) -> &'static [&'static str] {
    if rank == 3 { &["depth", "height", "width"] } else { &["height", "width"] }
}
