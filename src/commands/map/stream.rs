//! Tiles on their way: read ahead on threads, then encoded, captioned and written batch by batch.

use super::Model;
use super::scenes::{Loaded, Plan, Scenes};
use crate::data::loader::{Loader, LoaderOptions};
use crate::geo::layer::{Feature, Store, Value};
use crate::runtime::Interrupt;
use crate::session::{Decoded, Likely};
use crate::util::logging;
use anyhow::{Context, Result};
use std::ops::Range;
use std::sync::Arc;

pub(super) struct Stream<'a> {
    pub(super) model: &'a Model,
    pub(super) store: Store,
    pub(super) interrupt: &'a Interrupt,
}

/// Tiles without a caption.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Outside the area of interest, or nodata.
    pub(super) left_out: usize,
    pub(super) unread: usize,
}

impl Stream<'_> {
    /// Captions the tiles of a range of places. What is written is whole batches of as many tiles as are captioned at a
    /// time, so that the batches of a run that goes on are those of one that was never stopped.
    pub(super) fn run(mut self, plan: Plan, range: Range<u64>) -> Result<(Store, Counts)> {
        let plan = Arc::new(plan);
        let size = self.model.decode.batch_size.max(1);
        let count = usize::try_from(range.end.saturating_sub(range.start)).context("too many tiles")?;
        let (reader, start) = (plan.clone(), range.start);
        let options = LoaderOptions { ahead: 2 * size, ..LoaderOptions::new(0, size) };
        let loader = Loader::with(count, options, move |at| reader.load(start + at as u64));
        let bar = logging::progress(count, "tiles");
        let (mut batch, mut counts) = (Vec::with_capacity(size), Counts::default());
        for (index, loaded) in (range.start..).zip(loader) {
            match loaded {
                Ok(Some(tile)) => batch.push(tile),
                Ok(None) => counts.left_out += 1,
                Err(error) => {
                    tracing::error!("{error:#}");
                    counts.unread += 1;
                }
            }
            if batch.len() == size {
                self.write(&plan.scenes, &std::mem::take(&mut batch), index + 1)?;
            }
            bar.set((index + 1 - range.start) as usize);
            self.interrupt.check("what is captioned is kept; rerun the same command to go on")?;
        }
        self.write(&plan.scenes, &batch, range.end)?;
        Ok((self.store, counts))
    }

    /// Captions a batch and writes it; `done`: the place behind its last tile.
    fn write(&mut self, scenes: &Scenes, batch: &[Loaded], done: u64) -> Result<()> {
        if batch.is_empty() {
            return self.store.append(&[], done);
        }
        let model = self.model;
        let prepared: Vec<_> = batch.iter().map(|tile| tile.prepared.as_slice()).collect();
        let name = |place: usize| batch.get(place).map_or_else(String::new, |tile| scenes.name(tile));
        let features = model.live.encode(&prepared, &name)?;
        let decoded = model.live.decode(&features, &model.decode, model.nouns)?;
        let mut attributes = model.live.attributes(&features)?.unwrap_or_default().into_iter();
        let confidences = model.familiarity.as_ref().map(|familiarity| familiarity.confidences(&features));
        let mut confidences = confidences.unwrap_or_default().into_iter();
        let mut rows = Vec::with_capacity(batch.len());
        for (tile, decoded) in batch.iter().zip(&decoded) {
            let scene = scenes.list.get(tile.scene).context("there is no such scene")?;
            let ring = scenes.ring(scene, &tile.tile)?;
            let beside = (confidences.next(), attributes.next());
            rows.push(Feature { ring, values: values(&scene.name, tile, decoded, beside, model) });
        }
        self.store.append(&rows, done)
    }
}

/// In the order of [`Model::fields`].
fn values(
    source: &str,
    loaded: &Loaded,
    decoded: &Decoded,
    (confidence, attributes): (Option<f64>, Option<Likely>),
    model: &Model,
) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let tile = &loaded.tile;
    let mut values = vec![text(source)];
    let places = [tile.row, tile.column, tile.x, tile.y, tile.width, tile.height];
    values.extend(places.map(|place| Value::Integer(i64::from(place))));
    let log_prob = if decoded.log_prob.is_finite() { Value::Real(decoded.log_prob) } else { Value::Null };
    values.extend([Value::Real(loaded.valid), text(&decoded.caption), log_prob]);
    values.extend(confidence.map(Value::Real));
    if model.attributes {
        let likely = attributes.unwrap_or_default();
        let words: Vec<String> = likely.iter().map(|(word, probability)| format!("{word} {probability:.2}")).collect();
        values.push(Value::Text(words.join(", ")));
    }
    if model.nouns {
        values.push(Value::Text(decoded.nouns.join(", ")));
    }
    values.extend([text(&model.name), text(&model.sha256)]);
    values
}
