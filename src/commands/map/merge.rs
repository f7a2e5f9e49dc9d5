//! Joining the parts of a layer.

use super::{deliver, growing};
use crate::cli::MapArgs;
use crate::geo::layer::{Ending, Feature, Layer, Store};
use crate::geo::tiles::Shard;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Tiles written at a time.
const BATCH: usize = 1024;

/// A part, which says itself which one it is.
struct Part {
    path: PathBuf,
    shard: Option<Shard>,
    store: Store,
    layer: Layer,
}

pub(super) fn run(args: &MapArgs, ending: Ending) -> Result<()> {
    let mut parts = args.scenes.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
    parts.sort_by_key(|part| part.shard.map_or(0, |shard| shard.number)); // stable
    check(&parts)?;
    let first = parts.first().context("there are no parts")?;
    let Layer { crs, fields, .. } = first.layer.clone();
    let made = json!({"merged": parts.iter().map(|part| &part.layer.made).collect::<Vec<_>>()});
    let growing = growing(&args.output);
    if growing.exists() {
        fs::remove_file(&growing).with_context(|| format!("cannot remove '{}'", growing.display()))?;
    }
    let mut store = Store::begin(&growing, &Layer { crs, fields, made })?;
    let mut batch: Vec<Feature> = Vec::with_capacity(BATCH);
    let mut done = 0;
    for part in &parts {
        part.store.each(|feature| {
            batch.push(feature);
            if batch.len() == BATCH {
                done += BATCH as u64;
                store.append(&std::mem::take(&mut batch), done)?;
            }
            Ok(())
        })?;
    }
    done += batch.len() as u64;
    store.append(&batch, done)?;
    tracing::info!("{done} tiles of {} parts in '{}'", parts.len(), args.output.display());
    deliver(store, &growing, &args.output, ending)
}

fn open(path: &Path) -> Result<Part> {
    let (store, layer) = Store::open(path)?;
    if layer.made.get("end").and_then(Value::as_u64).is_some_and(|end| store.done().is_ok_and(|done| done < end)) {
        bail!("'{}' is unfinished; run its command again first", path.display());
    }
    let shard = layer.made.get("shard").and_then(Value::as_str).map(str::parse).transpose()?;
    Ok(Part { path: path.to_owned(), shard, store, layer })
}

/// Refuses parts that are not of one layer; warns where one is missing.
fn check(parts: &[Part]) -> Result<()> {
    let Some(first) = parts.first() else { return Ok(()) };
    for part in parts {
        if (&part.layer.crs, &part.layer.fields) != (&first.layer.crs, &first.layer.fields) {
            bail!(
                "'{}' and '{}' cannot be joined: their fields or coordinate reference systems differ",
                first.path.display(),
                part.path.display()
            );
        }
    }
    for (one, next) in parts.iter().zip(parts.iter().skip(1)) {
        if one.shard.is_some() && one.shard == next.shard {
            bail!("'{}' and '{}' are the same part", one.path.display(), next.path.display());
        }
    }
    if let Some(Shard { of, .. }) = first.shard {
        let absent = (1..=of).find(|&number| !parts.iter().any(|part| part.shard == Some(Shard { number, of })));
        if let Some(number) = absent {
            tracing::warn!("part {number}/{of} is not among them");
        }
    }
    Ok(())
}
