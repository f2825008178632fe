//! Fixed filters against what `OpenCV` makes of the same pixels.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use model::filters::{Kernel, apply_to_image};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/filters").join(name)
}

fn open(name: &str) -> DynamicImage {
    image::open(file(name)).unwrap()
}

#[test]
fn every_pixel_is_that_of_opencv() {
    for image in ["grey", "colour"] {
        let input = open(&format!("{image}.png"));
        for name in Kernel::NAMES.iter().chain(&["own"]) {
            let path = file("own.txt");
            let kernel = if *name == "own" { path.to_str().unwrap() } else { name };
            let filtered = apply_to_image(&input, &Kernel::named(kernel).unwrap());
            let expected = open(&format!("{image}-{name}.png"));
            assert_eq!(filtered.color(), expected.color(), "{image} {name}");
            assert_eq!(filtered.as_bytes(), expected.as_bytes(), "{image} {name}");
            assert_ne!(filtered.as_bytes(), input.as_bytes(), "{image} {name}");
        }
    }
}
