//! Networks whose layer tables were published: the plan must agree to the unit.

use model::cnn::{LayerPlan, Plan};
use model::{Config, InputShape};
use serde_json::{Value, json};

fn plan(values: Value, input: &InputShape) -> Plan {
    let Value::Object(values) = values else { panic!("an object is expected") };
    Plan::new(&Config::from_values(&values).unwrap().cnn, input, 10)
}

/// The parameters of the layers that have any, in order.
fn parameters(plan: &Plan) -> Vec<u64> {
    plan.layers().iter().map(LayerPlan::parameters).filter(|&count| count > 0).collect()
}

fn outputs(plan: &Plan) -> Vec<String> {
    plan.layers().iter().map(|layer| format!("{} {}", layer.name, layer.output)).collect()
}

#[test]
fn the_best_network_of_the_cifar10_study() {
    let values = json!({
        "conv_layers": 3, "dropout": false, "padding": "valid",
        "filters0": 256, "kernel_size0": 3, "activation0": "tanh", "pool0": "max",
        "filters1": 224, "kernel_size1": 5, "activation1": "relu",
        "filters2": 256, "kernel_size2": 3, "activation2": "tanh",
        "final_pool": "max",
        "dense_layers": 4, "units0": 224, "units1": 224, "units2": 96, "units3": 32,
    });
    let plan = plan(values, &InputShape::new(3, [32, 32]));
    assert_eq!(plan.infeasible(), None);
    assert_eq!(parameters(&plan), [7168, 1_433_824, 516_352, 917_728, 50_400, 21_600, 3104, 330]);
    assert_eq!(plan.parameters(), 2_950_506);
    assert_eq!(plan.trainable(), 2_950_506);
    assert_eq!(
        outputs(&plan)[..6],
        [
            "conv2d_1 30×30×256",
            "max_pooling2d_1 15×15×256",
            "conv2d_2 11×11×224",
            "conv2d_3 9×9×256",
            "max_pooling2d_2 4×4×256",
            "flatten_1 4096",
        ]
    );
    // Multiply-adds of a forward pass, counted by hand: places × weights of each layer.
    let products = 30 * 30 * 27 * 256
        + 11 * 11 * 25 * 256 * 224
        + 9 * 9 * 9 * 224 * 256
        + 4096 * 224
        + 224 * 224
        + 224 * 96
        + 96 * 32
        + 32 * 10;
    assert_eq!(plan.multiply_adds(), products);
}

#[test]
fn the_counting_exercise() {
    let values = json!({
        "conv_layers": 3,
        "filters0": 20, "kernel_size0": "7x7", "pool0": "max",
        "filters1": 10, "kernel_size1": 5,
        "filters2": 2, "kernel_size2": 3, "layer2": "locally_connected",
        "dense_layers": 0,
    });
    let plan = plan(values, &InputShape::new(1, [28, 28]));
    assert_eq!(parameters(&plan), [1000, 5010, 4550, 510]);
    assert_eq!(plan.parameters(), 11_070);
    assert_eq!(
        outputs(&plan),
        [
            "conv2d_1 22×22×20",
            "max_pooling2d_1 11×11×20",
            "conv2d_2 7×7×10",
            "locally_connected2d_1 5×5×2",
            "flatten_1 50",
            "dense_1 10",
        ]
    );
}
