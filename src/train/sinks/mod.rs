//! Where a run's metrics go: a file of this folder each.

mod console;
mod events;
mod json_lines;
mod tensorboard;

pub use events::{Scalars, events};

use super::TrainConfig;
use super::state::{EpochRecord, StepRecord, TrainState};
use crate::util::fs::write_atomic;
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A receiver of metrics. It is told all of the run each time, so that what a continued run leaves holds nothing twice.
pub trait Sink {
    /// Brings what it holds of epochs up to the history.
    fn epochs(&mut self, _history: &[EpochRecord]) -> Result<()> {
        Ok(())
    }
    /// Brings what it holds of steps up to the curve.
    fn steps(&mut self, _curve: &[StepRecord]) -> Result<()> {
        Ok(())
    }
    /// An epoch has just ended.
    fn announce(&mut self, _state: &TrainState, _config: &TrainConfig) {}
}

/// The receivers of a run, told one after the other.
pub(super) struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    pub(super) fn of_run(folder: &Path) -> Self {
        Self(vec![
            Box::new(json_lines::JsonLines::new(folder)),
            Box::new(tensorboard::TensorBoard::new(folder)),
            Box::new(console::Console),
        ])
    }
}

impl Sink for Sinks {
    fn epochs(&mut self, history: &[EpochRecord]) -> Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.epochs(history))
    }

    fn steps(&mut self, curve: &[StepRecord]) -> Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.steps(curve))
    }

    fn announce(&mut self, state: &TrainState, config: &TrainConfig) {
        self.0.iter_mut().for_each(|sink| sink.announce(state, config));
    }
}

/// Makes a file hold `content`, by appending where it holds the beginning: a reader that follows the file sees it grow.
fn extend(path: &Path, content: &[u8]) -> Result<()> {
    let found = fs::read(path).unwrap_or_default();
    match content.strip_prefix(found.as_slice()) {
        Some(rest) if path.is_file() => OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(rest))
            .with_context(|| format!("cannot write '{}'", path.display())),
        _ => write_atomic(path, content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_grows_where_it_can_and_is_replaced_where_it_must() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let state = || (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino());
        extend(&path, b"one").unwrap();
        let (_, file) = state();
        extend(&path, b"one, two").unwrap();
        assert_eq!(state(), (b"one, two".to_vec(), file));
        extend(&path, b"one, two").unwrap();
        assert_eq!(state(), (b"one, two".to_vec(), file));
        extend(&path, b"other").unwrap();
        assert_eq!(state().0, b"other");
        assert_ne!(state().1, file);
    }
}
