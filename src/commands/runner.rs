//! Makes the runs that a table needs: what `rsic train` and `rsic eval` do, with the result kept for tables and pages.

use super::train::train_in;
use crate::config::schema::DecodeConfig;
use crate::data::Split;
use crate::experiments::environment::Environment;
use crate::experiments::result::{
    CaptionRecord, DecodingResult, EncoderUsed, EpochRecord, ImageRecord, RunResult, Skipped, label,
};
use crate::experiments::runner::{Outcome, Request, Runner};
use crate::runtime::Interrupt;
use crate::session::{Explanation, RunFolder, Session};
use crate::train::{self, Group, TrainState};
use crate::util::fs::{read_text, sha256_file};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

/// Trains and decodes on one device.
pub(super) struct Trainer {
    pub(super) device: Device,
    pub(super) interrupt: Interrupt,
}

impl Runner for Trainer {
    fn run(&mut self, request: &Request) -> Result<Outcome> {
        let folder = RunFolder::open(request.folder, request.experiment, true, false)?;
        let _log = crate::logging::attach_run(request.folder)?;
        let experiment = request.experiment.clone();
        let (session, state, outcome) = train_in(experiment, &folder, self.device, &self.interrupt, &Group::solo())?;
        if outcome == train::Outcome::Interrupted {
            return Ok(Outcome::Interrupted);
        }
        Ok(Outcome::Finished(Box::new(result(&session, &state, request)?)))
    }
}

fn result(session: &Session, state: &TrainState, request: &Request) -> Result<RunResult> {
    let images = session.split(Split::Test);
    let image = |&index: &usize| {
        let entry = &session.dataset.images[index];
        ImageRecord {
            name: entry.file_name.clone(),
            path: entry.path.clone(),
            references: entry.captions.iter().map(|caption| caption.text.clone()).collect(),
        }
    };
    let skipped = session.skipped(Split::Test).into_iter().map(|(image, reason)| Skipped { image, reason }).collect();
    let curve = state.history.iter().map(|record| EpochRecord {
        epoch: record.epoch,
        loss: Some(record.train_loss),
        validation: record.validation.clone(),
    });
    Ok(RunResult {
        experiment: request.id.to_owned(),
        seed: request.seed,
        selected_by: state.judged_by.clone().unwrap_or_else(|| session.experiment.train.early_stop.metric.clone()),
        best_epoch: state.best.as_ref().map_or(0, |best| best.epoch),
        epochs: state.epoch,
        seconds: state.history.iter().map(|record| record.seconds + record.validation_seconds).sum(),
        device: crate::runtime::device_name(session.device),
        environment: Environment::here(),
        encoders: encoders(session)?,
        curve: curve.collect(),
        images: images.iter().map(image).collect(),
        skipped,
        decodings: request.decodings.iter().map(|decode| decoding(session, decode)).collect::<Result<_>>()?,
        costs: costs(session, state, request.folder)?,
    })
}

/// Parameters that the captioning stage trains, and the wall time of the stages.
fn costs(session: &Session, state: &TrainState, folder: &Path) -> Result<BTreeMap<String, f64>> {
    let epochs = state.history.len().max(1) as f64;
    let training: f64 = state.history.iter().map(|record| record.seconds).sum();
    let mut costs = BTreeMap::from([
        ("params_M".to_owned(), session.trained_parameters() as f64 / 1e6),
        ("train_s_per_epoch".to_owned(), training / epochs),
        ("train_s_total".to_owned(), training),
        ("flops_G".to_owned(), 2.0 * session.multiply_adds()? as f64 / 1e9),
    ]);
    let first_stage = folder.join("pretrain/metrics.jsonl");
    if first_stage.is_file() {
        let mut seconds = 0.0;
        for line in read_text(&first_stage)?.lines() {
            let record: crate::train::EpochRecord = serde_json::from_str(line)
                .with_context(|| format!("'{}' is no history of a training", first_stage.display()))?;
            seconds += record.seconds;
        }
        costs.insert("pretraining_s".to_owned(), seconds);
        costs.insert("train_s_total".to_owned(), training + seconds);
    }
    Ok(costs)
}

/// Images of which is shown what the model saw in them.
const SHOWN: usize = 60;

fn decoding(session: &Session, decode: &DecodeConfig) -> Result<DecodingResult> {
    let evaluated = session.evaluate(Split::Test, decode)?;
    let mut shown = Vec::new();
    for (&image, decoded) in evaluated.images.iter().zip(&evaluated.decoded).take(SHOWN) {
        shown.push(session.explain(&session.features_of(image)?, &decoded.caption));
    }
    let shown = shown.into_iter().chain(std::iter::repeat_with(Explanation::default));
    let captions = evaluated.decoded.into_iter().zip(evaluated.evaluation.images).zip(shown);
    Ok(DecodingResult {
        name: label(decode),
        decode: decode.clone(),
        seconds: evaluated.seconds,
        scores: evaluated.evaluation.corpus,
        captions: captions
            .map(|((decoded, scores), shown)| CaptionRecord { caption: decoded.caption, scores, shown })
            .collect(),
    })
}

fn encoders(session: &Session) -> Result<Vec<EncoderUsed>> {
    let used = |encoder: &crate::config::schema::EncoderConfig| {
        let path = Path::new(&encoder.weights);
        let sha256 = if path.is_file() { Some(sha256_file(path)?) } else { None };
        Ok(EncoderUsed { name: encoder.name.clone(), weights: encoder.weights.clone(), sha256 })
    };
    session.experiment.encoders.iter().map(used).collect()
}
