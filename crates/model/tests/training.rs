//! Training from the outside: it learns, it repeats, it continues as if it had not paused.

mod common;

use std::fs;
use std::path::Path;

use common::{config, digits, options, timeless, train, turn};
use model::data::{DataSource, load};
use model::train::{
    Decision, EarlyStopping, EndReason, Event, FitError, FitOptions, Monitor, TrainingData, evaluate, fit,
};
use model::{ImageData, InputShape};
use serde_json::{Value, json};

/// Everything random there is: dropout, batch norm, augmentation, mixing, shuffling.
fn restless(optimizer: &str) -> Value {
    json!({
        "conv_layers": 2, "filters": 4, "padding": "same", "pool0": "max", "batch_norm0": true,
        "dropout_rate0": 0.25, "units": 16, "dense_dropout_rate": 0.5,
        "horizontal_flip": true, "random_crop": 1, "rotation": 10.0, "cutout": 2, "mixup": 0.2,
        "label_smoothing": 0.1, "class_weights": "balanced", "normalize": "per_channel",
        "optimizer": optimizer, "momentum": 0.9, "weight_decay": 1e-4, "gradient_clipping": 1.0,
        "schedule": "cosine", "schedule_warmup": 0.5, "learning_rate": 0.01,
    })
}

fn model_bytes(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("last.ckpt")).unwrap()
}

#[test]
fn a_small_network_learns_the_digits() {
    let _turn = turn();
    let data = digits(1437, 360);
    let config = config(json!({ "filters": 16, "pool0": "max", "dense_layers": 1, "units": 64 }));
    let (epochs, _, end) = train(&config, &data, &options(1, 10)).unwrap();
    assert_eq!(end.reason, EndReason::Epochs);
    let (first, last) = (&epochs[0].metrics, &epochs[9].metrics);
    assert!(last["loss"] < first["loss"] / 3.0, "{} {}", first["loss"], last["loss"]);
    assert!(last["val_accuracy"] > 0.93, "{}", last["val_accuracy"]);
}

#[test]
fn the_same_seed_gives_the_same_reports_and_another_seed_others() {
    let _turn = turn();
    let data = digits(200, 60);
    let config = config(restless("adam"));
    let run = |seed| timeless(train(&config, &data, &options(seed, 2)).unwrap().0);
    let first = run(3);
    assert_eq!(run(3), first);
    assert_ne!(run(4), first);
}

/// Trains to each of `stops` in turn, every time from what is on disk alone.
fn train_in_parts(
    config: &model::Config,
    data: &(model::ImageData, model::ImageData),
    stops: &[u32],
    folder: &Path,
) -> Vec<model::train::EpochReport> {
    let mut epochs = Vec::new();
    for &stop in stops {
        let options = FitOptions {
            from_epoch: epochs.len() as u32,
            to_epoch: stop,
            full_epochs: 9,
            checkpoint: Some(folder),
            ..options(5, 9)
        };
        let (more, notes, _) = train(config, data, &options).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        epochs.extend(more);
    }
    epochs
}

#[test]
fn one_then_three_then_nine_epochs_equal_nine_at_once() {
    let _turn = turn();
    let data = digits(100, 40);
    for optimizer in ["adam", "sgd", "rmsprop", "adamw"] {
        let config = config(restless(optimizer));
        let (parts, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let in_parts = train_in_parts(&config, &data, &[1, 3, 9], parts.path());
        let at_once = train_in_parts(&config, &data, &[9], whole.path());
        assert_eq!(timeless(in_parts), timeless(at_once), "{optimizer}");
        let weights = |folder: &Path| {
            let plan = model::cnn::Plan::new(&config.cnn, &data.0.shape, 10);
            assert!(plan.infeasible().is_none());
            evaluate(folder, &config, &data.1, &model::device::device("flex").unwrap()).unwrap()
        };
        assert_eq!(weights(parts.path()), weights(whole.path()), "{optimizer}");
    }
}

#[test]
fn epochs_that_were_not_heard_are_reported_again_and_lost_checkpoints_trained_again() {
    let _turn = turn();
    let data = digits(100, 40);
    let config = config(restless("adam"));
    let folder = tempfile::tempdir().unwrap();
    let all = timeless(train_in_parts(&config, &data, &[4], folder.path()));
    let go_on = |from_epoch| {
        let options =
            FitOptions { from_epoch, to_epoch: 5, full_epochs: 9, checkpoint: Some(folder.path()), ..options(5, 9) };
        let (epochs, notes, _) = train(&config, &data, &options).unwrap();
        (timeless(epochs), notes)
    };
    let (heard, notes) = go_on(2);
    assert_eq!(heard[..2], all[2..]);
    assert_eq!((heard.len(), notes.len()), (3, 0));

    let mut bytes = model_bytes(folder.path());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.path().join("last.ckpt"), bytes).unwrap();
    let (again, notes) = go_on(2);
    assert_eq!(again, heard, "training begun anew comes to the same numbers");
    assert!(notes[0].contains("damaged") && notes[0].contains("anew"), "{notes:?}");

    fs::remove_file(folder.path().join("last.ckpt")).unwrap();
    let (again, notes) = go_on(4);
    assert_eq!(again, heard[2..]);
    assert!(notes[0].contains("no checkpoint"), "{notes:?}");
}

#[test]
fn a_checkpoint_of_another_configuration_is_left_aside() {
    let _turn = turn();
    let data = digits(60, 20);
    let folder = tempfile::tempdir().unwrap();
    let with = |units: u32| {
        let options = FitOptions { checkpoint: Some(folder.path()), ..options(5, 1) };
        train(&config(json!({ "filters": 2, "units": units })), &data, &options).unwrap().1
    };
    assert_eq!(with(8), Vec::<String>::new());
    assert!(with(9)[0].contains("belongs to another training"));
}

