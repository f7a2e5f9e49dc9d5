//! `rsic data`.

use super::ExitStatus;
use crate::cli::{AttributesArgs, CaptionField, DataArgs, DataCommand, GlobalArgs, LogFormat, ScenesArgs};
use crate::data::attributes::{Attributes, Rules};
use crate::data::stats::Stats;
use crate::data::verify::{self, VerifyProgress};
use crate::data::{DataConfig, TextField};
use crate::data::{Dataset, Split};
use crate::scenes::{self, CAPTIONS};
use crate::util::logging;
use anyhow::{Context, Result, bail};
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::OnceLock;

mod augment_text;
mod masks;
mod nouns;
mod text;

pub(super) fn run(global: &GlobalArgs, command: &DataCommand) -> Result<ExitStatus> {
    match command {
        DataCommand::Stats(args) => stats(args),
        DataCommand::Verify(args) => verify(args),
        DataCommand::Scenes(args) => render_scenes(args),
        DataCommand::Attributes(args) => attributes(args),
        DataCommand::AugmentText(args) => augment_text::run(args),
        DataCommand::Masks(args) => masks::make_masks(global, args),
        DataCommand::Nouns(args) => nouns::nouns(args),
    }
}

fn attributes(args: &AttributesArgs) -> Result<ExitStatus> {
    let path = &args.data.dataset;
    let is_experiment = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut rules = if is_experiment {
        crate::experiment::load(path, &[])?.experiment.model.attributes().cloned().unwrap_or_default()
    } else {
        Rules::default()
    };
    rules.above = args.above.unwrap_or(rules.above);
    rules.tagger = args.tagger.clone().or(rules.tagger);
    let dataset = Dataset::load_captions(&settings(&args.data)?)?;
    let attributes = Attributes::build(&dataset, &rules)?;
    let share = attribute_share(&dataset, &attributes);
    let mut out = stdout().lock();
    match args.data.format {
        LogFormat::Json => write!(out, "{}", attributes.to_json()?)?,
        LogFormat::Text => text::attributes(&mut out, &dataset.name, &attributes, &rules, share)?,
    }
    Ok(ExitStatus::Success)
}

/// Attributes of a training image, in the mean.
fn attribute_share(dataset: &Dataset, attributes: &Attributes) -> f64 {
    let train: Vec<_> = dataset.images.iter().filter(|image| image.split == Split::Train).collect();
    let all: f32 = train.iter().flat_map(|image| attributes.of_image(image)).sum();
    f64::from(all) / train.len().max(1) as f64
}

fn stats(args: &DataArgs) -> Result<ExitStatus> {
    let stats = Stats::of(&settings(args)?)?;
    let mut out = stdout().lock();
    match args.format {
        LogFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&stats)?)?,
        LogFormat::Text => text::stats(&mut out, &stats)?,
    }
    Ok(ExitStatus::Success)
}

fn verify(args: &DataArgs) -> Result<ExitStatus> {
    let bar: OnceLock<logging::Bar> = OnceLock::new();
    let report = verify::verify(&settings(args)?, &|progress| match progress {
        VerifyProgress::Total(total) => _ = bar.get_or_init(|| logging::progress(total, "images decoded")),
        VerifyProgress::OneMore => bar.get().into_iter().for_each(|bar| bar.advance(1)),
    })?;
    drop(bar);
    let mut out = stdout().lock();
    match args.format {
        LogFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        LogFormat::Text => text::report(&mut out, &report)?,
    }
    Ok(if report.faults.is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The data settings that the arguments mean.
fn settings(args: &DataArgs) -> Result<DataConfig> {
    let mut config = settings_of(&args.dataset)?;
    if let Some(images) = &args.images {
        // Given on the command line it is relative to the working directory, not to the dataset.
        let absolute = std::path::absolute(images);
        config.images = Some(absolute.with_context(|| format!("cannot find the folder '{}'", images.display()))?);
    }
    match args.text {
        Some(CaptionField::Tokens) => config.text = TextField::Tokens,
        Some(CaptionField::Raw) => config.text = TextField::Raw,
        None => {}
    }
    Ok(config)
}

/// The data settings that a path means: a folder, a caption file, or an experiment file's.
fn settings_of(path: &Path) -> Result<DataConfig> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(if path.is_dir() {
        DataConfig::of_folder(path)
    } else if !path.exists() {
        bail!(
            "dataset '{}' does not exist; give a dataset folder, a caption file or an experiment file",
            path.display()
        )
    } else if ["yaml", "yml"].contains(&extension) {
        crate::experiment::load(path, &[])?.experiment.data
    } else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = path.file_name().with_context(|| format!("'{}' is not a caption file", path.display()))?;
        DataConfig { captions: file.into(), ..DataConfig::of_folder(folder) }
    })
}

fn render_scenes(args: &ScenesArgs) -> Result<ExitStatus> {
    let options = scenes::Options { count: args.count, size: args.size, seed: args.seed };
    let summary = scenes::generate(&options, &args.output)?;
    let of = |split: &str| summary.splits.get(split).copied().unwrap_or(0);
    writeln!(
        stdout().lock(),
        "{}: {} images of {} classes ({} train, {} val, {} test), {} captions{}",
        args.output.display(),
        args.count,
        summary.classes,
        of("train"),
        of("val"),
        of("test"),
        args.count * CAPTIONS,
        if summary.written { "" } else { "; already complete" },
    )?;
    Ok(ExitStatus::Success)
}
