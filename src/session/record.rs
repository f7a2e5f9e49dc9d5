//! What a trained run leaves for tables and pages: its `result.json`.

use super::{Session, SplitEvaluation};
use crate::data::Split;
use crate::data::masks::{self, Finder};
use crate::decode::DecodeConfig;
use crate::eval::Scores;
use crate::models::encoders::EncoderConfig;
use crate::runs::Environment;
use crate::runs::first_stage_folder;
use crate::runs::result::{CaptionRecord, CurveRecord, DecodingResult, EncoderUsed, ImageRecord, RunResult, Skipped};
use crate::runs::{Explanation, StageScores};
use crate::train::{self, TrainState};
use crate::util::fs::{cache_dir, read_text, sha256_file};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Images of which is shown what the model saw in them, at most: the worst and the best.
const EXPLAINED: usize = 300;

/// The result of a trained run, with the test split decoded in the given ways.
pub fn result(
    session: &Session,
    state: &TrainState,
    folder: &Path,
    decodings: Vec<DecodingResult>,
) -> Result<RunResult> {
    let first_stage = first_stage(folder)?;
    Ok(RunResult {
        experiment: session.experiment.identity()?,
        seed: session.experiment.train.seed,
        selected_by: state.judged_by.clone().unwrap_or_else(|| session.experiment.train.early_stop.metric.clone()),
        best_epoch: state.best.as_ref().map_or(0, |best| best.epoch),
        epochs: state.epoch,
        seconds: state.history.iter().map(|record| record.seconds + record.validation_seconds).sum(),
        device: crate::runtime::device_name(session.device),
        environment: Environment::here(),
        encoders: session.experiment.encoders.iter().map(encoder).collect::<Result<_>>()?,
        curve: state.history.iter().map(epoch).collect(),
        first_stage: first_stage.iter().map(epoch).collect(),
        stage_scores: StageScores::load(folder)?,
        images: images(session)?,
        skipped: session.skipped(Split::Test).into_iter().map(|(image, reason)| Skipped { image, reason }).collect(),
        decodings,
        baselines: session.baselines()?,
        costs: costs(session, state, &first_stage)?,
    })
}

/// Puts one more decoding into the result of a finished run, in place of an equal one. A folder without a result gets
/// one; the result of other images (`data` was changed) is left alone.
pub fn add_decoding(session: &Session, state: &TrainState, folder: &Path, decoding: DecodingResult) -> Result<()> {
    match RunResult::load(folder)? {
        Some(earlier) if earlier.images != images(session)? => {
            tracing::warn!(
                "scores not added to '{}', which covers other images",
                folder.join(crate::runs::result::FILE).display()
            );
            Ok(())
        }
        Some(mut earlier) => {
            let same = decoding.decode.canonical();
            earlier.decodings.retain(|known| known.decode.canonical() != same);
            earlier.decodings.push(decoding);
            earlier.save(folder)
        }
        None => result(session, state, folder, vec![decoding])?.save(folder),
    }
}

/// A decoding of the test split, with what the model shows of the worst and the best images.
pub fn decoding(session: &Session, decode: &DecodeConfig, evaluated: &SplitEvaluation) -> Result<DecodingResult> {
    let explained = worst_and_best(evaluated);
    let mut captions = Vec::with_capacity(evaluated.images.len());
    for (index, decoded) in evaluated.decoded.iter().enumerate() {
        let shown = match evaluated.images.get(index) {
            Some(&image) if explained.contains(&index) => {
                session.explain(&session.features_of(image)?, &decoded.caption)
            }
            _ => Explanation::default(),
        };
        captions.push(CaptionRecord {
            caption: decoded.caption.clone(),
            scores: evaluated.evaluation.images.get(index).cloned().unwrap_or_default(),
            nouns: decoded.nouns.clone(),
            shown,
        });
    }
    Ok(DecodingResult {
        name: decode.label(),
        decode: decode.clone(),
        seconds: evaluated.seconds,
        scores: evaluated.evaluation.corpus.clone(),
        on_ids: if session.scores_ids() { evaluated.on_ids.clone() } else { Scores::default() },
        memory: evaluated.memory.clone(),
        signature: Some(evaluated.signature.clone()),
        unfinished: evaluated.unfinished,
        captions,
    })
}

