//! A whole search on every backend that is built in: searched, resumed, evaluated.
//!
//! The default build has `flex` alone, which the other tests use, so this needs a feature:
//! `cargo test --release --workspace --features tune/ndarray,tune/wgpu --test backends`.

#![cfg(any(feature = "ndarray", feature = "wgpu", feature = "cuda"))]

mod common;

use common::Place;

fn scores(backend: &str) -> Vec<f64> {
    let place = Place::new();
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "1", "--backend", backend]);
    place.stdout(&["search", "tiny.toml", "--quiet", "--trials", "3", "--backend", backend]);
    let evaluated = place.stdout(&["evaluate", "tiny"]);
    assert!(evaluated.contains("Confusion matrix"), "{evaluated}");
    place.trials("tiny").iter().map(|trial| trial["score"].as_f64().unwrap()).collect()
}

#[test]
fn a_search_comes_to_the_same_scores_on_every_backend() {
    let expected = scores("flex");
    for backend in model::device::backends().iter().filter(|backend| backend.built_in && backend.name != "flex") {
        let found = scores(backend.name);
        assert_eq!(found.len(), 3, "{}", backend.name);
        // One image more or less of the 287 for validation.
        let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.004);
        assert!(near, "{}: {found:?}, flex: {expected:?}", backend.name);
    }
}
