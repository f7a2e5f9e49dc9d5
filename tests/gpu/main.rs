//! The commands on a CUDA device, which is a simulated one: small runs of every model, on built-in scenes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod counting;
mod device;

use common::succeeds;
use device::{Report, command, simulated};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What the experiments share; the features of both kinds are made once.
const ALL: &str = "data: {root: scenes, vocabulary: {min_count: 2, max_length: 20}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
decode: {method: beam, beam: 2}
";

/// The models in small sizes.
const MODELS: [(&str, &str); 4] = [
    (
        "fe_lws",
        "model: {fe_lws: {layers: 2, embedding: 16, hidden: 16, image: 16, merge: 24}}
train: {batch_size: 40, epochs: 1}
",
    ),
    (
        "jtts",
        "model: {jtts: {words: {above: 10}, hidden: 16, embedding: 8, attribute_embedding: 8, attention: 8, \
         classifier: [12, 8]}}
train: {examples: images, batch_size: 12, epochs: 1, optimizer: {kind: radam, lr: 2e-3}}
",
    ),
    (
        "cssa",
        "model: {cssa: {width: 16, heads: 2, inner: 24, encoder_layers: 2, decoder_layers: 2, \
         augment: {views: 2, text: {synonyms: 0}}}}
pretrain: {batch_size: 12, epochs: 1, early_stop: {metric: R_mean}}
train: {batch_size: 40, epochs: 1}
",
    ),
    (
        "s2cpnet",
        "model: {s2cpnet: {grid: 2, width: 16, heads: 2, units: 1, masks: {mode: solid, missing: fail}, \
         noun_words: {min_count: 1}}}
train: {examples: images, batch_size: 12, epochs: 1}
",
    ),
];

/// Scenes and the experiments on them, made once.
fn workplace() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("gpu");
        for (model, settings) in MODELS {
            fs::write(place.join(format!("{model}.yaml")), format!("name: {model}\n{ALL}{settings}")).unwrap();
        }
        place
    })
}

/// Runs a command on the device, which it must use, and gives its standard output and what it did there.
fn run(place: &Path, library: &Path, arguments: &[&str]) -> (String, Report) {
    let output = command(place, library, arguments).output().unwrap();
    (succeeds(&output), Report::take(place))
}

#[test]
fn every_model_trains_is_scored_and_captions_on_a_device() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    for (model, _) in MODELS {
        let yaml = format!("{model}.yaml");
        let (printed, report) = run(place, library, &["train", &yaml, "--output", model]);
        assert!(printed.contains("CIDEr") && report.launches > 1000 && report.peak > 0, "{model}: {report:?}");
        let (again, _) = run(place, library, &["eval", model, "--output", "again"]);
        let predictions = |folder: &str| fs::read(place.join(folder).join("predictions/test-beam-2.jsonl")).unwrap();
        assert!(predictions("again") == predictions(model), "{again}");
        let images = ["scenes/imgs/1.png", "scenes/imgs/2.png"];
        let (captions, _) = run(place, library, &[&["caption", "--model", model], &images[..]].concat());
        assert_eq!(captions.lines().count(), 2, "{captions}");
    }
}