fn worst_and_best(evaluated: &SplitEvaluation) -> BTreeSet<usize> {
    let cider = |index: usize| evaluated.evaluation.images.get(index).and_then(|scores| scores.get("CIDEr"));
    let mut order: Vec<usize> = (0..evaluated.images.len()).collect();
    if order.len() > EXPLAINED {
        order.sort_by(|&a, &b| cider(a).unwrap_or(0.0).total_cmp(&cider(b).unwrap_or(0.0)));
        order.drain(EXPLAINED / 2..order.len() - EXPLAINED / 2);
    }
    order.into_iter().collect()
}

/// The images of the test split that can be used, with the mask pictures that the model saw of them.
fn images(session: &Session) -> Result<Vec<ImageRecord>> {
    let images: Vec<_> = session.split(Split::Test).into_iter().map(|index| &session.dataset.images[index]).collect();
    let mut pictures: Vec<Option<PathBuf>> = vec![None; images.len()];
    if let Some(rules) = session.experiment.model.masks() {
        let paths: Vec<PathBuf> = images.iter().map(|image| image.path.clone()).collect();
        let finder = Finder::of_dataset(&rules.folder, &session.experiment.data.root, &session.dataset.images_dir);
        pictures = masks::prepare(&paths, &finder, rules, &cache_dir()?)?.paths.into_iter().map(Some).collect();
    }
    let record = |(image, mask): (&&crate::data::ImageEntry, Option<PathBuf>)| ImageRecord {
        name: image.file_name.clone(),
        path: image.path.clone(),
        references: image.captions.iter().map(|caption| caption.text.clone()).collect(),
        mask,
    };
    Ok(images.iter().zip(pictures).map(record).collect())
}

fn epoch(record: &train::EpochRecord) -> CurveRecord {
    CurveRecord {
        epoch: record.epoch,
        loss: Some(record.train_loss),
        terms: record.terms.clone(),
        validation: record.validation.clone(),
    }
}

/// The epochs of the first training stage; none where there was none.
fn first_stage(folder: &Path) -> Result<Vec<train::EpochRecord>> {
    let path = first_stage_folder(folder).join("metrics.jsonl");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let read = |line: &str| {
        serde_json::from_str(line)
            .map_err(crate::util::json::error)
            .with_context(|| format!("'{}' is not a training history", path.display()))
    };
    read_text(&path)?.lines().map(read).collect()
}

/// Parameters that the captioning stage trains, what the model computes for an image and a caption, and the wall time
/// of the stages.
fn costs(session: &Session, state: &TrainState, first_stage: &[train::EpochRecord]) -> Result<BTreeMap<String, f64>> {
    let epochs = state.history.len().max(1) as f64;
    let training: f64 = state.history.iter().map(|record| record.seconds).sum();
    let before: f64 = first_stage.iter().map(|record| record.seconds).sum();
    let mut costs = BTreeMap::from([
        ("params_M".to_owned(), session.trained_parameters() as f64 / 1e6),
        ("train_s_per_epoch".to_owned(), training / epochs),
        ("train_s_total".to_owned(), training + before),
        ("flops_G".to_owned(), 2.0 * session.multiply_adds()? as f64 / 1e9),
    ]);
    if !first_stage.is_empty() {
        costs.insert("pretraining_s".to_owned(), before);
    }
    Ok(costs)
}

fn encoder(encoder: &EncoderConfig) -> Result<EncoderUsed> {
    let path = Path::new(&encoder.weights);
    let sha256 = if path.is_file() { Some(sha256_file(path)?) } else { None };
    Ok(EncoderUsed { name: encoder.name.clone(), weights: encoder.weights.clone(), sha256 })
}
