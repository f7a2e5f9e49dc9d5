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
use crate::session::{RunFolder, Session};
use crate::train::{self, TrainState};
use crate::util::fs::sha256_file;
use anyhow::Result;
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
        let (session, state, outcome) = train_in(request.experiment.clone(), &folder, self.device, &self.interrupt)?;
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
        selected_by: session.experiment.train.early_stop.metric.clone(),
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
    })
}

fn decoding(session: &Session, decode: &DecodeConfig) -> Result<DecodingResult> {
    let evaluated = session.evaluate(Split::Test, decode)?;
    let captions = evaluated.decoded.into_iter().zip(evaluated.evaluation.images);
    Ok(DecodingResult {
        name: label(decode),
        decode: decode.clone(),
        seconds: evaluated.seconds,
        scores: evaluated.evaluation.corpus,
        captions: captions.map(|(decoded, scores)| CaptionRecord { caption: decoded.caption, scores }).collect(),
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
