//! `rsic pretrain`: trains an encoder on scene classes, or tells how well a frozen one knows them.

use super::ExitStatus;
use super::progress::FeatureBar;
use crate::cli::{GlobalArgs, PretrainArgs};
use crate::config::{to_yaml, with_overrides};
use crate::data::Split;
use crate::experiments::encoders::file_of;
use crate::models::encoders::EncoderConfig;
use crate::models::encoders::{Precision, RANDOM, Trainable};
use crate::pretrain::{self, ClassSource, Confusion, Pretraining, SceneObjective, Scenes, Summary};
use crate::runs::{RunFolder, RunLock};
use crate::runtime::{self, Interrupt};
use crate::scenes;
use crate::train::Companion;
use crate::train::parallel::Launch;
use crate::train::{Done, Outcome, ProcessGroup, Run, TrainState};
use crate::util::fs::{cache_dir, sha256_file};
use crate::util::logging;
use crate::util::shell::{continuing, this_command};
use crate::weights;
use anyhow::{Context, Result, bail};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use tch::Device;
use tch::nn::VarStore;

/// A dataset folder of this name is rendered where it is not there.
const RENDERED: &str = "pretrain_scenes";

pub(super) fn run(global: &GlobalArgs, args: &PretrainArgs) -> Result<ExitStatus> {
    let launch = Launch::from_env()?;
    if args.linear_probe || args.run.dry_run {
        launch.refuse_several("rsic pretrain --linear-probe or --dry-run")?;
    }
    let config = located(settings(args)?)?;
    let device = launch.device(&global.device)?;
    runtime::set_threads(global.threads.or(launch.threads()))?;
    let group = ProcessGroup::join(&launch, device)?;
    group.share(|| render(&config.data.root))?;
    let scenes = Scenes::load(&config.data)?;
    group.share(|| tell(&config, &scenes))?;
    let folder = args.run.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(&config.name));
    if args.run.dry_run {
        writeln!(stdout().lock(), "would train in '{}'", folder.display())?;
        return Ok(ExitStatus::Success);
    }
    let interrupt = Interrupt::install()?;
    match args.linear_probe {
        true => linear_probe(&config, &scenes, device, &folder, &interrupt),
        false => train(&config, &scenes, device, &folder, &interrupt, group, args),
    }
}

/// The settings of the file, or of `--data` and `--encoder`.
fn settings(args: &PretrainArgs) -> Result<Pretraining> {
    let is_setting = |file: &&PathBuf| !file.exists() && file.to_string_lossy().contains('=');
    let (setting, file) = match args.config.as_ref() {
        Some(first) if is_setting(&first) => (Some(first.to_string_lossy().into_owned()), None),
        file => (None, file),
    };
    let overrides = || setting.iter().chain(&args.overrides).cloned();
    let Some(file) = file else {
        let (Some(data), Some(encoder)) = (&args.data, &args.encoder) else {
            match setting {
                None => bail!("give a pre-training file, or --data DIR and --encoder NAME"),
                Some(setting) => bail!(
                    "'{setting}' is a setting, not a pre-training file; settings follow a file, or --data DIR and \
                     --encoder NAME"
                ),
            }
        };
        let weights = args.weights.clone().unwrap_or_else(|| pretrain::EncoderToTrain::NONE.into());
        let mut config = Pretraining::of_folder(data, encoder, &weights);
        config.train.epochs = args.epochs.unwrap_or(config.train.epochs);
        if let Some((path, message)) = config.faults().first() {
            bail!("{path}: {message}");
        }
        return with_overrides(&config, &overrides().collect::<Vec<_>>());
    };
    let mut overrides: Vec<String> = overrides().collect();
    // `--data DIR` and the like stand for the settings of these names.
    let root = args.data.as_ref().map(|path| path.display().to_string());
    let epochs = args.epochs.map(|epochs| epochs.to_string());
    for (key, value) in [
        ("data.root", &root),
        ("encoder.name", &args.encoder),
        ("encoder.weights", &args.weights),
        ("train.epochs", &epochs),
    ] {
        overrides.extend(value.as_ref().map(|value| format!("{key}={value}")));
    }
    pretrain::load(file, &overrides)
}

