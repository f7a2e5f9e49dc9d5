//! Progress of the extraction of features, which may be asked to stop.

use crate::features::FeatureProgress;
use crate::runtime::Interrupt;
use crate::util::logging;
use anyhow::Result;

/// A bar per encoder.
pub(super) struct FeatureBar<'a> {
    interrupt: &'a Interrupt,
    shown: Option<(String, logging::Bar)>,
}

impl<'a> FeatureBar<'a> {
    pub(super) fn new(interrupt: &'a Interrupt) -> Self {
        Self { interrupt, shown: None }
    }

    pub(super) fn interrupt(&self) -> &'a Interrupt {
        self.interrupt
    }

    /// An error once the process was asked to stop.
    pub(super) fn check(&self) -> Result<()> {
        self.interrupt.check("computed features are kept; rerun the same command to continue")
    }

    /// Shows how far it is; an error once the process was asked to stop.
    pub(super) fn update(&mut self, progress: FeatureProgress) -> Result<()> {
        self.check()?;
        let FeatureProgress { encoder, done, total, .. } = progress;
        if self.shown.as_ref().is_none_or(|(of, _)| of != encoder) {
            self.shown = Some((encoder.to_owned(), logging::progress(total, &format!("features by {encoder}"))));
        }
        if let Some((_, bar)) = &self.shown {
            bar.set(done);
        }
        Ok(())
    }
}
