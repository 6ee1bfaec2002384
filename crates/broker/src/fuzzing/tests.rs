//! The fuzz targets as ordinary tests: over the corpus that is checked in, and for a fixed number of cases.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::schedule;

/// Every input of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() > 100, "the corpus of {target} is gone");
    inputs
}

#[test]
fn the_corpus_of_the_codec() {
    for input in corpus("codec") {
        super::decode(&input);
    }
}

#[test]
fn the_corpus_of_the_core() {
    for input in corpus("core") {
        super::schedule(&input);
    }
}

/// The same cases in every run: whoever wants others runs the fuzz targets.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Schedules whose steps can be left out one by one, so that a finding shrinks to its story.
fn any_schedule() -> impl Strategy<Value = Vec<u8>> {
    let steps = proptest::collection::vec(any::<[u8; schedule::STEP_BYTES]>(), 0..120);
    (any::<[u8; 2]>(), steps).prop_map(|(head, steps)| [&head[..], steps.as_flattened()].concat())
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn any_schedule_in_the_core(bytes in any_schedule()) {
        let story = super::play(&bytes);
        prop_assert!(story.is_ok(), "{}", story.unwrap_err());
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn any_bytes_at_the_codec(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::decode(&bytes);
    }
}
