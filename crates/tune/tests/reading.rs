//! The commands that read, and the errors of a study file, as a user sees them.

mod common;

use common::Place;

#[test]
fn help_names_every_command() {
    insta::assert_snapshot!(Place::new().stdout(&["--help"]));
}

#[test]
fn the_space_is_printed_with_its_size() {
    let place = Place::new();
    insta::assert_snapshot!(place.stdout(&["space", "tiny.toml"]));
}

#[test]
fn the_space_is_printed_for_machines() {
    let place = Place::new();
    let printed: serde_json::Value =
        serde_json::from_str(&place.stdout(&["space", "tiny.toml", "--format", "json"])).unwrap();
    assert_eq!(printed["size"], 5);
    assert_eq!(printed["feasible"]["exact"], false);
    assert_eq!(printed["space"].as_array().unwrap().len(), 9);
}

#[test]
fn all_mistakes_of_a_study_file_are_shown_at_once() {
    let place = Place::new();
    place.write(
        "bad.toml",
        r#"
name      = "../elsewhere"
objective = "val_acuracy"
sede      = 1

[search]
strategy = "rundom"
trials   = 0
max_time = "soon"

[early_stopping]
monitor = "val_los"

[data]
dataset    = "diggits"
validation = 1.5

[space]
filtres       = { type = "int", min = 1, max = 4 }
filters0      = { type = "int", min = 0, max = 4 }
filters1      = { type = "int", min = 8, max = 4 }
kernel_size   = { type = "choice", values = [3, "3x"] }
activation    = { type = "choise", values = ["relu"] }
learning_rate = { type = "float", min = 0.0, max = 1.0, sampling = "log" }
"units{i}"    = { type = "int", min = 1, max = 4 }
batch_size    = 32
"#,
    );
    let (code, message) = place.failure(&["space", "bad.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message);
}

#[test]
fn conditions_on_nothing_are_found() {
    let place = Place::new();
    place.write(
        "bad.toml",
        "objective = \"val_loss\"\n\n[space]\nmomentum = { type = \"float\", min = 0.0, max = 0.9, when = { optimiser = \"sgd\" } }\noptimizer = { type = \"choice\", values = [\"adam\", \"sgd\"] }\n",
    );
    let (_, message) = place.failure(&["space", "bad.toml"]);
    insta::assert_snapshot!(message);
}

#[test]
fn a_syntax_error_has_its_place() {
    let place = Place::new();
    place.write("bad.toml", "name = \"x\"\nobjective = val_loss\n");
    let (_, message) = place.failure(&["space", "bad.toml"]);
    insta::assert_snapshot!(message);
}

#[test]
fn a_missing_data_set_names_the_command_that_gets_it() {
    let place = Place::new();
    place.write("tiny.toml", &common::TINY.replace("\"digits\"", "\"cifar10\""));
    let (_, message) = place.failure(&["search", "tiny.toml"]);
    assert!(message.contains("tune data fetch cifar10"), "{message}");
    assert!(!place.path().join("results").exists(), "nothing is written before all is checked");
}

#[test]
fn a_summary_shows_the_best_trials_in_three_forms() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet"]);
    let text = place.stdout(&["summary"]);
    for expected in
        ["Study tiny in results/tiny", "Objective: val_accuracy (max)", "Trials: 4 completed", "#1 0", "learning_rate"]
    {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.stdout(&["summary", "tiny", "--format", "json", "--top", "2"])).unwrap();
    let best = json["best"].as_array().unwrap();
    assert_eq!(best.len(), 2);
    assert!(best[0]["score"].as_f64() >= best[1]["score"].as_f64());
    let csv = place.stdout(&["summary", "tiny.toml", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("trial,score,budget,"), "{csv}");
}

#[test]
fn an_unknown_study_names_the_nearest() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "1"]);
    let (code, message) = place.failure(&["summary", "tinny"]);
    assert_eq!((code, message.as_str()), (2, "error: there is no study `tinny`\n\ndid you mean `tiny`?\n"));
}

#[test]
fn the_best_trial_is_evaluated_on_the_test_data() {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "2"]);
    let text = place.stdout(&["evaluate", "tiny"]);
    assert!(text.contains("Confusion matrix"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&place.stdout(&["evaluate", "tiny", "--format", "json"])).unwrap();
    let confusion = json["confusion"].as_array().unwrap();
    let count = |cell: &serde_json::Value| cell.as_u64().unwrap();
    let total: u64 = confusion.iter().flat_map(|row| row.as_array().unwrap()).map(count).sum();
    let right: u64 = (0..10).map(|class| count(&confusion[class][class])).sum();
    assert_eq!(total, 360);
    assert!((json["accuracy"].as_f64().unwrap() - right as f64 / total as f64).abs() < 1e-6);
    let (_, message) = place.failure(&["evaluate", "tiny", "--trial", "9"]);
    assert_eq!(message, "error: study `tiny` has no trial 9; it has 2\n");
}

