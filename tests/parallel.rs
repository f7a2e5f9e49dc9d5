//! Training by several processes, through the real binary. What needs MPI runs in a build with `--features mpi` where
//! there is an `mpirun`.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // says what it leaves out

mod common;

use common::{command, refused, text, workplace};
use std::fs;
use std::path::{Path, PathBuf};

/// Dropout is off: its random numbers are each process's own.
const EXPERIMENT: &str = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 2, embedding: 32, hidden: 32, image: 32, merge: 48, dropout: 0.0}}
train: {batch_size: 16, epochs: 3, optimizer: {lr: 2e-3}, clip_norm: 1.0}
decode: {method: greedy}
";

fn place(name: &str) -> PathBuf {
    let place = workplace(name);
    fs::write(place.join("small.yaml"), EXPERIMENT).unwrap();
    place
}

#[test]
fn one_of_several_processes_is_refused_where_it_could_only_do_all_the_work() {
    let place = place("parallel-refused");
    let several = |arguments: &[&str]| {
        let mut command = command(&place, arguments);
        command.env("RANK", "1").env("WORLD_SIZE", "2").output().unwrap()
    };
    fs::write(place.join("pretrain.yaml"), "").unwrap();
    let probe = ["pretrain", "pretrain.yaml", "--linear-probe"];
    refused(&several(&probe), &["process 2 of 2 started by torchrun", "'rsic pretrain --linear-probe"]);
    if cfg!(not(feature = "mpi")) {
        let classes = ["pretrain", "--data", "scenes", "--encoder", "resnet50"];
        refused(&several(&classes), &["process 2 of 2 started by torchrun", "--features mpi"]);
        refused(&several(&["train", "small.yaml"]), &["process 2 of 2 started by torchrun", "--features mpi"]);
        assert!(!place.join("runs").exists(), "nothing is written");
    }
}

/// `mpirun` with this many processes of `rsic`, or `None` and a note where that cannot be.
fn together(place: &Path, processes: usize, arguments: &[&str]) -> Option<std::process::Command> {
    let found =
        std::process::Command::new("mpirun").arg("--version").output().is_ok_and(|output| output.status.success());
    if !cfg!(feature = "mpi") || !found {
        eprintln!("not tested: this needs a build with --features mpi, and mpirun");
        return None;
    }
    let alone = command(place, &[] as &[&str]);
    let mut mpirun = std::process::Command::new("mpirun");
    mpirun.args(["--oversubscribe", "-n", &processes.to_string()]).arg(alone.get_program()).args(arguments);
    mpirun.current_dir(place).env("RSIC_CACHE", place.join("cache")).env_remove("RSIC_DEVICE");
    mpirun.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    Some(mpirun)
}

/// The losses of all steps, as the log tells them.
fn losses(log: &str) -> Vec<f64> {
    let steps = log.lines().filter_map(|line| line.split_once("trace: step ")?.1.split_once("loss="));
    steps.map(|(_, loss)| loss.trim().parse().unwrap()).collect()
}

#[test]
fn two_processes_train_as_one_with_batches_of_twice_the_size() {
    let place = place("parallel");
    let trace = ("RSIC_LOG", "info,rsic::train::step=trace");
    let two = ["train", "small.yaml", "train.batch_size=8", "--output", "two"];
    let Some(mut two) = together(&place, 2, &two) else { return };
    let one = command(&place, &["train", "small.yaml", "--output", "one"]).env(trace.0, trace.1).output().unwrap();
    assert!(one.status.success(), "{}", text(&one.stderr));
    let two = two.env(trace.0, trace.1).output().unwrap();
    assert!(two.status.success(), "{}", text(&two.stderr));
    let (one, two) = (losses(&text(&one.stderr)), losses(&text(&two.stderr)));
    assert!(one.len() >= 20 && one.len() == two.len(), "{} and {} steps", one.len(), two.len());
    for (step, (one, two)) in one.iter().zip(&two).enumerate() {
        let far = (one - two).abs() / one;
        // Rounding differs, and grows with the steps.
        assert!(far < if step < 20 { 2e-6 } else { 1e-4 }, "step {step}: {one} and {two}");
    }
    let lines = fs::read_to_string(place.join("two/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3, "one process writes");
    assert_eq!(fs::read_to_string(place.join("two/STATUS")).unwrap().trim(), "done");
}

#[test]
fn two_processes_train_an_encoder_together() {
    let place = place("parallel-classes");
    let arguments = ["pretrain", "--data", "scenes", "--encoder", "resnet18", "--epochs", "1", "--output", "two"];
    let Some(mut two) = together(&place, 2, &arguments) else { return };
    let output = two.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(place.join("two/metrics.jsonl")).unwrap().lines().count(), 1, "one process writes");
    assert!(place.join("two/weights.safetensors").is_file());
}

#[test]
fn processes_stop_together_and_continue_as_if_they_had_not() {
    let place = place("parallel-stopped");
    let arguments = |run: &'static str| {
        ["train", "small.yaml", "train.batch_size=8", "model.fe_lws.dropout=0.3", "--resume", "--output", run]
    };
    let Some(mut whole) = together(&place, 2, &arguments("whole")) else { return };
    let whole = whole.output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    // One of the two, the second, gets the signal a moment after training began.
    let script = "if [ \"$OMPI_COMM_WORLD_RANK\" = 1 ]; then \"$0\" \"$@\" & child=$!; \
                  while ! grep -qs running cut/STATUS; do sleep 0.02; done; sleep 0.3; kill -TERM $child; wait $child; \
                  else exec \"$0\" \"$@\"; fi";
    let program = command(&place, &[] as &[&str]).get_program().to_owned();
    let mut cut = together(&place, 2, &[]).unwrap();
    let mut cut_arguments: Vec<_> = cut.get_args().map(ToOwned::to_owned).collect();
    cut_arguments.pop(); // the program
    cut_arguments.extend(["sh".into(), "-c".into(), script.into(), program]);
    cut_arguments.extend(arguments("cut").iter().map(Into::into));
    let mut started = std::process::Command::new("mpirun");
    started.args(cut_arguments).current_dir(&place).envs(cut.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = started.output().unwrap();
    let status = fs::read_to_string(place.join("cut/STATUS")).unwrap();
    assert!(["interrupted", "done"].contains(&status.trim()), "{status}: {}", text(&output.stderr));
    eprintln!("the signal found the run {}", status.trim());
    if status.trim() == "interrupted" {
        let alone = command(&place, &arguments("cut")).output().unwrap();
        let state = fs::read_to_string(place.join("cut/checkpoints/last/state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        if state["step"].as_u64() > Some(0) {
            refused(&alone, &["within an epoch, with 2 processes to a step"]);
        }
    }
    let output = cut.args(arguments("cut")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let weights = |run: &str| fs::read(place.join(run).join("checkpoints/last/model.safetensors")).unwrap();
    assert!(weights("cut") == weights("whole"), "the weights differ ({})", status.trim());
}

#[test]
fn what_fails_in_one_process_ends_all_with_its_message() {
    let place = place("parallel-failed");
    let arguments = ["train", "small.yaml", "train.keep_best=['SPICE (native)']", "--output", "failed"];
    let Some(mut failing) = together(&place, 2, &arguments) else { return };
    let output = failing.output().unwrap();
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(error.contains("train.keep_best is 'SPICE (native)'") && !error.contains("panicked"), "{error}");
}
