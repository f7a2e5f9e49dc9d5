//! Event files below the run folder.

use super::{Scalars, Sink, events, extend};
use crate::train::state::{EpochRecord, StepRecord};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// TensorBoard knows such files by the first words of the name.
pub(super) struct TensorBoard {
    epochs: PathBuf,
    steps: PathBuf,
}

impl TensorBoard {
    pub(super) fn new(folder: &Path) -> Self {
        let file = |number: u8| folder.join(format!("tensorboard/events.out.tfevents.{number}.rsic"));
        Self { epochs: file(0), steps: file(1) }
    }
}

impl Sink for TensorBoard {
    fn epochs(&mut self, history: &[EpochRecord]) -> Result<()> {
        extend(&self.epochs, &events(&history.iter().map(of_epoch).collect::<Vec<_>>()))
    }

    fn steps(&mut self, curve: &[StepRecord]) -> Result<()> {
        extend(&self.steps, &events(&curve.iter().map(of_steps).collect::<Vec<_>>()))
    }
}

fn of_epoch(record: &EpochRecord) -> Scalars {
    let (speed, unit) = record.speed();
    let mut values = vec![
        ("train/loss".to_owned(), record.train_loss),
        ("train/learning_rate".to_owned(), record.lr),
        (format!("train/{unit}_per_second"), speed),
        ("train/memory_mib".to_owned(), record.memory.process as f64),
    ];
    values.extend(record.terms.0.iter().map(|(name, term)| (format!("train/loss_{name}"), *term)));
    values.extend(record.told.0.iter().map(|(name, value)| (format!("train/{name}"), *value)));
    if let Some(cuda) = record.memory.cuda_peak {
        values.push(("train/cuda_peak_mib".to_owned(), cuda as f64));
    }
    let scores = record.validation.0.iter().map(|(name, score)| (format!("validation/{name}"), *score));
    values.extend(scores);
    Scalars { wall_time: record.time, step: record.epoch as i64, values }
}

fn of_steps(record: &StepRecord) -> Scalars {
    let mut values = vec![("step/loss".to_owned(), record.loss), ("step/learning_rate".to_owned(), record.lr)];
    values.extend(record.told.0.iter().map(|(name, value)| (format!("step/{name}"), *value)));
    Scalars { wall_time: record.time, step: record.step as i64, values }
}