#[test]
fn a_starter_study_is_a_valid_one() {
    let place = Place::new();
    place.stdout(&["init", "mine.toml"]);
    assert!(place.stdout(&["space", "mine.toml"]).contains("conv_layers"));
    let (code, message) = place.failure(&["init", "mine.toml"]);
    assert_eq!(code, 2);
    assert!(message.contains("--force"), "{message}");
    place.stdout(&["init", "mine.toml", "--force"]);
}

#[test]
fn the_data_sets_are_listed() {
    let listed = Place::new().stdout(&["data", "list"]);
    for name in ["digits", "mnist", "fashion-mnist", "cifar10", "folder"] {
        assert!(listed.contains(name), "{listed}");
    }
}

/// The study that the project grew from: its best published network, layer by layer.
#[test]
fn the_published_network_has_its_published_parameters() {
    let configs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let study = std::fs::read_to_string(configs.join("cnn_tuning.toml")).unwrap();
    // Shapes and counts need no image of the set itself, only one of its shape.
    let place = Place::new();
    place.write("cnn_tuning.toml", &study);
    let printed = place.stdout(&["model", "cnn_tuning.toml"]);
    assert!(printed.contains("2,950,506"), "{printed}");
    for parameters in ["7,168", "1,433,824", "516,352", "917,728", "50,400", "21,600", "3,104", "330"] {
        assert!(printed.contains(parameters), "{parameters} is missing:\n{printed}");
    }
}

#[test]
fn every_ready_study_is_valid() {
    let configs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    for entry in std::fs::read_dir(configs).unwrap() {
        let path = entry.unwrap().path();
        let place = Place::new();
        let printed = place.stdout(&["space", path.to_str().unwrap()]);
        assert!(printed.starts_with("Search space summary"), "{}: {printed}", path.display());
    }
}

#[test]
fn a_network_that_cannot_be_built_is_shown_up_to_the_layer_that_fails() {
    let place = Place::new();
    place.write("deep.toml", &common::TINY.replace("conv_layers = 1", "conv_layers = 3"));
    insta::assert_snapshot!(place.stdout(&["model", "deep.toml"]));
    let printed: serde_json::Value =
        serde_json::from_str(&place.stdout(&["model", "deep.toml", "--format", "json"])).unwrap();
    assert_eq!(printed["infeasible"]["layer"], "conv2d_3");
}

#[test]
fn what_contradicts_the_data_is_refused_at_its_place() {
    let place = Place::new();
    place.write(
        "bad.toml",
        r#"objective = "val_accuracy"

[data]
dataset = "volumes"

[space]
layer0      = { type = "choice", values = ["conv", "separable_conv"] }
kernel_size = { type = "choice", values = [3, "3x5"] }

[fixed]
layer1 = "locally_connected"
"#,
    );
    let (code, message) = place.failure(&["space", "bad.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message);
}

#[test]
fn a_repetition_without_end_is_refused() {
    let place = Place::new();
    place.write(
        "bad.toml",
        r#"objective = "val_accuracy"

[data]
dataset = "digits"

[space]
batch_size  = { type = "int", min = 1, max = 60000 }
"filters{i}" = { type = "int", min = 1, max = 4, repeat = "batch_size" }
"#,
    );
    let (_, message) = place.failure(&["space", "bad.toml"]);
    insta::assert_snapshot!(message);
}

#[test]
fn an_image_is_filtered_as_opencv_does() {
    let place = Place::new();
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/data/filters");
    for (image, kernel, expected) in
        [("colour.png", "sobel-h", "colour-sobel_h.png"), ("grey.png", "own.txt", "grey-own.png")]
    {
        let kernel = if kernel.contains('.') { data.join(kernel).display().to_string() } else { kernel.to_owned() };
        let input = data.join(image).display().to_string();
        let printed = place.stdout(&["filter", &input, "--kernel", &kernel, "-o", "out.png", "--force"]);
        assert_eq!(printed, "wrote out.png\n");
        let filtered = image::open(place.path().join("out.png")).unwrap();
        assert_eq!(filtered, image::open(data.join(expected)).unwrap(), "{image}");
    }
}

#[test]
fn what_cannot_be_filtered_says_why() {
    let place = Place::new();
    place.write("text.png", "no image");
    let refusal = |arguments: &[&str]| place.failure(&[&["filter"], arguments].concat()).1;
    insta::assert_snapshot!(refusal(&["text.png", "-k", "blur", "-o", "out.png"]), @"error: cannot decode `text.png`: Format error decoding Png: Invalid PNG signature.; expected a PNG or JPEG image");
    insta::assert_snapshot!(refusal(&["none.png", "-k", "blur", "-o", "out.png"]), @"error: cannot read the image `none.png`: No such file or directory (os error 2)");
    insta::assert_snapshot!(refusal(&["text.png", "-k", "bluur", "-o", "out.png"]), @"error: cannot read the kernel file `bluur`: No such file or directory (os error 2); the kernels without a file are blur, edge, sobel_h, sobel_v");
    image::GrayImage::new(4, 4).save(place.path().join("grey.png")).unwrap();
    insta::assert_snapshot!(refusal(&["grey.png", "-k", "edge", "-o", "text.png"]), @r"
    error: text.png exists already

    name another file, or add --force to replace it
    ");
    assert_eq!(std::fs::read(place.path().join("text.png")).unwrap(), b"no image");
}
