//! Images through encoders and decoding to lines, batch after batch.

use super::lines::Lines;
use super::output::record;
use crate::cli::CaptionArgs;
use crate::data::masks::Finder;
use crate::experiment::Experiment;
use crate::features::{FeatureProgress, Images, direct};
use crate::runs::Explanation;
use crate::runtime::Interrupt;
use crate::session::{Decoded, look};
use crate::util::logging::{self, Bar};
use anyhow::Result;
use std::path::PathBuf;
use tch::{Device, Tensor};

/// Of more images than this nothing is kept in the cache.
const CACHED: usize = 10_000;
/// Images whose features are looked up, or computed, at a time where they are kept: the cache is locked no longer.
const GROUP: usize = 1024;

/// Captions of a batch given its features, one tensor per encoder.
pub(super) type Decode<'a> = dyn Fn(&[Tensor]) -> Result<Vec<(Decoded, Explanation)>> + 'a;

/// Everything that captions are made with.
pub(super) struct Stream<'a> {
    pub experiment: &'a Experiment,
    pub todo: &'a [PathBuf],
    pub finder: Option<&'a Finder>,
    pub device: Device,
    pub args: &'a CaptionArgs,
    pub interrupt: &'a Interrupt,
}

impl Stream<'_> {
    /// Captions all images; gives how many could not be read.
    pub(super) fn run(
        &self,
        decode: &Decode,
        lines: &mut Lines,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<usize> {
        let mut batch = Batch {
            stream: self,
            decode,
            waiting: Vec::new(),
            failed: 0,
            lines,
            bar: logging::progress(self.todo.len(), "captions of images"),
        };
        let reading = self.experiment.data.reading();
        let (encoders, kind) = (&self.experiment.encoders, self.experiment.model.features());
        let frozen = encoders.iter().all(|encoder| encoder.tune.is_none());
        let direct = frozen && self.experiment.model.masks().is_none();
        if direct && (self.args.no_cache || self.todo.len() > CACHED) {
            let images = Images { paths: self.todo, reading: &reading };
            direct::stream(encoders, kind, images, self.device, &mut |image, rows| batch.add(image, rows))?;
        } else {
            if self.args.no_cache {
                tracing::warn!("--no-cache has no effect on models with masks or with encoders that are trained");
            }
            self.cached(&mut batch, progress)?;
        }
        batch.flush()?;
        Ok(batch.failed)
    }

    /// In groups of about equal size, so that the last is not so small that its encoders compute in another order.
    fn cached(&self, batch: &mut Batch, progress: &mut dyn FnMut(FeatureProgress) -> Result<()>) -> Result<()> {
        let groups = self.todo.len().div_ceil(GROUP).max(1);
        let mut start = 0;
        for group in self.todo.chunks(self.todo.len().div_ceil(groups).max(1)) {
            let features = look(self.experiment, group, self.finder, self.device, progress)?;
            for image in 0..group.len() {
                let rows = match features.failures().get(&image) {
                    Some(why) => Err(anyhow::anyhow!("{why}")),
                    None => (0..features.encoders()).map(|encoder| features.rows(encoder, &[image])).collect(),
                };
                batch.add(start + image, rows)?;
            }
            start += group.len();
        }
        Ok(())
    }
}

/// Images whose features are there.
struct Batch<'a, 'b> {
    stream: &'a Stream<'a>,
    decode: &'a Decode<'a>,
    waiting: Vec<(usize, Vec<Tensor>)>,
    failed: usize,
    lines: &'a mut Lines<'b>,
    bar: Bar,
}

impl Batch<'_, '_> {
    fn add(&mut self, image: usize, rows: Result<Vec<Tensor>>) -> Result<()> {
        match rows {
            Ok(rows) => self.waiting.push((image, rows)),
            Err(error) => {
                tracing::error!("{error:#}");
                self.failed += 1;
                self.bar.advance(1);
            }
        }
        if self.waiting.len() >= self.stream.experiment.decode.batch_size.max(1) { self.flush() } else { Ok(()) }
    }

    /// Captions what is waiting.
    fn flush(&mut self) -> Result<()> {
        let Stream { todo, args, interrupt, .. } = self.stream;
        interrupt.check("captions so far are kept; rerun the same command with --skip-existing to continue")?;
        let waiting = std::mem::take(&mut self.waiting);
        let encoders = waiting.first().map_or(0, |(_, rows)| rows.len());
        if waiting.is_empty() {
            return Ok(());
        }
        let of =
            |encoder: usize| -> Vec<&Tensor> { waiting.iter().filter_map(|(_, rows)| rows.get(encoder)).collect() };
        let features: Vec<Tensor> = (0..encoders).map(|encoder| Tensor::cat(&of(encoder), 0)).collect();
        let mut records = Vec::with_capacity(waiting.len());
        for ((image, _), (decoded, why)) in waiting.iter().zip((self.decode)(&features)?) {
            if let Some(path) = todo.get(*image) {
                records.push(record(path, &decoded, &why, args)?);
            }
        }
        self.lines.write(&records)?;
        self.bar.advance(waiting.len());
        Ok(())
    }
}
