//! `rsic config show|check|list`.

use super::ExitStatus;
use crate::cli::{ConfigCommand, ConfigShowArgs};
use crate::config::{self, FileKind};
use crate::data::attributes::Attributes;
use crate::data::{Dataset, Vocabulary};
use crate::experiment::{self, Experiment};
use crate::experiments::Table;
use crate::experiments::sweep::Sweep;
use crate::models::{Inputs, cost};
use crate::pretrain;
use crate::train::PartConfig;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Tensor};

pub(super) fn run(command: &ConfigCommand) -> Result<ExitStatus> {
    match command {
        ConfigCommand::Show(args) => show(args),
        ConfigCommand::Check { configs } => check(configs),
        ConfigCommand::List { folder } => list(folder),
    }
}

fn show(args: &ConfigShowArgs) -> Result<ExitStatus> {
    let loaded = experiment::load(&args.config, &args.overrides)?;
    let mut out = std::io::stdout().lock();
    if !args.params {
        out.write_all(loaded.to_annotated_yaml()?.as_bytes())?;
        return Ok(ExitStatus::Success);
    }
    let experiment = &loaded.experiment;
    let dataset =
        Dataset::load_captions(&experiment.data).context("the size of the model depends on the vocabulary")?;
    let vocabulary = Vocabulary::build(&dataset, &experiment.data.vocabulary)?;
    let attributes = experiment.model.attributes().map(|rules| Attributes::build(&dataset, rules)).transpose()?;
    let parts = describe(experiment, vocabulary.len(), attributes.as_ref().map_or(0, Attributes::len))?;
    let total: usize = parts.iter().filter(|(name, _)| !name.ends_with(FROZEN)).map(|(_, count)| count).sum();
    let width = parts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("total".len());
    for (name, count) in parts.iter().map(|(name, count)| (name.as_str(), *count)).chain([("total", total)]) {
        writeln!(out, "{name:width$}  {:>13}", grouped(count))?;
    }
    let words = cost::mean_words(&dataset);
    let inputs = Inputs::new(&experiment.encoders, vocabulary.len(), attributes.as_ref().map_or(0, Attributes::len))?;
    let (features, encoders) = cost::encoders(&experiment.model, &experiment.encoders)?;
    let captioner = cost::captioner(&experiment.model, &inputs, features, words);
    writeln!(
        out,
        "\nmultiply-adds of one image and a caption of {words} words, forward (two floating-point operations each):\n\
         encoders {:.3} G, captioner {:.3} G",
        encoders as f64 / 1e9,
        captioner as f64 / 1e9
    )?;
    Ok(ExitStatus::Success)
}

/// Mark of parts that the captioning stage leaves as they are; the total is without them.
const FROZEN: &str = " (frozen)";

/// The trainable parameters of a model by part: what stands before the last dot of their names. The frozen encoders are
/// no part of it.
fn describe(experiment: &Experiment, vocabulary: usize, attributes: usize) -> Result<Vec<(String, usize)>> {
    let inputs = Inputs::new(&experiment.encoders, vocabulary, attributes)?;
    let store = VarStore::new(Device::Cpu);
    let _model = experiment.model.build(&store.root(), &inputs);
    let mut parts: BTreeMap<String, usize> = BTreeMap::new();
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    for (name, tensor) in &variables {
        let part = name.rsplit_once('.').map_or(name.as_str(), |(part, _)| part);
        let mark = if PartConfig::freezes(&experiment.train.parts, name) { FROZEN } else { "" };
        *parts.entry(format!("{part}{mark}")).or_default() += tensor.numel();
    }
    Ok(parts.into_iter().collect())
}

/// A count with thin groups of three: `1 234 567`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn check(files: &[PathBuf]) -> Result<ExitStatus> {
    let mut out = std::io::stdout().lock();
    let mut faulty = 0;
    for file in files {
        let checked = match config::kind(file) {
            FileKind::Experiment => experiment::load(file, &[]).map(drop),
            FileKind::Pretraining => pretrain::load(file, &[]).map(drop),
            FileKind::Table => Table::load(file).map(drop),
            FileKind::Sweep => Sweep::load(file).map(drop),
            FileKind::Part => {
                writeln!(out, "{}: skipped (base file of other experiments)", file.display())?;
                continue;
            }
        };
        match checked {
            Ok(()) => writeln!(out, "{}: good", file.display())?,
            Err(error) => {
                faulty += 1;
                tracing::error!("{error:#}");
            }
        }
    }
    match faulty {
        0 => Ok(ExitStatus::Success),
        _ => bail!("{faulty} of {} experiment files are invalid", files.len()),
    }
}

/// Each experiment file below the folder with the first line of its header comment.
fn list(folder: &Path) -> Result<ExitStatus> {
    let mut files =
        walk::files(folder, |_| true).with_context(|| format!("cannot read the folder '{}'", folder.display()))?;
    let is_yaml = |file: &Path| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    files.retain(|file| is_yaml(file) && config::kind(file) != FileKind::Part);
    let mut out = std::io::stdout().lock();
    let width = files.iter().map(|file| file.display().to_string().chars().count()).max().unwrap_or(0);
    for file in &files {
        let text = crate::util::fs::read_text(file)?;
        let title = text.lines().next().and_then(|line| line.strip_prefix('#')).unwrap_or("").trim();
        writeln!(out, "{}", format!("{:width$}  {title}", file.display().to_string()).trim_end())?;
    }
    Ok(ExitStatus::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!([1, 123, 1234, 1234567].map(grouped), ["1", "123", "1 234", "1 234 567"]);
    }
}
