//! `rsic map`: captions of the tiles of georeferenced scenes, as a layer of a map.

mod merge;
mod scenes;
mod source;
mod stream;

use super::ExitStatus;
use super::progress::FeatureBar;
use crate::cli::{GlobalArgs, MapArgs};
use crate::decode::{DecodeConfig, DecodeMethod};
use crate::geo::layer::{self, Ending, Field, Kind, Layer, Store};
use crate::geo::tiles::Shard;
use crate::runtime::{self, Interrupt};
use crate::session::{Familiarity, Live, Trained};
use crate::train::checkpoint::{self, WEIGHTS};
use crate::util::fs::sha256_file;
use anyhow::{Context, Result, bail};
use scenes::{Plan, Scenes};
use std::fs;
use std::path::{Path, PathBuf};
use stream::Stream;

pub(super) fn run(global: &GlobalArgs, args: &MapArgs) -> Result<ExitStatus> {
    let ending = Ending::of(&args.output)?;
    if args.output.exists() && !args.overwrite {
        bail!("'{}' exists already; choose another --output, or replace it with --overwrite", args.output.display());
    }
    if args.merge {
        merge::run(args, ending)?;
        return Ok(ExitStatus::Success);
    }
    let shard: Shard = args.shard.as_deref().map_or(Ok(Shard::WHOLE), str::parse)?;
    if args.shard.is_some() && ending != Ending::GeoPackage {
        bail!("a part must end in .gpkg; --merge then writes any format");
    }
    let path = args.model.as_deref().context("--model is missing")?;
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let trained = Trained::load(path, &args.overrides, device)?;
    let scenes = Scenes::open(args, &trained.experiment.data.reading())?;
    let interrupt = Interrupt::install()?;
    let model = Model::new(args, path, trained, &interrupt)?;
    let range = shard.range(scenes.tiles());
    let part = growing(&args.output);
    let layer =
        Layer { crs: scenes.crs.clone(), fields: model.fields(), made: made(args, &scenes, &model, range.end)? };
    let store = Store::begin(&part, &layer)?;
    let first = range.start.max(store.done()?);
    if first > range.start {
        tracing::info!(
            "going on with '{}' at tile {} of {}",
            part.display(),
            first - range.start,
            range.end - range.start
        );
    }
    let plan = Plan { scenes, preparation: model.live.preparation().clone(), max_nodata: args.max_nodata };
    let stream = Stream { model: &model, store, interrupt: &interrupt };
    let (store, counts) = stream.run(plan, first..range.end)?;
    let tiles = store.count()?;
    deliver(store, &part, &args.output, ending)?;
    tracing::info!(
        "{tiles} tiles captioned in '{}'; {} left out as outside the area or nodata, {} unread",
        args.output.display(),
        counts.left_out,
        counts.unread
    );
    Ok(if counts.unread == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The file in which the layer grows: beside the output, until it is whole.
fn growing(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    output.with_file_name(name)
}

/// Makes of a layer that is whole the file that was asked for.
fn deliver(store: Store, part: &Path, output: &Path, ending: Ending) -> Result<()> {
    store.finish()?;
    if ending == Ending::GeoPackage {
        return fs::rename(part, output).with_context(|| format!("cannot write '{}'", output.display()));
    }
    let (store, _) = Store::open(part)?;
    layer::write(&store, output, ending)?;
    drop(store);
    fs::remove_file(part).with_context(|| format!("cannot remove '{}'", part.display()))
}

/// A trained model and what is written of it beside each caption.
struct Model {
    live: Live,
    decode: DecodeConfig,
    name: String,
    sha256: String,
    attributes: bool,
    nouns: bool,
    familiarity: Option<Familiarity>,
}

impl Model {
    fn new(args: &MapArgs, path: &Path, trained: Trained, interrupt: &Interrupt) -> Result<Self> {
        let mut decode = trained.experiment.decode.clone();
        if decode.method == DecodeMethod::Comparison {
            tracing::warn!("comparison-based beam search needs the training images: using beam search");
            decode.method = DecodeMethod::Beam;
        }
        let mut progress = FeatureBar::new(interrupt);
        let familiarity = match args.no_confidence {
            true => None,
            false => Familiarity::of_run(path, &trained.experiment, trained.device, &mut |p| progress.update(p))?,
        };
        Ok(Self {
            decode,
            familiarity,
            name: path.display().to_string(),
            sha256: sha256_file(&checkpoint::resolve(path)?.join(WEIGHTS))?,
            attributes: trained.attributes.is_some(),
            nouns: trained.experiment.model.nouns().is_some(),
            live: Live::new(trained)?,
        })
    }

    /// The fields of a tile, in the order of [`stream::values`].
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![Field::new("source", Kind::Text)];
        let places = ["row", "col", "pixel_x", "pixel_y", "pixel_width", "pixel_height"];
        fields.extend(places.map(|name| Field::new(name, Kind::Integer)));
        fields.extend([Field::new("valid", Kind::Real), Field::new("caption", Kind::Text)]);
        fields.push(Field::new("log_prob", Kind::Real));
        fields.extend(self.familiarity.is_some().then(|| Field::new("confidence", Kind::Real)));
        fields.extend(self.attributes.then(|| Field::new("attributes", Kind::Text)));
        fields.extend(self.nouns.then(|| Field::new("nouns", Kind::Text)));
        fields.extend(["model", "model_sha256"].map(|name| Field::new(name, Kind::Text)));
        fields
    }
}

/// All that the tiles and their captions depend on.
fn made(args: &MapArgs, scenes: &Scenes, model: &Model, end: u64) -> Result<serde_json::Value> {
    let MapArgs { tile, overlap, resolution, max_nodata, bbox, area, shard, .. } = args;
    let encoders: Vec<String> = model.live.trained().experiment.encoders.iter().map(|e| e.weights.clone()).collect();
    Ok(serde_json::json!({
        "rsic": env!("CARGO_PKG_VERSION"), "model": model.name, "model_sha256": model.sha256, "encoders": encoders,
        "decode": model.decode, "scenes": scenes.described(), "tile": tile, "overlap": overlap,
        "resolution": resolution, "max_nodata": max_nodata, "bbox": bbox,
        "area_sha256": area.as_deref().map(sha256_file).transpose()?, "shard": shard, "end": end,
    }))
}
