//! `rsic caption`: captions of images and folders, from pixels, with a trained run.

mod output;

use super::ExitStatus;
use super::progress::FeatureBar;
use super::sam;
use crate::cli::{CaptionArgs, CaptionFormat, GlobalArgs};
use crate::data::is_image_name;
use crate::data::masks::Finder;
use crate::decode::{DecodeConfig, DecodeMethod};
use crate::features::FeatureSet;
use crate::runs::Explanation;
use crate::runtime::{self, Interrupt};
use crate::session::{Decoded, Session, Trained, look};
use crate::util::walk;
use anyhow::{Context, Result, bail};
use output::{Records, name, record};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use tch::Tensor;

pub(super) fn run(global: &GlobalArgs, args: &CaptionArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let trained = Trained::load(&args.model, &args.overrides, device)?;
    let images = find_images(&args.paths, args.recursive)?;
    let mut records = match &args.output {
        Some(output) if args.skip_existing => output::existing(output, args.format)?,
        _ => Records::new(),
    };
    let todo: Vec<PathBuf> = images.iter().filter(|path| !records.contains_key(&name(path))).cloned().collect();
    let interrupt = Interrupt::install()?;
    let mut progress = FeatureBar::new(&interrupt);
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
    if args.nouns && trained.experiment.model.nouns().is_none() {
        bail!("'{}' does not predict nouns; omit --nouns", args.model.display());
    }
    if !usable.is_empty() {
        for (&image, (decoded, why)) in usable.iter().zip(decode(trained, &features, &usable, args, &mut progress)?) {
            records.insert(name(&todo[image]), record(&todo[image], &decoded, &why, args)?);
        }
    }
    output::write(&images, &records, args)?;
    for why in features.failures().values() {
        tracing::error!("{why}");
    }
    Ok(if features.failures().is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Decodes as the run says. Comparison-based search looks at the training images; where they are not at hand, beam
/// search takes its place, and says so.
fn decode(
    trained: Trained,
    features: &FeatureSet,
    usable: &[usize],
    args: &CaptionArgs,
    progress: &mut FeatureBar,
) -> Result<Vec<(Decoded, Explanation)>> {
    let explained = |decoded: Vec<Decoded>, of: &dyn Fn(&[Tensor], &str) -> Explanation| {
        let one = |(&image, decoded): (&usize, Decoded)| {
            let row = (0..features.encoders()).map(|encoder| features.rows(encoder, &[image]));
            let why = if args.attributes {
                of(&row.collect::<Result<Vec<_>>>()?, &decoded.caption)
            } else {
                Explanation::default()
            };
            Ok((decoded, why))
        };
        usable.iter().zip(decoded).map(one).collect()
    };
    let nouns = args.nouns || args.format == CaptionFormat::Jsonl;
    let decode = trained.experiment.decode.clone();
    let batches: Vec<Vec<Tensor>> = usable
        .chunks(decode.batch_size.max(1))
        .map(|batch| (0..features.encoders()).map(|encoder| features.rows(encoder, batch)).collect())
        .collect::<Result<_>>()?;
    if decode.method != DecodeMethod::Comparison {
        return explained(decode_all(&trained, &batches, &decode, nouns, progress)?, &|f, c| trained.explain(f, c));
    }
    let root = trained.experiment.data.root.clone();
    if !root.exists() {
        tracing::warn!(
            "comparison-based beam search needs the training images, but there is no '{}': using beam search (set its \
            folder with --set data.root=FOLDER)",
            root.display()
        );
        let decode = DecodeConfig { method: DecodeMethod::Beam, ..decode };
        return explained(decode_all(&trained, &batches, &decode, nouns, progress)?, &|f, c| trained.explain(f, c));
    }
    let session = Session::with_trained(trained, &mut |p| progress.update(p))?;
    explained(session.decode_features(&batches, &decode, progress.interrupt())?, &|f, c| session.explain(f, c))
}

fn decode_all(
    trained: &Trained,
    batches: &[Vec<Tensor>],
    decode: &DecodeConfig,
    nouns: bool,
    progress: &FeatureBar,
) -> Result<Vec<Decoded>> {
    let mut decoded = Vec::new();
    for batch in batches {
        progress.check()?;
        decoded.extend(trained.decode(batch, decode, nouns)?);
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
            let files = walk::files(path, |folder| recursive || folder == path)
                .with_context(|| format!("cannot read the folder '{}'", path.display()))?;
            let before = images.len();
            images.extend(files.into_iter().filter(|file| is_image_name(file)));
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

#[cfg(test)]
mod tests {
    use super::*;

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