#[test]
fn patience_ends_a_training_across_pauses() {
    let _turn = turn();
    let data = digits(60, 20);
    let config = config(json!({ "filters": 2, "units": 8, "learning_rate": 1e-12 }));
    let rule = EarlyStopping { monitor: Monitor::infer("val_loss"), patience: 3, min_delta: 0.1 };
    let folder = tempfile::tempdir().unwrap();
    let run = |from_epoch, to_epoch| {
        let options = FitOptions {
            from_epoch,
            to_epoch,
            early_stopping: Some(rule.clone()),
            checkpoint: Some(folder.path()),
            ..options(5, 9)
        };
        train(&config, &data, &options).unwrap().2
    };
    assert_eq!(run(0, 2).reason, EndReason::Epochs);
    let end = run(2, 9);
    assert_eq!((end.epochs, end.stopped_early, end.reason), (4, true, EndReason::EarlyStopping));
    assert_eq!(run(4, 9), end, "what has ended stays ended");
}

#[test]
fn the_best_epoch_is_what_is_evaluated() {
    let _turn = turn();
    let data = digits(300, 100);
    let config = config(json!({ "filters": 4, "units": 16, "learning_rate": 0.02 }));
    let folder = tempfile::tempdir().unwrap();
    let options = FitOptions { checkpoint: Some(folder.path()), ..options(5, 6) };
    let (epochs, _, end) = train(&config, &data, &options).unwrap();
    let best = &epochs[end.best_epoch.unwrap() as usize - 1].metrics;
    assert!(epochs.iter().all(|epoch| epoch.metrics["val_accuracy"] <= best["val_accuracy"]));

    let evaluation = evaluate(folder.path(), &config, &data.1, &options.device).unwrap();
    assert_eq!((evaluation.accuracy, evaluation.loss), (best["val_accuracy"], best["val_loss"]));
    let total: u64 = evaluation.confusion.iter().flatten().sum();
    let right: u64 = (0..10).map(|class| evaluation.confusion[class][class]).sum();
    assert_eq!(total, 100);
    assert!((right as f64 / total as f64 - evaluation.accuracy).abs() < 1e-12);
}

#[test]
fn a_diverging_training_ends_at_once() {
    let _turn = turn();
    let data = digits(200, 20);
    let config = config(json!({ "optimizer": "sgd", "learning_rate": 1e30, "filters": 4 }));
    let error = train(&config, &data, &options(1, 3)).unwrap_err();
    assert!(matches!(error, FitError::NonFinite { epoch: 1, .. }), "{error}");
}

#[test]
fn an_answer_takes_effect_at_once() {
    let _turn = turn();
    let data = digits(60, 20);
    let config = config(json!({ "filters": 2, "units": 8 }));
    for (answer, reason) in [(Decision::Pause, EndReason::Paused), (Decision::Stop, EndReason::Stopped)] {
        let mut heard = 0;
        let data = TrainingData { train: &data.0, validation: &data.1 };
        let end = fit(&config, data, &options(1, 9), &mut |event| match event {
            Event::Epoch(epoch) if epoch.epoch == 2 => answer,
            Event::Epoch(_) => {
                heard += 1;
                Decision::Continue
            }
            _ => Decision::Continue,
        });
        let end = end.unwrap();
        assert_eq!((heard, end.epochs, end.reason), (1, 2, reason));
    }
}

#[test]
fn impossible_requests_are_refused() {
    let _turn = turn();
    let data = digits(20, 10);
    let wide = config(json!({ "kernel_size": 9 }));
    let error = train(&wide, &data, &options(1, 1)).unwrap_err();
    assert_eq!(error.to_string(), "conv2d_1: kernel 9×9 does not fit an input of 8×8");

    let plain = config(json!({}));
    let unknown = FitOptions { best: Monitor::infer("val_f1"), ..options(1, 1) };
    assert!(matches!(train(&plain, &data, &unknown), Err(FitError::Metric { .. })));
    let empty = (data.0.select(&[]), data.1);
    assert!(matches!(train(&plain, &empty, &options(1, 1)), Err(FitError::Data(_))));
}

/// The middle frame of each clip, as an image.
fn middle_frame(clips: &ImageData) -> ImageData {
    let [depth, height, width] = clips.shape.dims[..] else { panic!("clips are expected") };
    let frame = height * width;
    let middle = depth / 2 * frame..(depth / 2 + 1) * frame;
    ImageData {
        samples: clips.samples.chunks_exact(depth * frame).flat_map(|clip| clip[middle.clone()].to_vec()).collect(),
        shape: InputShape::new(1, [height, width]),
        labels: clips.labels.clone(),
        class_names: clips.class_names.clone(),
    }
}

/// Four classes: chance is 0.25.
#[test]
fn motion_is_seen_in_three_dimensions_and_not_in_a_frame() {
    let _turn = turn();
    let clips = load(&DataSource::new("volumes")).unwrap();
    let frames = (middle_frame(&clips.train), middle_frame(&clips.test));
    let config = config(json!({
        "conv_layers": 1, "filters": 8, "kernel_size": 3, "padding": "same", "head": "global_average",
        "dense_layers": 0, "learning_rate": 0.03, "normalize": "per_channel",
    }));
    let accuracy = |data| train(&config, data, &options(1, 8)).unwrap().0[7].metrics["val_accuracy"];
    let (in_clips, in_frames) = (accuracy(&(clips.train, clips.test)), accuracy(&frames));
    assert!(in_clips > 0.9, "{in_clips}");
    assert!(in_frames < 0.35, "{in_frames}");
}
