//! The fuzz targets as ordinary tests: over the corpus that is checked in, and for a fixed number of cases.

use std::path::Path;

use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_at_the_codec(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::decode(&bytes);
    }
}
