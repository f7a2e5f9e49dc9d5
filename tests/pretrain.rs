//! Pre-training on scene classes, on small drawn images.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use image::{Rgb, RgbImage};
use rsic::config::{FileKind, kind};
use rsic::models::encoders::{self, NormMode, Trainable, Tuning};
use rsic::pretrain::{Pretraining, SceneObjective, Scenes, load};
use rsic::runtime::Interrupt;
use rsic::train::{Objective, Optimizer, Outcome, Prepared, ProcessGroup, Run, TrainConfig, Unit};
use rsic::util::rng::Rng;
use rsic::weights;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Three classes that their colour tells, `count` images each.
fn pictures(root: &Path, count: u8) {
    let mut rng = Rng::new(&[3]);
    for (class, colour) in [("field", [40, 160, 40]), ("roof", [190, 80, 60]), ("water", [30, 60, 150])] {
        fs::create_dir_all(root.join(class)).unwrap();
        for index in 0..count {
            let picture = RgbImage::from_fn(40, 36, |_, _| {
                Rgb(colour.map(|value: u8| value.saturating_add_signed(rng.range(-30, 30) as i8)))
            });
            picture.save(root.join(class).join(format!("{index}.png"))).unwrap();
        }
    }
}

fn settings(root: &Path) -> Pretraining {
    let mut config = Pretraining::of_folder(root, "resnet50", "none");
    config.encoder.image_size = 32;
    config.data.split.train = 0.6;
    config.data.split.val = 0.2;
    config.train.batch_size = 6;
    config.train.epochs = 2;
    config.train.checkpoint_steps = Some(1);
    config.train.log_steps = Some(2);
    config.train.optimizer.lr = 0.02;
    config
}

/// Trains in `folder`, panicking after `stop` batches in all; the weights that it ends with.
fn train(config: &Pretraining, folder: &Path, resume: bool, stop: usize) -> BTreeMap<String, Tensor> {
    let scenes = Scenes::load(&config.data).unwrap();
    let store = VarStore::new(Device::Cpu);
    let encoder = Trainable::new("resnet50", &store, "", Some(3), &config.encoder.tuning()).unwrap();
    weights::initialise(encoder.variables(), 1);
    let done = Cell::new(0);
    let count = || {
        done.set(done.get() + 1);
        assert!(done.get() < stop, "stopped by the test");
    };
    let evaluating = |_, _, _| count();
    let objective = SceneObjective::new(&encoder, &scenes, config, &evaluating);
    let run = Run {
        objective: &objective,
        store: &store,
        config: &config.train.engine(),
        steps_before: 0,
        folder,
        companions: &[],
        interrupt: &Interrupt::never(),
        group: &ProcessGroup::solo(),
        on_step: &mut |_| count(),
    };
    let (state, outcome) = run.train(resume).unwrap();
    assert_eq!((outcome, state.history.len()), (Outcome::Finished, config.train.epochs));
    encoder.variables().iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect()
}

#[test]
fn a_continued_training_equals_an_uninterrupted_one_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 15);
    let config = settings(&folder.path().join("data"));
    let whole = train(&config, &folder.path().join("whole"), false, usize::MAX);
    let parts = folder.path().join("parts");
    // In the second epoch: 5 steps and the validation make one, and a step is lost that was not saved.
    assert!(catch_unwind(AssertUnwindSafe(|| train(&config, &parts, false, 9))).is_err());
    let continued = train(&config, &parts, true, usize::MAX);
    for (name, tensor) in &whole {
        assert!(*tensor == continued[name], "{name}");
    }
    let lines = |run: &Path| fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let losses = |run: &Path| -> Vec<String> {
        lines(run).lines().map(|line| line.split("\"seconds\"").next().unwrap().to_owned()).collect()
    };
    let undisturbed = folder.path().join("whole");
    assert_eq!(losses(&parts), losses(&undisturbed));
    let steps = |run: &Path| -> Vec<String> {
        let text = fs::read_to_string(run.join("steps.jsonl")).unwrap();
        text.lines().map(|line| line.split("\"time\"").next().unwrap().to_owned()).collect()
    };
    assert_eq!((steps(&parts).len(), steps(&parts)), (5, steps(&undisturbed)));
    for events in ["events.out.tfevents.0.rsic", "events.out.tfevents.1.rsic"] {
        assert!(parts.join("tensorboard").join(events).is_file(), "{events}");
    }
    assert!(lines(&parts).contains("\"accuracy\":") && lines(&parts).contains("\"images_per_second\":"));
}

