//! Progress of the extraction of features, which may be asked to stop.

use crate::features::FeatureProgress;
use crate::runtime::Interrupt;
use crate::util::logging;
use anyhow::Result;

/// A bar per encoder.
pub(super) struct FeatureBar<'a> {
    interrupt: &'a Interrupt,
    /// Encoder, images to encode, bar: a second dataset has another total.
    shown: Option<(String, usize, logging::Bar)>,
}

impl<'a> FeatureBar<'a> {
    pub(super) fn new(interrupt: &'a Interrupt) -> Self {
        Self { interrupt, shown: None }
    }

    /// An error once the process was asked to stop.
    pub(super) fn check(&self) -> Result<()> {
        self.interrupt.check("computed features are kept; rerun the same command to continue")
    }

    /// Shows how far it is; an error once the process was asked to stop.
    pub(super) fn update(&mut self, progress: FeatureProgress) -> Result<()> {
        self.check()?;
        let FeatureProgress { encoder, done, total, .. } = progress;
        if self.shown.as_ref().is_none_or(|(of, all, _)| of != encoder || *all != total) {
            self.shown =
                Some((encoder.to_owned(), total, logging::progress(total, &format!("features by {encoder}, images"))));
        }
        if let Some((_, _, bar)) = &self.shown {
            bar.set(done);
        }
        Ok(())
    }
}
