//! The manuals say what the program does. `UPDATE_DOCS=1` writes the parts that are derived.

use std::fmt::Write;
use std::path::Path;

use model::cnn::Plan;
use model::hyperparameters::{Group, vocabulary};
use model::{Config, InputShape};
use serde_json::{Value, json};

/// Holds the part of `docs/<file>` between the markers of `name` against `derived`.
fn check(file: &str, name: &str, derived: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(&format!("<!-- {name}:")).expect("the marker of the beginning");
    let start = start + text[start..].find('\n').unwrap() + 1;
    let end = text.find(&format!("<!-- end of {name} -->")).expect("the marker of the end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{derived}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    assert_eq!(&text[start..end], derived, "docs/{file} is out of date; write it with UPDATE_DOCS=1");
}

#[test]
fn the_manual_lists_the_vocabulary() {
    let mut manual = String::new();
    for group in [Group::Convolution, Group::Head, Group::Preprocessing, Group::Training] {
        writeln!(manual, "\n## {group}\n\n| name | values | default | |\n|---|---|---|---|").unwrap();
        for doc in vocabulary().iter().filter(|doc| doc.group == group) {
            let plain = serde_json::from_str::<Value>(doc.default).is_ok();
            let default = if plain { format!("`{}`", doc.default) } else { doc.default.to_owned() };
            writeln!(manual, "| `{}` | {} | {default} | {} |", doc.name, doc.kind, doc.doc).unwrap();
        }
    }
    manual.push('\n');
    check("model.md", "vocabulary", &manual);
}

#[test]
fn the_guide_to_layers_gives_counts_of_the_plan() {
    let mut table = "\n| layer | output | parameters | multiply-adds |\n|---|---|---|---|\n".to_owned();
    for (name, depth, values) in [
        ("convolution 1×1", None, json!({ "kernel_size": 1 })),
        ("convolution 3×3", None, json!({ "kernel_size": 3 })),
        ("convolution 5×5", None, json!({ "kernel_size": 5 })),
        ("convolution 3×3, stride 2", None, json!({ "kernel_size": 3, "stride": 2 })),
        ("separable convolution 3×3", None, json!({ "layer": "separable_conv" })),
        ("locally connected 3×3", None, json!({ "layer": "locally_connected" })),
        ("convolution 3×3×3 of 16×16×16×32", Some(16), json!({ "kernel_size": 3 })),
    ] {
        let dims = depth.map_or(vec![16, 16], |depth| vec![depth, 16, 16]);
        let Value::Object(mut values) = values else { panic!("an object is expected") };
        values.insert("conv_layers".to_owned(), json!(1));
        values.insert("filters".to_owned(), json!(64));
        let plan = Plan::new(&Config::from_values(&values).unwrap().cnn, &InputShape::new(32, dims), 10);
        let layer = &plan.layers()[0];
        writeln!(table, "| {name} | {} | {} | {} |", layer.output, layer.trainable, layer.multiply_adds).unwrap();
    }
    for (name, head) in [("flatten, dense", "flatten"), ("global average, dense", "global_average")] {
        let Value::Object(values) = json!({ "conv_layers": 0, "head": head }) else { panic!("an object is expected") };
        let plan = Plan::new(&Config::from_values(&values).unwrap().cnn, &InputShape::new(32, [16, 16]), 10);
        let layer = &plan.layers()[1];
        writeln!(table, "| {name} | {} | {} | {} |", layer.output, layer.trainable, layer.multiply_adds).unwrap();
    }
    table.push('\n');
    check("layers.md", "counts", &table);
}
