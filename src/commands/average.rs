//! `rsic average`: one checkpoint from several.

use super::ExitStatus;
use crate::cli::AverageArgs;
use crate::train::checkpoint::{self, ATTRIBUTES, CONFIG, STATE, VOCABULARY};
use crate::train::{Checkpoint, Checkpoints, Companion, TrainState, mean_weights};
use crate::util::fs::read_text;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tch::Tensor;

pub(super) fn run(args: &AverageArgs) -> Result<ExitStatus> {
    if args.output.exists() {
        bail!("'{}' is there already; choose another folder with --output", args.output.display());
    }
    let folders = chosen(args)?;
    let weights = folders.iter().map(|folder| checkpoint::read_weights(folder)).collect::<Result<Vec<_>>>()?;
    let companions = companions(&folders)?;
    let count = i64::try_from(folders.len())?;
    let averaged = Checkpoint {
        weights: mean_weights(&weights)?,
        optimizer: vec![("averaged".into(), Tensor::from_slice(&[count]))],
        state: TrainState::default(),
    };
    averaged.save(&args.output, &companions)?;
    let mut out = std::io::stdout().lock();
    folders.iter().try_for_each(|folder| writeln!(out, "{}", folder.display()))?;
    writeln!(out, "mean of {count} checkpoints: {}", args.output.display())?;
    Ok(ExitStatus::Success)
}

/// The checkpoint folders to average.
fn chosen(args: &AverageArgs) -> Result<Vec<PathBuf>> {
    let Some(count) = args.last.or(args.best) else {
        return args.runs.iter().map(|path| checkpoint::resolve(path)).collect();
    };
    let [run] = args.runs.as_slice() else { bail!("--last and --best choose among the epochs of one run") };
    let checkpoints = Checkpoints::of_run(run);
    let mut epochs: Vec<PathBuf> = checkpoints.epochs()?.iter().map(|name| checkpoints.path(name)).collect();
    if count == 0 || epochs.len() < count {
        let there = epochs.len();
        let fewer = if there > 0 { format!(" or give a number from 1 to {there}") } else { String::new() };
        bail!(
            "'{}' has {there} epochs' checkpoints, and {count} are to be averaged; train with \
             train.keep_last={}{fewer}",
            run.display(),
            count.max(1)
        );
    }
    if args.best.is_some() {
        let mut scored = epochs.into_iter().map(|epoch| Ok((score(&epoch)?, epoch))).collect::<Result<Vec<_>>>()?;
        // Stable: of equal ones the later is taken.
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        epochs = scored.into_iter().map(|(_, epoch)| epoch).collect();
    }
    Ok(epochs.split_off(epochs.len() - count))
}

/// The score of the epoch that a checkpoint was saved after, by which its run compares epochs.
fn score(folder: &Path) -> Result<f64> {
    let path = folder.join(STATE);
    let state: Option<TrainState> = serde_json::from_str(&read_text(&path)?).ok();
    let score = state.as_ref().and_then(|state| {
        let metric = state.judged_by.as_ref()?;
        state.history.last()?.validation.get(metric)
    });
    score.with_context(|| format!("'{}' tells no score of its epoch", path.display()))
}

/// The small files of the first checkpoint; what the words are must be alike in all.
fn companions(folders: &[PathBuf]) -> Result<Vec<Companion>> {
    let mut companions = Vec::new();
    for name in [CONFIG, VOCABULARY, ATTRIBUTES] {
        let contents: Vec<Option<Vec<u8>>> = folders.iter().map(|folder| fs::read(folder.join(name)).ok()).collect();
        let Some(first) = contents.first() else { continue };
        if let Some(other) = contents.iter().position(|content| name != CONFIG && content != first)
            && let Some(folder) = folders.get(other)
        {
            bail!("{name} of '{}' is not that of the first checkpoint: they know other words", folder.display());
        }
        companions.extend(first.clone().map(|content| Companion { name, content }));
    }
    Ok(companions)
}
