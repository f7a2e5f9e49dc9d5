//! The commands on a CUDA device, which is a simulated one: small runs of every model, on built-in scenes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod counting;
mod device;
mod libtorch_script;

use common::{refused, succeeds, text};
use device::{Report, command, simulated};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

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
train: {batch_size: 40, epochs: 1, optimizer: {lr: 2e-3}}
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
first_stage: {batch_size: 12, epochs: 1, early_stop: {metric: R_mean}}
train: {batch_size: 40, epochs: 1, optimizer: {lr: 2e-3}}
",
    ),
    (
        "s2cpnet",
        "model: {s2cpnet: {grid: 2, width: 16, heads: 2, units: 1, masks: {mode: solid, missing: fail}, \
         noun_words: {min_count: 1}}}
train: {examples: images, batch_size: 12, epochs: 1, optimizer: {lr: 2e-3}}
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
    static RUNS: AtomicUsize = AtomicUsize::new(0); // tests run side by side
    let report = place.join(format!("report-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
    let output = command(place, library, arguments).env("SIMULATED_REPORT", &report).output().unwrap();
    (succeeds(&output), Report::take(&report))
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
        let rounded = ["eval", model, "decode.precision=bf16", "--output", "rounded"];
        let (printed, _) = run(place, library, &rounded);
        assert!(printed.contains("beam 2, bf16") && printed.contains("CIDEr"), "{printed}");
        refused(&common::rsic(place, &rounded), &["decode.precision=float32"]);
        let images = ["scenes/imgs/1.png", "scenes/imgs/2.png"];
        let (captions, _) = run(place, library, &[&["caption", "--model", model], &images[..]].concat());
        assert_eq!(captions.lines().count(), 2, "{captions}");
    }
}

/// In bfloat16 every model's loss stays beside that of float32 over some 200 steps.
#[test]
fn every_model_learns_in_bfloat16_as_in_float32() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    for (model, _) in MODELS {
        let yaml = format!("{model}.yaml");
        // 205 captions, or 41 images, in steps of 4 or 2.
        let [batch, epochs] = match model {
            "fe_lws" | "cssa" => ["train.batch_size=4", "train.epochs=4"],
            _ => ["train.batch_size=2", "train.epochs=10"],
        };
        let losses = |precision: &str| -> Vec<f64> {
            let output = format!("{model}-{precision}");
            let setting = format!("train.precision={precision}");
            let train = ["train", &yaml, &setting, batch, epochs, "train.early_stop.patience=200", "--output", &output];
            let first_stage = format!("first_stage.precision={precision}");
            let more: &[&str] = if model == "cssa" { &[&first_stage] } else { &[] };
            run(place, library, &[&train, more].concat());
            let metrics = fs::read_to_string(place.join(&output).join("metrics.jsonl")).unwrap();
            let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
            metrics.lines().map(|line| record(line)["train_loss"].as_f64().unwrap()).collect()
        };
        let (exact, rounded) = (losses("float32"), losses("bf16"));
        let distance = |(a, b): (&f64, &f64)| (a - b).abs() / a;
        let worst = exact.iter().zip(&rounded).map(distance).fold(0.0, f64::max);
        println!("{model}: float32 {exact:.3?}, bf16 {rounded:.3?}, at most {worst:.5} of it apart");
        assert!(exact.len() > 3 && exact.last() < exact.first(), "{model}: {exact:?}");
        assert!(worst < BF16_DISTANCE, "{model}: losses differ by {worst}");
    }
}

/// Memory that runs out: features, evaluation and captions go on with smaller batches and come to the same; where
/// nothing fits, and in training, it is a sentence.
#[test]
fn memory_that_runs_out_halves_the_batch_or_is_a_sentence() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    let limited = |bytes: u64, arguments: &[&str]| {
        command(place, library, arguments).env("SIMULATED_BYTES", bytes.to_string()).output().unwrap()
    };
    run(place, library, &["train", "cssa.yaml", "--output", "memory"]);
    let (_, roomy) = run(place, library, &["eval", "memory", "--output", "roomy", "--split", "train"]);
    // How much of the peak is the model's own is not known here: the first limit at which a batch is too large.
    let eval = ["eval", "memory", "--output", "tight", "--split", "train"];
    let mut tries = (50..100).rev().step_by(4).map(|percent| limited(roomy.peak * percent / 100, &eval));
    let halved = tries.find(|tight| text(&tight.stderr).contains("trying half of them"));
    succeeds(&halved.expect("no limit that a smaller batch keeps to"));
    let captions = |folder: &str| fs::read(place.join(folder).join("predictions/train-beam-2.jsonl")).unwrap();
    assert!(captions("tight") == captions("roomy"));
    let (_, all) = run(place, library, &["features", "fe_lws.yaml", "encoders.0.image_size=224"]);
    let few = limited(all.peak * 3 / 4, &["features", "fe_lws.yaml", "encoders.0.image_size=208"]);
    assert!(succeeds(&few).contains("51 new, 0 unreadable") && text(&few.stderr).contains("trying half"));
    let nothing = [
        &["features", "fe_lws.yaml", "encoders.0.image_size=76"][..],
        &["eval", "memory", "--output", "never"],
        &["caption", "--model", "memory", "scenes/imgs/1.png"],
        &["train", "cssa.yaml", "--output", "never"],
    ];
    for arguments in nothing {
        refused(&limited(20_000, arguments), &["out of memory"]);
    }
}

/// Losses of epochs in bfloat16 differ from those in float32 by less than this part of them.
const BF16_DISTANCE: f64 = 0.02;