/// With the file of the weights of which the settings name the training, as experiments do.
fn located(mut config: Pretraining) -> Result<Pretraining> {
    let encoder = &mut config.encoder;
    let drawn = [pretrain::EncoderToTrain::NONE, RANDOM].contains(&encoder.weights.as_str());
    if !drawn && weights::is_training(&encoder.weights) {
        encoder.weights = file_of(&encoder.name, &encoder.weights)?;
    }
    Ok(config)
}

/// Renders the built-in scenes where they are asked for and not there.
fn render(root: &Path) -> Result<()> {
    if root.ends_with(RENDERED) && !root.exists() {
        let options = scenes::Options { count: 1360, size: 256, seed: 1 };
        tracing::info!("rendering the built-in scenes to '{}'", root.display());
        scenes::generate(&options, root)?;
    }
    Ok(())
}

fn tell(config: &Pretraining, scenes: &Scenes) -> Result<()> {
    let source = match scenes.source {
        ClassSource::Folders => "their folders",
        ClassSource::Ucm => "UC Merced's numbers",
        ClassSource::Captions | ClassSource::Auto => "the caption file",
    };
    let counts: Vec<String> = Split::ALL.map(|split| format!("{} {split}", scenes.split(split).len())).to_vec();
    let given = if scenes.splits_given { "given" } else { "drawn" };
    writeln!(
        stdout().lock(),
        "{}: {} classes by {source}, {} images (splits {given})",
        config.data.root.display(),
        scenes.classes.len(),
        counts.join(", ")
    )?;
    Ok(())
}

fn linear_probe(
    config: &Pretraining,
    scenes: &Scenes,
    device: Device,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<ExitStatus> {
    let pretrain::EncoderToTrain { name, weights, image_size, .. } = &config.encoder;
    let precision = Precision::default();
    let encoder = EncoderConfig {
        name: name.clone(),
        weights: weights.clone(),
        image_size: *image_size,
        resize: Default::default(),
        precision,
        tune: None,
    };
    let mut shown = FeatureBar::new(interrupt);
    let probe = pretrain::probe(scenes, &encoder, device, &cache_dir()?, &mut |progress| shown.update(progress))?;
    drop(shown);
    let folder = folder.join("linear_probe");
    pretrain::write_results(&probe.splits, &folder)?;
    writeln!(stdout().lock(), "linear probe of {name}, penalty {}:", probe.l2)?;
    report(&probe.splits, &folder)
}

fn train(
    config: &Pretraining,
    scenes: &Scenes,
    device: Device,
    folder: &Path,
    interrupt: &Interrupt,
    group: ProcessGroup,
    args: &PretrainArgs,
) -> Result<ExitStatus> {
    let mut lock = None;
    let resume = group.share(|| {
        lock = Some(RunLock::take(folder)?);
        RunFolder::open(folder, config, args.run.resume, args.run.overwrite).map(|folder| folder.resume)
    })?;
    let _log = group.leads().then(|| logging::attach_run(folder)).transpose()?;
    let store = VarStore::new(device);
    let classes = scenes.classes.len() as i64;
    let pretrain::EncoderToTrain { name, weights: file, .. } = &config.encoder;
    let encoder = Trainable::new(name, &store, "", Some(classes), &config.encoder.tuning())?;
    let started_from_sha256 = start(&encoder, file, config.train.seed)?;

    let companions = [Companion { name: "config.yaml", content: to_yaml(config)?.into_bytes() }];
    let bar: RefCell<Option<(&str, logging::Bar)>> = RefCell::default();
    let show = |pass: &'static str, done: usize, of: usize| {
        let mut bar = bar.borrow_mut();
        let shown = bar.take().filter(|(of, _)| *of == pass).unwrap_or_else(|| (pass, logging::progress(of, pass)));
        shown.1.set(done);
        *bar = (done < of).then_some(shown);
    };
    let evaluating = |split: Split, done, of| show(split.name(), done, of);
    let objective = SceneObjective::new(&encoder, scenes, config, &evaluating);
    let mut on_step = |Done { done, of, .. }: Done| {
        if group.leads() {
            show("train", done, of);
        }
    };
    let (state, outcome) = Run {
        objective: &objective,
        store: &store,
        config: &config.train.engine(),
        steps_before: 0,
        folder,
        companions: &companions,
        interrupt,
        group: &group,
        on_step: &mut on_step,
    }
    .train(resume)?;
    let leads = group.leads();
    group.finish();
    if outcome == Outcome::Interrupted {
        if leads {
            tracing::warn!("interrupted; continue with: {}", continuing(this_command()));
        }
        return Ok(ExitStatus::Interrupted);
    }
    if !leads {
        return Ok(ExitStatus::Success);
    }
    let mut splits = BTreeMap::new();
    for split in [Split::Val, Split::Test] {
        if !scenes.split(split).is_empty() {
            splits.insert(split, objective.evaluate(split)?);
        }
    }
    pretrain::write_results(&splits, folder)?;
    summary(config, scenes, &state, &splits, started_from_sha256).write_weights(&encoder, folder)?;
    let best = state.best.as_ref().map_or(0, |best| best.epoch);
    writeln!(
        stdout().lock(),
        "{}: weights of epoch {best} of {}, for encoders: [{{name: {name}, weights: {}}}]",
        name,
        state.epoch,
        folder.join(pretrain::WEIGHTS).display()
    )?;
    report(&splits, folder)
}

