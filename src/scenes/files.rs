//! The dataset folder: pictures, masks, captions, written beside and moved into place when all is there.

use super::{KINDS, Scene, SceneKind, mask_colour, render};
use crate::util::fs::{read_text, temporary_beside};
use anyhow::{Context, Result, bail, ensure};
use image::{ImageFormat, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// Grows by one whenever equal options give other bytes than before.
const VERSION: u32 = 1;

/// Written into the folder: what it was made with.
const MARKER: &str = "scenes.json";

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Images in all, shared out evenly over the kinds, the first kinds getting one more where it does not come out
    /// even.
    pub count: usize,
    /// Side of the images, pixels: 32 to 1024.
    pub size: u32,
    pub seed: u64,
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Images per split.
    pub splits: BTreeMap<&'static str, usize>,
    pub classes: usize,
    /// False where the folder was complete already.
    pub written: bool,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Marker {
    generator: String,
    version: u32,
    options: Options,
}

impl Marker {
    fn new(options: Options) -> Self {
        Self { generator: "rsic data scenes".into(), version: VERSION, options }
    }
}

/// Renders a dataset into `out`: `dataset.json` (Karpathy's form), `imgs/N.png`, `masks/N.png` and `masks/N.json`.
///
/// The folder appears complete or not at all; a complete one of the same options is left alone, one of other options
/// is replaced.
///
/// # Errors
/// Options out of range; a folder at `out` with other content; a folder that cannot be written.
pub fn generate(options: &Options, out: &Path) -> Result<Summary> {
    ensure!((1..=100_000).contains(&options.count), "--count is {}; it must be 1 to 100000", options.count);
    ensure!((32..=1024).contains(&options.size), "--size is {}; it must be 32 to 1024 pixels", options.size);
    ensure!(out.file_name().is_some(), "'{}' is not a folder name; give one, for example scenes", out.display());
    let plan = plan(options.count);
    let mut splits = BTreeMap::new();
    for &(_, split) in &plan {
        *splits.entry(split).or_insert(0) += 1;
    }
    let classes = KINDS.len().min(options.count);
    if is_complete(out, options) {
        return Ok(Summary { splits, classes, written: false });
    }
    check_replaceable(out)?;
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).with_context(|| format!("cannot create the folder '{}'", parent.display()))?;
    }
    let temporary = temporary_beside(out);
    write_folder(options, &plan, &temporary)
        .and_then(|()| move_into_place(&temporary, out, options))
        .inspect_err(|_| {
            let _ = fs::remove_dir_all(&temporary);
        })
        .with_context(|| format!("cannot write the scenes to '{}'", out.display()))?;
    Ok(Summary { splits, classes, written: true })
}

/// Kind and split of each image, in class blocks.
///
/// Within a class every tenth image is for validation and the one after it for test, the first of them further on in
/// each class than in the one before, so that small sets come near 80/10/10 too.
fn plan(count: usize) -> Vec<(&'static SceneKind, &'static str)> {
    let block = |class: usize| count / KINDS.len() + usize::from(class < count % KINDS.len());
    let mut plan = Vec::with_capacity(count);
    for (class, kind) in KINDS.iter().enumerate() {
        for place in 0..block(class) {
            plan.push((
                kind,
                match (place + 3 * class + 2) % 10 {
                    8 => "val",
                    9 => "test",
                    _ => "train",
                },
            ));
        }
    }
    plan
}

fn is_complete(out: &Path, options: &Options) -> bool {
    let marker = read_text(&out.join(MARKER)).ok().and_then(|text| serde_json::from_str::<Marker>(&text).ok());
    marker.as_ref() == Some(&Marker::new(*options))
        && out.join("dataset.json").is_file()
        && (1..=options.count).all(|number| {
            out.join(format!("imgs/{number}.png")).is_file()
                && out.join(format!("masks/{number}.png")).is_file()
                && out.join(format!("masks/{number}.json")).is_file()
        })
}

/// Refuses to touch anything but an empty folder or an earlier set of scenes.
fn check_replaceable(out: &Path) -> Result<()> {
    if !out.exists() || out.join(MARKER).is_file() {
        return Ok(());
    }
    let mut entries = fs::read_dir(out)
        .with_context(|| format!("'{}' is not a folder; choose another output folder", out.display()))?;
    if entries.next().is_some() {
        bail!("'{}' contains other files than scenes; choose another folder or empty it", out.display());
    }
    Ok(())
}

fn write_folder(options: &Options, plan: &[(&'static SceneKind, &'static str)], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("imgs"))?;
    fs::create_dir_all(folder.join("masks"))?;
    let images: Vec<Value> = plan
        .par_iter()
        .enumerate()
        .map(|(index, &(kind, split))| {
            let scene = render(kind, options.seed, index, options.size);
            let number = index + 1;
            fs::write(folder.join(format!("imgs/{number}.png")), png(&scene.image)?)?;
            fs::write(folder.join(format!("masks/{number}.png")), png(&scene.mask())?)?;
            fs::write(folder.join(format!("masks/{number}.json")), objects_json(&scene, number))?;
            Ok(image_json(&scene, index, split))
        })
        .collect::<Result<_>>()?;
    let dataset = json!({ "dataset": "scenes", "images": images });
    fs::write(folder.join("dataset.json"), format!("{dataset}\n"))?;
    let marker = serde_json::to_string_pretty(&Marker::new(*options))?;
    fs::write(folder.join(MARKER), format!("{marker}\n"))?;
    Ok(())
}

fn move_into_place(temporary: &Path, out: &Path, options: &Options) -> Result<()> {
    let old = temporary.with_extension("old.tmp");
    if out.is_dir() {
        fs::rename(out, &old)?;
    }
    if let Err(error) = fs::rename(temporary, out) {
        // Another process may have been faster with the same set.
        if is_complete(out, options) {
            fs::remove_dir_all(temporary)?;
        } else {
            let _ = fs::rename(&old, out);
            return Err(error.into());
        }
    }
    if old.is_dir() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// An entry of `images` in Karpathy's form; `tokens` leave out the final stop of `raw`.
fn image_json(scene: &Scene, index: usize, split: &str) -> Value {
    let first = index * scene.captions.len();
    let sentences: Vec<Value> = scene
        .captions
        .iter()
        .enumerate()
        .map(|(nth, caption)| {
            let tokens: Vec<&str> = caption.split(' ').collect();
            json!({ "tokens": tokens, "raw": format!("{caption} ."), "imgid": index, "sentid": first + nth })
        })
        .collect();
    json!({
        "filename": format!("{}.png", index + 1),
        "imgid": index,
        "split": split,
        "sentids": (first..first + sentences.len()).collect::<Vec<_>>(),
        "class": scene.class,
        "sentences": sentences,
    })
}

/// The objects of the mask picture, with their colours there.
fn objects_json(scene: &Scene, number: usize) -> String {
    let objects: Vec<Value> = scene
        .objects
        .iter()
        .zip(1u16..)
        .map(|(object, rank)| {
            let mut value = json!(object);
            value["mask_colour"] = json!(mask_colour(rank));
            value
        })
        .collect();
    let (width, height) = scene.image.dimensions();
    let all = json!({ "filename": format!("{number}.png"), "class": scene.class, "width": width, "height": height, "objects": objects });
    format!("{all}\n")
}
