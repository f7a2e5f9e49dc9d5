//! Progress of long work: a bar on a terminal, a line now and then elsewhere.

use crate::features::Progress;
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A bar over `length` steps on standard error, hidden where that is no terminal.
pub(super) fn bar(label: &str, length: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64).with_message(label.to_owned());
    match ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {per_sec}  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Shows the extraction of features, and stops it once the process was asked to.
pub(super) struct FeatureProgress<'a> {
    interrupt: &'a crate::runtime::Interrupt,
    bar: Option<(String, ProgressBar)>,
    told: Instant,
}

/// Between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(20);

impl<'a> FeatureProgress<'a> {
    pub(super) fn new(interrupt: &'a crate::runtime::Interrupt) -> Self {
        Self { interrupt, bar: None, told: Instant::now() }
    }

    pub(super) fn update(&mut self, progress: Progress) -> Result<()> {
        if self.interrupt.requested() {
            bail!("interrupted; what is done is kept and the same command continues");
        }
        let Progress { encoder, done, total, .. } = progress;
        if self.bar.as_ref().is_none_or(|(of, _)| of != encoder) {
            self.bar = Some((encoder.to_owned(), bar(&format!("features by {encoder}"), total)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(done as u64);
            if done >= total {
                bar.finish_and_clear();
            } else if bar.is_hidden() && self.told.elapsed() >= INTERVAL {
                tracing::info!("features by {encoder}: {done} of {total} images");
                self.told = Instant::now();
            }
        }
        Ok(())
    }
}