/// Only the head learns, so no batch is normalised by itself.
#[test]
fn accumulated_batches_of_images_train_as_one_larger_batch() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 10);
    let run = |batch_size: usize, accumulate: usize| {
        let mut config = settings(&folder.path().join("data"));
        config.encoder.trainable = Some(vec!["fc".into()]);
        config.train.optimizer.lr = 1e-4;
        (config.train.batch_size, config.train.accumulate) = (batch_size, accumulate);
        train(&config, &folder.path().join(format!("{batch_size}x{accumulate}")), false, usize::MAX)
    };
    let (whole, parts, smaller) = (run(12, 1), run(4, 3), run(4, 1));
    let far = |other: &BTreeMap<String, Tensor>, name: &str| {
        (&whole[name] - &other[name]).abs().max().double_value(&[]) / whole[name].abs().max().double_value(&[])
    };
    for name in ["fc.weight", "fc.bias"] {
        assert!(far(&parts, name) < 1e-4 && far(&smaller, name) > 1e-4, "{name} {}", far(&parts, name));
    }
}

/// Scenes of which more than five at a time need more memory than there is.
struct Greedy<'a>(SceneObjective<'a>);

impl Objective for Greedy<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn unit(&self) -> Unit {
        self.0.unit()
    }

    fn batch(&self, examples: &[usize], epoch: usize) -> anyhow::Result<Prepared<'_>> {
        if examples.len() > 5 {
            let _ = Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu));
        }
        self.0.batch(examples, epoch)
    }

    fn describe(&self, example: usize) -> String {
        self.0.describe(example)
    }

    fn scores(&self) -> anyhow::Result<rsic::eval::Scores> {
        self.0.scores()
    }
}

#[test]
fn memory_that_runs_out_on_images_is_a_sentence_that_names_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 10);
    let config = settings(&folder.path().join("data"));
    let scenes = Scenes::load(&config.data).unwrap();
    let store = VarStore::new(Device::Cpu);
    let encoder = Trainable::new("resnet50", &store, "", Some(3), &config.encoder.tuning()).unwrap();
    weights::initialise(encoder.variables(), 1);
    let trained = Run {
        objective: &Greedy(SceneObjective::new(&encoder, &scenes, &config, &|_, _, _| {})),
        store: &store,
        config: &TrainConfig { batch_size: 12, ..TrainConfig::default() },
        steps_before: 0,
        folder: folder.path(),
        companions: &[],
        interrupt: &Interrupt::never(),
        group: &ProcessGroup::solo(),
        on_step: &mut |_| {},
    }
    .train(false);
    let error = trained.unwrap_err().to_string();
    let expected = "a batch of 12 examples does not fit, but a batch of 5 does (just tested); set \
                    train.batch_size=4 and train.accumulate=3";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn only_the_named_stages_are_trained_and_frozen_normalisations_keep_their_statistics() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 6);
    let mut config = settings(&folder.path().join("data"));
    config.train.epochs = 1;
    config.encoder.trainable = Some(["layer4", "fc"].map(String::from).to_vec());
    let store = VarStore::new(Device::Cpu);
    let before = Trainable::new("resnet50", &store, "", Some(3), &Tuning::default()).unwrap();
    weights::initialise(before.variables(), 1);
    for (mode, frozen_statistics_move) in [(NormMode::Follow, false), (NormMode::Train, true), (NormMode::Eval, false)]
    {
        config.encoder.batch_norm = mode;
        let after = train(&config, &folder.path().join(format!("{mode:?}")), false, usize::MAX);
        for (name, tensor) in before.variables() {
            let statistic = name.contains("running_");
            let trained = name.starts_with("layer4") || name.starts_with("fc");
            let moves = match statistic {
                false => trained,
                true => mode != NormMode::Eval && (trained || frozen_statistics_move),
            };
            assert_eq!(*tensor != after[name], moves, "{mode:?} {name}");
        }
    }
}

#[test]
fn an_unknown_stage_is_an_error_that_names_the_stages() {
    let store = VarStore::new(Device::Cpu);
    let tuning = Tuning { trainable: Some(vec!["layer5".into()]), ..Tuning::default() };
    let error = Trainable::new("resnet50", &store, "", Some(3), &tuning).unwrap_err().to_string();
    assert_eq!(error, "resnet50 has no stage 'layer5'; stages: bn1, conv1, fc, layer1, layer2, layer3, layer4");
}