/// Fills the network: from the weight file, whose SHA-256 is given back, or from nothing.
fn start(encoder: &Trainable, file: &str, seed: u64) -> Result<Option<String>> {
    weights::initialise(encoder.variables(), seed);
    if file == pretrain::EncoderToTrain::NONE || file == RANDOM {
        return Ok(None);
    }
    let path = Path::new(file);
    let dict = weights::read(path)
        .context("initial weights (see weights/README.md for downloads; 'none' starts from random weights)")?;
    let fresh = encoder.load_but_head(&dict)?;
    if !fresh.is_empty() {
        tracing::info!("initialised randomly, because '{file}' lacks them or has other classes: {}", fresh.join(", "));
    }
    Ok(Some(sha256_file(path)?))
}

fn summary(
    config: &Pretraining,
    scenes: &Scenes,
    state: &TrainState,
    splits: &BTreeMap<Split, Confusion>,
    started_from_sha256: Option<String>,
) -> Summary {
    Summary {
        name: config.encoder.name.clone(),
        version: config.name.clone(),
        sha256: String::new(),
        file: pretrain::WEIGHTS.into(),
        started_from: config.encoder.weights.clone(),
        started_from_sha256,
        image_size: config.encoder.image_size,
        mean: [0.0; 3],
        std: [0.0; 3],
        images: Split::ALL.map(|split| (split, scenes.split(split).len())).into(),
        epoch: state.best.as_ref().map_or(0, |best| best.epoch),
        epochs: state.epoch,
        accuracy: splits.iter().map(|(split, confusion)| (*split, confusion.accuracy())).collect(),
        classes: scenes.classes.clone(),
    }
}

fn report(splits: &BTreeMap<Split, Confusion>, folder: &Path) -> Result<ExitStatus> {
    let mut out = stdout().lock();
    for (split, confusion) in splits {
        writeln!(out, "accuracy({split}) {:.4} on {} images", confusion.accuracy(), confusion.images())?;
    }
    writeln!(out, "confusion matrices written to '{}'", folder.display())?;
    Ok(ExitStatus::Success)
}
