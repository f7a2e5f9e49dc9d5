//! `rsic caption`: captions of images and folders, from pixels, with a trained run.

use super::ExitStatus;
use super::progress::FeatureProgress;
use super::sam;
use crate::cli::{CaptionArgs, CaptionFormat, GlobalArgs};
use crate::data::is_image_name;
use crate::data::masks::Finder;
use crate::decode::{DecodeConfig, DecodeMethod};
use crate::features::FeatureSet;
use crate::runs::Explanation;
use crate::runtime::{self, Interrupt};
use crate::session::{Decoded, Session, Trained, look};
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use tch::Tensor;

pub fn run(global: &GlobalArgs, args: &CaptionArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let trained = Trained::load(&args.model, &args.overrides, device)?;
    let images = find_images(&args.paths, args.recursive)?;
    let mut lines = match &args.output {
        Some(output) if args.skip_existing => existing_lines(output, args.format)?,
        _ => BTreeMap::new(),
    };
    let todo: Vec<PathBuf> = images.iter().filter(|path| !lines.contains_key(&name(path))).cloned().collect();
    let interrupt = Interrupt::install()?;
    let mut progress = FeatureProgress::new(&interrupt);
    let finder = match (&args.sam, trained.experiment.model.masks()) {
        (None, _) => None,
        (Some(weights), Some(rules)) => {
            Some(sam::make_missing(Finder::of_images(&rules.folder), &todo, weights, device, &interrupt)?)
        }
        (Some(_), None) => bail!("'{}' does not use masks; omit --sam", args.model.display()),
    };
    let features = look(&trained.experiment, &todo, finder.as_ref(), device, &mut |p| progress.update(p))?;
    let usable: Vec<usize> = (0..todo.len()).filter(|&i| features.has(i)).collect();
    if args.attributes && trained.attributes.is_none() && args.format != CaptionFormat::Jsonl {
        bail!("'{}' does not predict attributes; omit --attributes", args.model.display());
    }
    if !usable.is_empty() {
        let explain = args.attributes;
        for (&image, (decoded, why)) in usable.iter().zip(decode(trained, &features, &usable, explain, &mut progress)?)
        {
            let why = explain.then_some(&why);
            lines.insert(name(&todo[image]), line(&todo[image], &decoded, why, args.format)?);
        }
    }
    write_lines(&images, &lines, args)?;
    for why in features.failures().values() {
        eprintln!("error: {why}");
    }
    Ok(if features.failures().is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Decodes as the run says. Comparison-based search looks at the training images; where they are not at hand, beam
/// search takes its place, and says so.
fn decode(
    trained: Trained,
    features: &FeatureSet,
    usable: &[usize],
    explain: bool,
    progress: &mut FeatureProgress,
) -> Result<Vec<(Decoded, Explanation)>> {
    let explained = |decoded: Vec<Decoded>, of: &dyn Fn(&[Tensor], &str) -> Explanation| {
        let one = |(&image, decoded): (&usize, Decoded)| {
            let row = (0..features.encoders()).map(|encoder| features.rows(encoder, &[image]));
            let why =
                if explain { of(&row.collect::<Result<Vec<_>>>()?, &decoded.caption) } else { Explanation::default() };
            Ok((decoded, why))
        };
        usable.iter().zip(decoded).map(one).collect()
    };
    let decode = trained.experiment.decode.clone();
    let batches: Vec<Vec<Tensor>> = usable
        .chunks(decode.batch_size.max(1))
        .map(|batch| (0..features.encoders()).map(|encoder| features.rows(encoder, batch)).collect())
        .collect::<Result<_>>()?;
    if decode.method != DecodeMethod::Comparison {
        return explained(decode_all(&trained, &batches, &decode)?, &|f, c| trained.explain(f, c));
    }
    let root = trained.experiment.data.root.clone();
    if !root.exists() {
        tracing::warn!(
            "comparison-based beam search needs the training images, but there is no '{}': using beam search (set its \
            folder with --set data.root=FOLDER)",
            root.display()
        );
        let decode = DecodeConfig { method: DecodeMethod::Beam, ..decode };
        return explained(decode_all(&trained, &batches, &decode)?, &|f, c| trained.explain(f, c));
    }
    let session = Session::with_trained(trained, &mut |p| progress.update(p))?;
    explained(session.decode_features(&batches, &decode)?, &|f, c| session.explain(f, c))
}

fn decode_all(trained: &Trained, batches: &[Vec<Tensor>], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
    let mut decoded = Vec::new();
    for batch in batches {
        decoded.extend(trained.decode(batch, decode)?);
    }
    Ok(decoded)
}

/// The images that the arguments mean, in sorted order within a folder, none twice.
fn find_images(paths: &[PathBuf], recursive: bool) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            for line in std::io::stdin().lock().lines() {
                let line = line.context("cannot read the list of images on standard input")?;
                if !line.trim().is_empty() {
                    images.push(PathBuf::from(line.trim()));
                }
            }
        } else if path.is_dir() {
            let before = images.len();
            collect(path, recursive, &mut images)?;
            if images.len() == before {
                bail!(
                    "no image (tif, png, jpg) in '{}'{}",
                    path.display(),
                    if recursive { "" } else { "; use --recursive to search subfolders" }
                );
            }
        } else if path.exists() {
            images.push(path.clone());
        } else {
            bail!("file or folder '{}' does not exist", path.display());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    images.retain(|path| seen.insert(path.clone()));
    Ok(images)
}

fn collect(folder: &Path, recursive: bool, images: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("cannot read the folder '{}'", folder.display());
    let mut entries =
        std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).with_context(context)?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if recursive {
                collect(&path, recursive, images)?;
            }
        } else if is_image_name(&path) {
            images.push(path);
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

/// One image's line; `why` where attributes are asked for.
fn line(path: &Path, decoded: &Decoded, why: Option<&Explanation>, format: CaptionFormat) -> Result<String> {
    let likely = why.map(|why| {
        let word = |(word, probability): &(String, f64)| format!("{word} {probability:.2}");
        why.likely_attributes().map(word).collect::<Vec<_>>().join(", ")
    });
    Ok(match format {
        CaptionFormat::Text => {
            let more = likely.map_or_else(String::new, |likely| format!("\t{likely}"));
            format!("{}\t{}{more}", name(path), decoded.caption)
        }
        CaptionFormat::Csv => {
            let more = likely.map_or_else(String::new, |likely| format!(",{}", csv(&likely)));
            format!("{},{},{}{more}", csv(&name(path)), csv(&decoded.caption), decoded.log_prob)
        }
        CaptionFormat::Jsonl => {
            let candidates: Vec<_> = decoded
                .candidates
                .iter()
                .map(|c| serde_json::json!({"caption": c.caption, "log_prob": c.log_prob}))
                .collect();
            let mut value = serde_json::json!({
                "file": name(path), "caption": decoded.caption, "log_prob": decoded.log_prob, "candidates": candidates,
            });
            if let (Some(why), Some(object)) = (why, value.as_object_mut()) {
                object.insert("attributes".into(), serde_json::to_value(&why.attributes)?);
                object.insert("attention".into(), serde_json::to_value(&why.attention)?);
            }
            if !decoded.nouns.is_empty() {
                value["nouns"] = serde_json::json!(decoded.nouns);
            }
            serde_json::to_string(&value)?
        }
    })
}

const CSV_HEADER: &str = "file,caption,log_prob";
const CSV_HEADER_ATTRIBUTES: &str = "file,caption,log_prob,attributes";

fn csv(field: &str) -> String {
    let special = field.contains([',', '"', '\n', '\r']);
    if special { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

/// The lines of an earlier output, by image.
fn existing_lines(output: &Path, format: CaptionFormat) -> Result<BTreeMap<String, String>> {
    if !output.exists() {
        return Ok(BTreeMap::new());
    }
    let mut lines = BTreeMap::new();
    for (number, line) in read_text(output)?.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let file = match format {
            CaptionFormat::Text => line.split_once('\t').map(|(file, _)| file.to_owned()),
            CaptionFormat::Csv if line == CSV_HEADER || line == CSV_HEADER_ATTRIBUTES => continue,
            CaptionFormat::Csv => csv_first(line),
            CaptionFormat::Jsonl => serde_json::from_str::<serde_json::Value>(line)
                .ok()
                .and_then(|value| Some(value.get("file")?.as_str()?.to_owned())),
        };
        match file {
            Some(file) => _ = lines.insert(file, line.to_owned()),
            None => bail!(
                "'{}' line {} is not in the format of --format {format:?}; use the file's own --format or another \
                --output",
                output.display(),
                number + 1
            ),
        }
    }
    Ok(lines)
}

fn csv_first(line: &str) -> Option<String> {
    match line.strip_prefix('"') {
        None => line.split_once(',').map(|(file, _)| file.to_owned()),
        Some(quoted) => quoted.split_once("\",").map(|(file, _)| file.replace("\"\"", "\"")),
    }
}

/// One line per captioned image, in the order of the images, after a header where the format has one.
fn write_lines(images: &[PathBuf], lines: &BTreeMap<String, String>, args: &CaptionArgs) -> Result<()> {
    let mut text = String::new();
    if args.format == CaptionFormat::Csv {
        text += if args.attributes { CSV_HEADER_ATTRIBUTES } else { CSV_HEADER };
        text.push('\n');
    }
    let asked: std::collections::BTreeSet<String> = images.iter().map(|path| name(path)).collect();
    let kept = lines.iter().filter(|(file, _)| !asked.contains(*file)).map(|(_, line)| line);
    for line in kept.chain(images.iter().filter_map(|path| lines.get(&name(path)))) {
        text += line;
        text.push('\n');
    }
    match &args.output {
        Some(output) => write_atomic(output, text.as_bytes()),
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_field_comes_back() {
        for field in ["plain.png", "with, comma.png", "with \"quotes\".png"] {
            assert_eq!(csv_first(&format!("{},caption,-1", csv(field))).as_deref(), Some(field));
        }
    }

    #[test]
    fn folders_are_searched_in_order_and_nothing_is_captioned_twice() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b.png", "a.jpg", "notes.txt", "sub/c.tif"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let root = folder.path().to_owned();
        let found = |paths: &[PathBuf], recursive| -> Vec<String> {
            let images = find_images(paths, recursive).unwrap();
            images.iter().map(|p| p.strip_prefix(&root).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(&[root.clone(), root.join("a.jpg")], false), ["a.jpg", "b.png"]);
        assert_eq!(found(std::slice::from_ref(&root), true), ["a.jpg", "b.png", "sub/c.tif"]);
        assert!(find_images(&[root.join("absent.png")], false).is_err());
    }
}