#[test]
fn an_encoder_inside_a_larger_store_is_trained_from_the_stage_on() {
    let store = VarStore::new(Device::Cpu);
    let _other = store.root().zeros("other", &[1]);
    let tuning = Tuning { trainable: Some(vec!["denseblock4".into(), "norm5".into()]), norms: NormMode::Follow };
    let encoder = Trainable::new("densenet121", &store, "cnn.encoder", None, &tuning).unwrap();
    weights::initialise(encoder.variables(), 1);
    assert!(store.variables().contains_key("cnn.encoder.features.conv0.weight"));
    let images = Tensor::ones([2, 3, 64, 64], (Kind::Float, Device::Cpu));
    encoder.grid(&images, true).sum(Kind::Float).backward();
    for (name, variable) in encoder.variables() {
        let trained = name.starts_with("features.denseblock4") || name.starts_with("features.norm5");
        assert_eq!(variable.grad().defined(), trained && !name.contains("running_"), "{name}");
    }
    assert!(encoder.logits(&encoder.grid(&images, false), false).is_none());
}

#[test]
fn evaluation_sees_every_change_of_the_parameters() {
    let store = VarStore::new(Device::Cpu);
    let tuning = Tuning { trainable: Some(vec!["layer4".into()]), norms: NormMode::Train };
    let encoder = Trainable::new("resnet50", &store, "encoder", None, &tuning).unwrap();
    weights::initialise(encoder.variables(), 1);
    let images = Tensor::from_slice(&weights::random_values("images", 2 * 3 * 64 * 64)).view([2, 3, 64, 64]);
    let mut seen: Option<Tensor> = None;
    let mut look = || {
        let (folded, grid) = (encoder.evaluate(&images), tch::no_grad(|| encoder.grid(&images, false)));
        assert!(!folded.requires_grad() && folded == encoder.evaluate(&images));
        let error = (&folded - &grid).abs().max().double_value(&[]) / grid.abs().max().double_value(&[]);
        assert!(error < 1e-5, "{error}");
        let change = seen.replace(folded.shallow_clone()).map(|before| (folded - before).abs().max().double_value(&[]));
        assert!(change.is_none_or(|change| change > 0.0));
    };
    look();
    // A step of training: parameters of the last stage, and running statistics of all.
    let config = rsic::train::OptimizerConfig::default();
    let mut optimizer = Optimizer::new(store.variables().into_iter().collect(), &config, &[]).unwrap();
    encoder.grid(&images, true).square().mean(Kind::Float).backward();
    look();
    optimizer.step();
    look();
    // Statistics alone.
    let _ = tch::no_grad(|| encoder.grid(&images, true));
    look();
    // A checkpoint.
    weights::initialise(encoder.variables(), 2);
    look();
}

fn rsic(arguments: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rsic"));
    command.arg("pretrain").args(arguments).current_dir(folder).env("RSIC_CACHE", folder.join("cache"));
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_command_trains_reports_and_writes_weights_that_an_encoder_takes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    pictures(&root.join("data"), 15);
    let file = "name: pretrain/tiny\ndata: {root: data}\nencoder: {name: resnet50, weights: none, image_size: 32}\n\
                train: {batch_size: 12, epochs: 3, optimizer: {kind: adamw, lr: 1.0e-3}, schedule: constant}\n";
    fs::write(root.join("tiny.yaml"), file).unwrap();
    let (code, said, error) = rsic(&["tiny.yaml", "--dry-run"], root);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("3 classes by their folders, 36 train, 6 val, 3 test images (splits drawn)"), "{said}");
    assert!(!root.join("runs").exists());

    let (code, said, error) = rsic(&["tiny.yaml"], root);
    assert_eq!(code, Some(0), "{error}");
    let run = root.join("runs/pretrain/tiny");
    assert!(said.contains("weights of epoch") && said.contains("accuracy(test)"), "{said}");
    for file in ["accuracy.json", "confusion_val.txt", "confusion_test.csv", "confusion_test.json", "weights.yaml"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let sidecar = fs::read_to_string(run.join("weights.yaml")).unwrap();
    let sha256 = rsic::util::fs::sha256_file(&run.join("weights.safetensors")).unwrap();
    assert!(sidecar.contains(&sha256) && sidecar.contains("- roof"), "{sidecar}");
    let weights = run.join("weights.safetensors");
    let encoder = encoders::build("resnet50", weights.to_str().unwrap(), Device::Cpu).unwrap();
    assert_eq!(encoder.pooled(&Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu))).size(), [1, 2048]);

    let (code, _, error) = rsic(&["tiny.yaml"], root);
    assert_eq!(code, Some(2));
    assert!(error.contains("already contains a run"), "{error}");
    let (code, _, error) = rsic(&["tiny.yaml", "train.batch_size=6", "--resume"], root);
    assert_eq!(code, Some(2));
    assert!(error.contains("other settings: train.batch_size is 6 (the run has 12)"), "{error}");
    // Other classes: the head is initialised randomly, the rest is taken over.
    fs::rename(root.join("data/water"), root.join("water")).unwrap();
    let start = ["--data", "data", "--encoder", "resnet50", "--weights", weights.to_str().unwrap(), "--epochs", "1"];
    let (code, _, error) = rsic(&[&start[..], &["--output", "second"]].concat(), root);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("initialised randomly") && error.contains("fc.bias, fc.weight"), "{error}");
}

