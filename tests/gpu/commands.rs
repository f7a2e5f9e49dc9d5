//! The commands besides training of small models on frozen features: encoders that are trained, Segment Anything,
//! comparison decoding, runs that are interrupted, memory that is short in each.

use super::common::{refused, small_sam, succeeds, text};
use super::device::{command, simulated};
use super::{run, workplace};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

/// Bytes of a device on which no encoder has room.
const SHORT: &str = "20000";

fn short_of_memory(place: &Path, library: &Path, arguments: &[&str]) -> Output {
    command(place, library, arguments).env("SIMULATED_BYTES", SHORT).output().unwrap()
}

#[test]
fn a_tuned_encoder_is_trained_on_a_device_in_both_precisions() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    let tuned = ["train", "s2cpnet.yaml", "encoders.0.image_size=32", "encoders.0.tune.stages=[layer4]"];
    for precision in ["float32", "bf16"] {
        let setting = format!("train.precision={precision}");
        let output = format!("tuned-{precision}");
        let (printed, report) =
            run(place, library, &[&tuned[..], &[&setting, "model.s2cpnet.grid=1", "--output", &output]].concat());
        assert!(printed.contains("CIDEr") && report.launches > 1000, "{printed}");
    }
    let more = ["model.s2cpnet.grid=1", "--output", "tuned-never"];
    refused(&short_of_memory(place, library, &[&tuned[..], &more].concat()), &["out of memory"]);
}

#[test]
fn an_encoder_is_pretrained_on_a_device_in_both_precisions() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    for (index, image) in fs::read_dir(place.join("scenes/imgs")).unwrap().take(24).enumerate() {
        let class = place.join("classes").join(["one", "two"][index % 2]);
        fs::create_dir_all(&class).unwrap();
        fs::copy(image.unwrap().path(), class.join(format!("{index}.png"))).unwrap();
    }
    let file = "name: classes\ndata: {root: classes}\nencoder: {name: resnet50, weights: none, image_size: 32}\n\
                train: {batch_size: 6, epochs: 1, clip_norm: 1.0, optimizer: {kind: sgd, lr: 1.0e-3, momentum: 0.9}}\n";
    fs::write(place.join("classes.yaml"), file).unwrap();
    for precision in ["float32", "bf16"] {
        let setting = format!("train.precision={precision}");
        let output = format!("classes-{precision}");
        let (printed, _) = run(place, library, &["pretrain", "classes.yaml", &setting, "--output", &output]);
        assert!(printed.contains("accuracy(test)"), "{printed}");
    }
    let never = ["pretrain", "classes.yaml", "--output", "classes-never"];
    refused(&short_of_memory(place, library, &never), &["out of memory"]);
    let probe = ["pretrain", "--data", "classes", "--encoder", "resnet50", "--weights", "random", "--linear-probe"];
    let (printed, _) = run(place, library, &[&probe[..], &["--output", "probe"]].concat());
    assert!(printed.contains("accuracy(test)"), "{printed}");
}

#[test]
fn masks_of_a_device_are_those_of_the_host() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    small_sam(&place.join("sam.safetensors"));
    fs::create_dir_all(place.join("photos")).unwrap();
    for number in 1..4 {
        let file = format!("{number}.png");
        fs::copy(place.join("scenes/imgs").join(&file), place.join("photos").join(&file)).unwrap();
    }
    let masks = |output: &'static str| {
        let rules = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"];
        let start = ["data", "masks", "photos", "--sam", "sam.safetensors", "--threads", "1", "--output", output];
        start.into_iter().chain(rules).collect::<Vec<_>>()
    };
    let (printed, _) = run(place, library, &masks("of-device"));
    assert!(printed.contains("3 masks made"), "{printed}");
    succeeds(&super::common::rsic(place, &masks("of-host")));
    // The records beside the pictures hold scores, which differ by rounding.
    let pictures = |folder: &str| -> BTreeMap<_, _> {
        let paths = fs::read_dir(place.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let pictures = paths.filter(|path| path.extension().is_some_and(|extension| extension == "png"));
        pictures.map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    };
    assert!(pictures("of-device").len() == 3 && pictures("of-device") == pictures("of-host"));
    let failed = short_of_memory(place, library, &masks("never"));
    let said = text(&failed.stderr);
    assert!(!failed.status.success() && said.contains("out of memory") && !said.contains("panicked"), "{said}");
}

/// A run that a signal ends within an epoch and that is continued, on the device: its files are those of one that was
/// left alone. Then its captions by comparison.
#[test]
fn an_interrupted_run_goes_on_to_the_same_files_and_is_decoded_by_comparison() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    let train = |run: &'static str| {
        let settings = ["train.batch_size=8", "train.epochs=2", "train.checkpoint_steps=3", "train.log_steps=4"];
        [&["train", "fe_lws.yaml"], &settings[..], &["--output", run]].concat()
    };
    run(place, library, &train("whole"));
    let mut child = command(place, library, &train("cut")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !place.join("cut/checkpoints/last/state.json").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // SAFETY: the child has not been waited for, so its process id is still its own.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let status = child.wait().unwrap();
    assert!(status.success() || status.code() == Some(130), "{status}");
    run(place, library, &[&train("cut")[..], &["--resume"]].concat());
    for file in ["checkpoints/last/model.safetensors", "predictions/test-beam-2.jsonl"] {
        let bytes = |run: &str| fs::read(place.join(run).join(file)).unwrap();
        assert!(bytes("cut") == bytes("whole"), "{file}");
    }
    let losses = |run: &str| -> Vec<serde_json::Value> {
        let steps = fs::read_to_string(place.join(run).join("steps.jsonl")).unwrap();
        let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].clone();
        steps.lines().map(record).collect()
    };
    assert!(losses("whole").len() > 8 && losses("cut") == losses("whole"));
    let compared = ["eval", "whole", "decode.method=comparison", "--output", "compared"];
    let (printed, _) = run(place, library, &compared);
    assert!(printed.contains("CIDEr"), "{printed}");
    refused(&short_of_memory(place, library, &compared), &["out of memory"]);
}

/// A loss that is no number is noticed once the next step is on its way, and is still that of its own step.
#[test]
fn a_loss_that_is_not_finite_names_its_own_step() {
    let Some(library) = simulated() else { return };
    let place = workplace();
    let wild = ["train.optimizer.lr=1e30", "train.optimizer.kind=sgd", "train.batch_size=8", "--output", "wild"];
    let failed = |device: &[&str]| {
        let arguments = [&["train", "fe_lws.yaml", "--overwrite"], &wild[..], device].concat();
        let output = command(place, library, &arguments).output().unwrap();
        refused(&output, &["the loss became", "in epoch 1, step "]);
        let said = text(&output.stderr);
        let from = said.find("in epoch 1").unwrap();
        said[from..].lines().next().unwrap().to_owned()
    };
    assert_eq!(failed(&[]), failed(&["--device", "cpu"]));
}
