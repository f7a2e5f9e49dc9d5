//! A model from outside the crate goes through everything: training, resume, decoding, scores and a page.
//! `docs/guide.md`, "Add a model", tells the same in words; the model is `examples/own_model.rs`.

#![allow(clippy::unwrap_used)]

mod common;

use common::{by_heart, eight, refused, succeeds, text, workplace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const EXPERIMENT: &str = "name: own
data: {root: eight, images: ../scenes/imgs, vocabulary: {min_count: 1}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {show_tell: {embedding: 48, hidden: 64}}
train:
  batch_size: 4
  epochs: 60
  checkpoint_steps: 3
  optimizer: {lr: 5e-3}
  early_stop: {metric: CIDEr, patience: 20}
decode: {method: beam, beam: 3}
";

/// The example, which is built first: `cargo test --test own_model` alone would not.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_rsic")).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--locked", "--workspace", "--example", "own_model"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if beside.ends_with("release") {
            cargo.arg("--release");
        }
        succeeds(&cargo.output().unwrap());
        beside.join("examples/own_model")
    })
}

fn own(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(place).env("RSIC_CACHE", place.join("cache")).stdin(Stdio::null());
    command
}

fn run(place: &Path, arguments: &[&str]) -> Output {
    own(place, arguments).output().unwrap()
}

fn weights(place: &Path, run: &str) -> Vec<u8> {
    fs::read(place.join(run).join("checkpoints/best/model.safetensors")).unwrap()
}

#[test]
fn a_model_of_another_crate_trains_resumes_decodes_is_scored_and_reported() {
    let place = workplace("own_model");
    eight(&place, 6);
    fs::write(place.join("own.yaml"), EXPERIMENT).unwrap();
    refused(&common::rsic(&place, &["config", "check", "own.yaml"]), &["show_tell"]);
    succeeds(&run(&place, &["config", "check", "own.yaml"]));
    let wrong = run(&place, &["config", "show", "own.yaml", "model.show_tell.hidden=0", "model.show_tell.hiden=3"]);
    refused(&wrong, &["model.show_tell.hiden", "did you mean 'hidden'?"]);

    succeeds(&run(&place, &["train", "own.yaml", "--output", "whole"]));
    let mut cut = own(&place, &["train", "own.yaml", "--output", "cut"]);
    let mut child = cut.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !place.join("cut/checkpoints/last/state.json").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(&run(&place, &["train", "own.yaml", "--output", "cut", "--resume"]));
    assert!(weights(&place, "cut") == weights(&place, "whole"), "the continued run has other weights");

    by_heart(&fs::read_to_string(place.join("whole/predictions/test-beam-3.jsonl")).unwrap());
    succeeds(&run(&place, &["eval", "whole", "decode.method=comparison", "decode.beam=2"]));
    let image = fs::read_dir(place.join("scenes/imgs")).unwrap().next().unwrap().unwrap().path();
    let captions = succeeds(&run(&place, &["caption", "--model", "whole", image.to_str().unwrap()]));
    assert!(captions.lines().count() == 1 && captions.split_whitespace().count() > 3, "{captions}");
    let table = succeeds(&run(&place, &["report", "whole", "--output", "page.html"]));
    assert!(table.contains("own"), "{table}");
    assert!(fs::read_to_string(place.join("page.html")).unwrap().contains("CIDEr"));
    // The run holds a model that the program itself does not know.
    let unknown = common::rsic(&place, &["caption", "--model", "whole", image.to_str().unwrap()]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
}
