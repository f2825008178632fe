//! A feasible plan builds and runs with exactly its shapes and counts; an infeasible one is never
//! built.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Tensor};
use model::cnn::{Cnn, Plan};
use model::{Config, InputShape};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn plan(values: &Map<String, Value>, input: &InputShape) -> Plan {
    Plan::new(&Config::from_values(values).unwrap().cnn, input, 3)
}

/// Builds and runs the network, forward and backward; what runs has the plan's counts, and every layer its shape.
fn hold_to_plan(values: &Map<String, Value>, input: &InputShape) -> bool {
    let plan = plan(values, input);
    let device = Device::flex().autodiff();
    if plan.infeasible().is_some() {
        assert!(Cnn::new(&plan, &device).is_err());
        return false;
    }
    let cnn = Cnn::new(&plan, &device).unwrap();
    assert_eq!(count(&cnn), plan.parameters(), "{values:?}");
    let samples = Tensor::<2>::random([2, input.elements()], Distribution::Default, &device);
    let mut shapes = Vec::new();
    let logits = cnn.forward_observed(samples, &mut |shape| shapes.push(shape.to_vec()));
    let planned: Vec<Vec<usize>> = plan.layers().iter().map(|layer| layer.output.with_batch(2)).collect();
    assert_eq!(shapes, planned, "{values:?}");
    assert_eq!(logits.dims(), [2, 3], "{values:?}");
    let gradients = logits.sum().backward();
    let learned = gradients_of(&cnn, &gradients);
    assert_eq!(learned, plan.trainable(), "{values:?}");
    true
}

/// Values in all tensors of a module, learned or not.
fn count(cnn: &Cnn) -> u64 {
    struct Count(u64);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.val().shape().num_elements() as u64;
        }
    }
    let mut count = Count(0);
    cnn.visit(&mut count);
    count.0
}

/// Values of the parameters that got a gradient.
fn gradients_of(cnn: &Cnn, gradients: &burn::tensor::Gradients) -> u64 {
    struct Learned<'a>(u64, &'a burn::tensor::Gradients);
    impl ModuleVisitor for Learned<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.1) {
                self.0 += gradient.shape().num_elements() as u64;
            }
        }
    }
    let mut learned = Learned(0, gradients);
    cnn.visit(&mut learned);
    learned.0
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object is expected") };
    map
}

#[test]
fn every_layer_pool_and_padding_of_a_small_grid() {
    let (mut feasible, mut infeasible) = (0, 0);
    for dims in [vec![5, 4], vec![3, 5, 4]] {
        let input = InputShape::new(2, dims);
        for layer in ["conv", "separable_conv", "locally_connected"] {
            for pool in ["none", "max", "average", "min", "adaptive_average", "adaptive_max"] {
                for padding in ["valid", "same"] {
                    for (kernel, stride, dilation) in [(1, 1, 1), (2, 1, 1), (3, 2, 1), (2, 1, 2), (4, 1, 1)] {
                        let values = object(json!({
                            "conv_layers": 1, "filters": 3, "layer": layer, "pool": pool, "padding": padding,
                            "kernel_size": kernel, "stride": stride, "dilation": dilation, "units": 4,
                        }));
                        if hold_to_plan(&values, &input) { feasible += 1 } else { infeasible += 1 }
                    }
                }
            }
        }
    }
    assert!(feasible > 100 && infeasible > 100, "{feasible} {infeasible}");
}

#[test]
fn what_contradicts_the_data_says_so() {
    let refusal = |values, input: &InputShape| plan(&object(values), input).infeasible().unwrap().to_string();
    let (image, volume) = (InputShape::new(1, [8, 8]), InputShape::new(1, [8, 8, 8]));
    assert_eq!(
        refusal(json!({ "layer": "separable_conv" }), &volume),
        "separable_conv3d_1: `separable_conv` exists for 2-D data only; the data has 3 dimensions"
    );
    assert_eq!(
        refusal(json!({ "kernel_size": "3x3x3" }), &image),
        "conv2d_1: kernel 3×3×3 has 3 dimensions, the data 2 (height, width)"
    );
    assert_eq!(
        refusal(json!({ "conv_layers": 2, "kernel_size": 5 }), &image).as_str(),
        "conv2d_2: kernel 5×5 does not fit an input of 4×4"
    );
    assert_eq!(
        refusal(json!({ "pool": "adaptive_max", "pool_size": 7 }), &image),
        "adaptive_max_pooling2d_1: an output of 7×7 is larger than its input of 6×6"
    );
    assert_eq!(
        refusal(json!({ "kernel_size": 2, "dilation": 8 }), &image),
        "conv2d_1: kernel 2×2 dilated to 9×9 does not fit an input of 8×8"
    );
    let narrow = plan(&object(json!({ "kernel_size": "3x5" })), &InputShape::new(1, [8, 4]));
    assert_eq!(narrow.infeasible().unwrap().dimension, Some("width"));
}

fn choice(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words)
}

prop_compose! {
    fn network()(
        layers in 0_usize..4,
        kinds in proptest::collection::vec(choice(&["conv", "conv", "separable_conv", "locally_connected"]), 4),
        kernels in proptest::collection::vec(choice(&["1", "2", "3", "1x3", "3x2", "2x1x2", "3x3x3"]), 4),
        pools in proptest::collection::vec(choice(&["none", "max", "average", "min", "adaptive_max", "adaptive_average"]), 4),
        sizes in proptest::collection::vec(1_usize..4, 8),
        filters in proptest::collection::vec(1_usize..4, 4),
        flags in proptest::collection::vec(any::<bool>(), 10),
        activation in choice(&["relu", "tanh", "gelu", "leaky_relu", "silu", "elu", "none"]),
        head in choice(&["flatten", "global_average", "global_max"]),
        dense in 0_usize..3,
    ) -> Map<String, Value> {
        let mut values = object(json!({
            "conv_layers": layers, "head": head, "dense_layers": dense, "units": 5, "residual": flags[0],
            "padding": if flags[1] { "same" } else { "valid" }, "activation": activation,
            "dense_activation": activation, "dense_dropout_rate": 0.25,
        }));
        for layer in 0..layers {
            for (name, value) in [
                ("layer", json!(kinds[layer])), ("kernel_size", json!(kernels[layer])), ("pool", json!(pools[layer])),
                ("pool_size", json!(sizes[layer])), ("stride", json!(sizes[layer + 4].div_ceil(2))),
                ("filters", json!(filters[layer])), ("batch_norm", json!(flags[2 + layer])), ("dropout", json!(flags[6 + layer])),
            ] {
                values.insert(format!("{name}{layer}"), value);
            }
        }
        values
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_network_holds_to_its_plan(values in network(), channels in 1_usize..3, volume in any::<bool>()) {
        let dims = if volume { vec![6, 7, 5] } else { vec![7, 6] };
        hold_to_plan(&values, &InputShape::new(channels, dims));
    }
}