#[test]
fn a_linear_probe_tells_colours_apart_even_with_random_weights() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 20);
    let probe = ["--data", "data", "--encoder", "resnet50", "--weights", "random", "--linear-probe"];
    let (code, said, error) = rsic(&probe, folder.path());
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("accuracy(test) 1.0000 on 6 images"), "{said}");
    assert!(folder.path().join("runs/pretrain/data_resnet50/linear_probe/confusion_test.txt").is_file());
    assert!(error.contains("penalty 0.001"), "{error}");
}

#[test]
fn bad_asks_are_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 5);
    let refusal = |arguments: &[&str]| {
        let (code, _, error) = rsic(arguments, folder.path());
        assert_eq!((code, error.trim_end().lines().count()), (Some(2), 1), "{error}");
        error
    };
    assert!(refusal(&[]).contains("give a pre-training file, or --data DIR and --encoder NAME"));
    assert!(refusal(&["--data", "nowhere", "--encoder", "resnet50"]).contains("'nowhere' does not exist"));
    assert!(refusal(&["--data", "data", "--encoder", "resnet5"]).contains("did you mean 'resnet50'?"));
    let absent = ["--data", "data", "--encoder", "resnet50", "--weights", "absent.pth"];
    assert!(refusal(&absent).contains("cannot read 'absent.pth'"));
    let training = ["--data", "data", "--encoder", "resnet50", "--weights", "imagenet"];
    assert!(refusal(&training).contains("rsic weights fetch resnet50"));
    assert!(refusal(&["train.epochs=2"]).contains("'train.epochs=2' is a setting, not a pre-training file"));
}

#[test]
fn settings_follow_a_folder_and_an_encoder_as_they_follow_a_file() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("data"), 5);
    let named = ["--data", "data", "--encoder", "resnet50", "name=pretrain/other", "train.epochs=2"];
    let (code, said, error) = rsic(&[&named[..], &["--dry-run"]].concat(), folder.path());
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("would train in 'runs/pretrain/other'"), "{said}");
    let (code, _, error) = rsic(&[&named[..], &["encoder.image_size=8"]].concat(), folder.path());
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("in override 'encoder.image_size=8': encoder.image_size: out of range"), "{error}");
    // Named weights are found in weights/, here in the layout that a download has.
    fs::create_dir(folder.path().join("weights")).unwrap();
    fs::write(folder.path().join("weights/resnet50-0676ba61.pth"), "no weights").unwrap();
    let (code, _, error) = rsic(&[&named[..], &["encoder.weights=imagenet"]].concat(), folder.path());
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("weights/resnet50-0676ba61.pth"), "{error}");
}

#[test]
fn every_shipped_file_is_valid_and_says_how_to_run_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/pretrain");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);
    for file in files {
        assert_eq!(kind(&file), FileKind::Pretraining);
        let config = load(&file, &[]).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(config.name, format!("pretrain/{}", file.file_stem().unwrap().to_str().unwrap()));
        assert!(
            fs::read_to_string(&file).unwrap().contains(&format!("rsic pretrain experiments/{}.yaml", config.name))
        );
        let store = VarStore::new(Device::Cpu);
        Trainable::new(&config.encoder.name, &store, "", Some(2), &config.encoder.tuning()).unwrap();
    }
}

/// A plain Python probe of the same weights on the official split gives 0.948.
#[test]
fn a_probe_of_densenet169_on_uc_merced_agrees_with_python() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let weights = shared.join("weights/densenet169_imagenet.safetensors");
    if !weights.is_file() || std::env::var_os("RSIC_LONG_TESTS").is_none() {
        println!("left out: it needs UC Merced, the weights and RSIC_LONG_TESTS=1, for it takes minutes");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, weights) = (shared.join("datasets/ucm"), weights.to_str().unwrap().to_owned());
    let probe = ["--data", data.to_str().unwrap(), "--encoder", "densenet169", "--weights", &weights, "--linear-probe"];
    let (code, said, error) = rsic(&[&probe[..], &["--output", "out"]].concat(), folder.path());
    assert_eq!(code, Some(0), "{error}");
    let found: f64 = said.split("accuracy(test) ").nth(1).unwrap()[..6].parse().unwrap();
    assert!((found - 0.948).abs() <= 0.01, "{said}");
}
