//! Every backend that is built in trains as `flex` does.
//!
//! The default build has no other, so this needs a feature:
//! `cargo test --release -p model --features ndarray,wgpu --test backends -- --nocapture`.

#![cfg(any(feature = "ndarray", feature = "wgpu", feature = "cuda"))]

mod common;

use common::{config, digits, options, train, turn};
use model::device::{DEFAULT_BACKEND, backends, device};
use model::train::FitOptions;
use serde_json::{Value, json};

/// Two steps an epoch for six epochs: the losses of every second step of twelve.
fn losses(values: &Value, backend: &str) -> Vec<f64> {
    let options = FitOptions { device: device(backend).unwrap(), ..options(3, 6) };
    let (epochs, _, _) = train(&config(values.clone()), &digits(64, 32), &options).unwrap();
    epochs.iter().flat_map(|epoch| ["loss", "val_loss"].map(|name| epoch.metrics[name])).collect()
}

#[test]
fn the_first_losses_agree_with_the_default_backend() {
    let _turn = turn();
    let networks = [
        ("plain", json!({ "pool0": "max", "activation1": "tanh", "learning_rate": 0.002 })),
        (
            "normalised",
            json!({ "filters": 8, "batch_norm": true, "pool0": "average", "padding": "same", "optimizer": "sgd",
            "momentum": 0.9, "learning_rate": 0.02, "residual": true, "activation": "gelu" }),
        ),
        (
            "separable",
            json!({ "filters": 8, "padding": "same", "layer1": "separable_conv", "pool0": "min", "pool1": "adaptive_max",
            "pool_size1": 2, "activation": "elu", "head": "global_average", "optimizer": "adamw" }),
        ),
    ];
    for (name, values) in networks {
        let values = merged(&json!({ "conv_layers": 2, "kernel_size": 3, "units": 16, "batch_size": 32 }), values);
        let expected = losses(&values, DEFAULT_BACKEND);
        for backend in backends().iter().filter(|backend| backend.built_in && backend.name != DEFAULT_BACKEND) {
            let found = losses(&values, backend.name);
            let difference = expected.iter().zip(&found).map(|(a, b)| (a - b).abs() / a.abs()).fold(0.0, f64::max);
            println!("{name}: {} differs from {DEFAULT_BACKEND} by at most {difference:.1e} of the loss", backend.name);
            assert!(difference < 1e-4, "{name} on {}: {expected:?} {found:?}", backend.name);
        }
    }
}

fn merged(all: &Value, own: Value) -> Value {
    let (Value::Object(mut all), Value::Object(own)) = (all.clone(), own) else { panic!("objects are expected") };
    all.extend(own);
    Value::Object(all)
}
