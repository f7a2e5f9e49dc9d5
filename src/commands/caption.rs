//! `rsic caption`: captions of images and folders, from pixels, with a trained run.

mod lines;
mod output;
mod stream;

use super::ExitStatus;
use super::progress::FeatureBar;
use super::sam;
use crate::cli::{CaptionArgs, CaptionFormat, GlobalArgs};
use crate::data::is_image_name;
use crate::data::masks::Finder;
use crate::decode::DecodeMethod;
use crate::runs::Explanation;
use crate::runtime::{self, Interrupt};
use crate::session::{Decoded, Session, Trained};
use crate::util::walk;
use anyhow::{Context, Result, bail};
use lines::Lines;
use output::name;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use stream::Stream;
use tch::Tensor;

pub(super) fn run(global: &GlobalArgs, args: &CaptionArgs) -> Result<ExitStatus> {
    let device = runtime::device(&global.device)?;
    runtime::set_threads(global.threads)?;
    let trained = Trained::load(&args.model, &args.reading.settings(&args.overrides), device)?;
    let images = find_images(&args.paths, args.recursive)?;
    let mut lines = Lines::new(args)?;
    let known = lines.names();
    let todo: Vec<PathBuf> = images.iter().filter(|path| !known.contains(&name(path))).cloned().collect();
    let interrupt = Interrupt::install()?;
    let finder = match (&args.sam, trained.experiment.model.masks()) {
        (None, _) => None,
        (Some(weights), Some(rules)) => {
            Some(sam::make_missing(Finder::of_images(&rules.folder), &todo, weights, device, &interrupt)?)
        }
        (Some(_), None) => bail!("'{}' does not use masks; omit --sam", args.model.display()),
    };
    if args.attributes && trained.attributes.is_none() && args.format != CaptionFormat::Jsonl {
        bail!("'{}' does not predict attributes; omit --attributes", args.model.display());
    }
    if args.nouns && trained.experiment.model.nouns().is_none() {
        bail!("'{}' does not predict nouns; omit --nouns", args.model.display());
    }
    let failed = match todo.is_empty() {
        true => 0,
        false => caption(trained, &todo, finder.as_ref(), args, &interrupt, &mut lines)?,
    };
    lines.finish(&images)?;
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Captions as the run says; gives how many images could not be read. Comparison-based search looks at the training
/// images; where they are not at hand, beam search takes its place, and says so.
fn caption(
    trained: Trained,
    todo: &[PathBuf],
    finder: Option<&Finder>,
    args: &CaptionArgs,
    interrupt: &Interrupt,
    lines: &mut Lines,
) -> Result<usize> {
    let (experiment, device) = (trained.experiment.clone(), trained.device);
    let mut bar = FeatureBar::new(interrupt);
    let stream = Stream { experiment: &experiment, todo, finder, device, args, interrupt };
    let root = &experiment.data.root;
    if experiment.decode.method == DecodeMethod::Comparison && root.exists() {
        let session = Session::with_trained(trained, &mut |p| bar.update(p))?;
        let search = session.search(&experiment.decode)?;
        let decode = |features: &[Tensor]| {
            let decoded = search.decode(features, &[])?;
            anyhow::Ok(explained(decoded, features, args, &|row, caption| session.explain(row, caption)))
        };
        return stream.run(&decode, lines, &mut |p| bar.update(p));
    }
    let mut settings = experiment.decode.clone();
    if settings.method == DecodeMethod::Comparison {
        tracing::warn!(
            "comparison-based beam search needs the training images, but there is no '{}': using beam search (set its \
            folder with --set data.root=FOLDER)",
            root.display()
        );
        settings.method = DecodeMethod::Beam;
    }
    let nouns = args.nouns || args.format == CaptionFormat::Jsonl;
    let decode = |features: &[Tensor]| {
        let decoded = trained.decode(features, &settings, nouns)?;
        anyhow::Ok(explained(decoded, features, args, &|row, caption| trained.explain(row, caption)))
    };
    stream.run(&decode, lines, &mut |p| bar.update(p))
}

/// Captions with what the arguments ask to be told of them, `explain` given an image's features.
fn explained(
    decoded: Vec<Decoded>,
    features: &[Tensor],
    args: &CaptionArgs,
    explain: &dyn Fn(&[Tensor], &str) -> Explanation,
) -> Vec<(Decoded, Explanation)> {
    let one = |(image, decoded): (i64, Decoded)| {
        let why = match args.attributes {
            true => {
                let rows: Vec<Tensor> = features.iter().map(|features| features.narrow(0, image, 1)).collect();
                explain(&rows, &decoded.caption)
            }
            false => Explanation::default(),
        };
        (decoded, why)
    };
    (0..).zip(decoded).map(one).collect()
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
            let (read, unread): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_image_name(file));
            tell_unread(path, &unread);
            images.extend(read);
            if images.len() == before {
                bail!(
                    "no image (tif, png, jpg, webp, bmp) in '{}'{}",
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

/// Counts the files of kinds that are not read, such as JPEG 2000: a folder of them is no folder without images.
fn tell_unread(folder: &Path, files: &[PathBuf]) {
    let mut kinds = BTreeMap::<String, usize>::new();
    for file in files.iter().filter(|file| !is_hidden(file)) {
        let kind = file.extension().map_or("no ending".into(), |end| format!(".{}", end.to_string_lossy()));
        *kinds.entry(kind.to_lowercase()).or_default() += 1;
    }
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
        tracing::info!("files of other kinds in '{}' are left out: {}", folder.display(), kinds.join(", "));
    }
}

fn is_hidden(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
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
