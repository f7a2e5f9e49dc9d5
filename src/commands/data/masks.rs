//! `rsic data masks` and `rsic data nouns`.

use super::super::ExitStatus;
use crate::cli::{LogFormat, MasksArgs, NounsArgs};
use crate::data::image::decode_file;
use crate::data::masks::{Finder, SegmenterRules, segment, write_solid};
use crate::data::nouns::{NounRules, Nouns};
use crate::data::{Dataset, Split};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::io::{Write, stdout};
use std::path::Path;

/// Segments the images of a dataset that have no mask.
pub(super) fn make_masks(args: &MasksArgs) -> Result<ExitStatus> {
    let config = super::settings(&args.data)?;
    let dataset = Dataset::load(&config)?;
    let folder = args.output.clone().unwrap_or_else(|| config.root.join("masks"));
    let folder =
        std::path::absolute(&folder).with_context(|| format!("cannot find the folder '{}'", folder.display()))?;
    let finder = Finder::of_dataset(&folder, &config.root, &dataset.images_dir);
    let defaults = SegmenterRules::default();
    let rules = SegmenterRules {
        scale: args.scale.unwrap_or(defaults.scale),
        sigma: args.sigma.unwrap_or(defaults.sigma),
        min_area: args.min_area.unwrap_or(defaults.min_area),
        ..defaults
    };
    let todo: Vec<&Path> = dataset
        .images
        .iter()
        .map(|image| image.path.as_path())
        .filter(|image| args.overwrite || finder.find(image).is_none())
        .collect();
    let bar = ProgressBar::new(todo.len() as u64); // drawn on standard error, and only where that is a terminal
    bar.set_style(ProgressStyle::with_template("{pos}/{len} images segmented  {bar:40}  {per_sec}  eta {eta}")?);
    let made: Vec<Result<usize>> = todo
        .par_iter()
        .map(|image| {
            let labels = segment(&decode_file(image)?, &rules)?;
            let path = finder.target(image).with_context(|| format!("'{}' is no file name", image.display()))?;
            write_solid(&path, &labels)?;
            bar.inc(1);
            Ok(labels.objects())
        })
        .collect();
    bar.finish_and_clear();
    let regions: usize = made.iter().flatten().sum();
    let (written, failed) = (made.iter().flatten().count(), made.iter().filter(|mask| mask.is_err()).count());
    for error in made.iter().filter_map(|mask| mask.as_ref().err()) {
        eprintln!("error: {error:#}");
    }
    writeln!(
        stdout().lock(),
        "{}: {written} masks made by unsupervised segmentation, {:.1} regions each; {} were there",
        folder.display(),
        regions as f64 / written.max(1) as f64,
        dataset.images.len() - todo.len()
    )?;
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Prints the nouns of a dataset, or those of every caption.
pub(super) fn nouns(args: &NounsArgs) -> Result<ExitStatus> {
    let dataset = Dataset::load_captions(&super::settings(&args.data)?)?;
    let mut rules = NounRules { tagger: args.tagger.clone(), ..NounRules::default() };
    if let Some(count) = args.min_count {
        rules.min_count = count;
    }
    if args.all_splits {
        rules.splits = Split::ALL.map(|split| split.name().to_owned()).into();
    }
    let nouns = Nouns::build(&dataset, &rules)?;
    let mut out = stdout().lock();
    if args.captions {
        for (image, of_image) in dataset.images.iter().zip(nouns.of_dataset(&dataset)) {
            for (caption, nouns) in image.captions.iter().zip(of_image) {
                match args.data.format {
                    LogFormat::Json => {
                        let line = serde_json::json!({
                            "file": image.file_name, "caption": caption.words.join(" "), "nouns": nouns,
                        });
                        writeln!(out, "{line}")?;
                    }
                    LogFormat::Text => {
                        writeln!(out, "{}\t{}\t{}", image.file_name, caption.words.join(" "), nouns.join(" "))?;
                    }
                }
            }
        }
        return Ok(ExitStatus::Success);
    }
    match args.data.format {
        LogFormat::Json => {
            let counts: serde_json::Map<String, serde_json::Value> =
                nouns.counts().into_iter().map(|(noun, count)| (noun.to_owned(), count.into())).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&counts)?)?;
        }
        LogFormat::Text => {
            for (noun, count) in nouns.counts() {
                writeln!(out, "{count:>7}  {noun}")?;
            }
        }
    }
    Ok(ExitStatus::Success)
}
