//! `rsic data masks`.

use super::super::ExitStatus;
use super::super::sam::{find_weights, labels, load};
use crate::cli::{GlobalArgs, MaskPicture, MasksArgs, SamArgs};
use crate::data::image::decode_file;
use crate::data::masks::{Finder, MaskMode, SegmenterRules, read, records_text, segment, write_drawn};
use crate::data::{Dataset, is_image_name};
use crate::models::sam::{GeneratorRules, Sam, generate};
use crate::runtime::{self, Interrupt};
use crate::util::fs::write_atomic;
use crate::util::logging;
use crate::util::walk;
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Makes the masks of images that have none.
pub(super) fn make_masks(global: &GlobalArgs, args: &MasksArgs) -> Result<ExitStatus> {
    let weights = args.sam.sam.as_deref().map(find_weights).transpose()?; // before anything is looked at
    let (images, finder, folder) = images(args)?;
    let (part, parts) = args.shard.unwrap_or((1, 1));
    let mine: Vec<&PathBuf> = images.iter().skip(part - 1).step_by(parts).collect();
    let is_made = |image: &Path| match (finder.find(image), &weights) {
        // Records without a picture: their picture is to be drawn yet.
        (Some(found), Some(_)) => Some(found) != finder.records_target(image),
        (found, _) => found.is_some(),
    };
    let todo: Vec<&Path> =
        mine.iter().map(|image| image.as_path()).filter(|image| args.overwrite || !is_made(image)).collect();
    let job = Job { finder: &finder, args, todo: &todo };
    let start = Instant::now();
    let (made, how) = match &weights {
        Some(weights) => job.by_sam(global, weights)?,
        None => (job.by_colour()?, "unsupervised segmentation".to_owned()),
    };
    let objects: usize = made.iter().flatten().sum();
    let (written, failed) = (made.iter().flatten().count(), made.iter().filter(|mask| mask.is_err()).count());
    for error in made.iter().filter_map(|mask| mask.as_ref().err()) {
        tracing::error!("{error:#}");
    }
    let mut out = stdout().lock();
    write!(
        out,
        "{}: {written} masks made by {how}, {:.1} regions on average; {} already existed",
        folder.display(),
        objects as f64 / written.max(1) as f64,
        mine.len() - todo.len()
    )?;
    if failed > 0 {
        write!(out, "; {failed} images failed")?;
    }
    if weights.is_some() && written > 0 {
        write!(out, "; {:.3} images/s", written as f64 / start.elapsed().as_secs_f64())?;
    }
    writeln!(out)?;
    Ok(match (made.len() < todo.len(), failed) {
        (true, _) => {
            tracing::warn!("interrupted; rerun the same command to continue");
            ExitStatus::Interrupted
        }
        (_, 0) => ExitStatus::Success,
        _ => ExitStatus::Failure,
    })
}

/// The images that are meant, where their masks lie, and the folder of those.
fn images(args: &MasksArgs) -> Result<(Vec<PathBuf>, Finder, PathBuf)> {
    let absolute = |folder: PathBuf| {
        std::path::absolute(&folder).with_context(|| format!("cannot find the folder '{}'", folder.display()))
    };
    let given = &args.data.dataset;
    if let Some(images) = loose_images(given)? {
        let folder = absolute(args.output.clone().unwrap_or_else(|| given.join("masks")))?;
        let finder = Finder::of_dataset(&folder, given, given);
        return Ok((images, finder, folder));
    }
    let config = super::settings(&args.data)?;
    let dataset = Dataset::load(&config)?;
    let folder = absolute(args.output.clone().unwrap_or_else(|| config.root.join("masks")))?;
    let finder = Finder::of_dataset(&folder, &config.root, &dataset.images_dir);
    Ok((dataset.images.into_iter().map(|image| image.path).collect(), finder, folder))
}

/// The images of a folder that is no dataset: it holds images and no file that might be of captions.
fn loose_images(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut files = walk::entries(folder).with_context(|| format!("cannot read the folder '{}'", folder.display()))?;
    files.retain(|path| path.is_file());
    let captions = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| ["json", "jsonl", "csv", "tsv"].iter().any(|known| e.eq_ignore_ascii_case(known)))
    };
    let has_captions = files.iter().any(captions);
    let images: Vec<PathBuf> = files.into_iter().filter(|path| is_image_name(path)).collect();
    Ok((!has_captions && !images.is_empty()).then_some(images))
}

struct Job<'a> {
    finder: &'a Finder,
    args: &'a MasksArgs,
    todo: &'a [&'a Path],
}

impl Job<'_> {
    fn mode(&self) -> MaskMode {
        match self.args.picture {
            MaskPicture::Solid => MaskMode::Solid,
            MaskPicture::Overlay => MaskMode::Overlay,
            MaskPicture::Edges => MaskMode::Edges,
        }
    }

    /// Regions of even colour, on all cores: the number of each image's.
    fn by_colour(&self) -> Result<Vec<Result<usize>>> {
        let defaults = SegmenterRules::default();
        let rules = SegmenterRules {
            scale: self.args.scale.unwrap_or(defaults.scale),
            sigma: self.args.sigma.unwrap_or(defaults.sigma),
            min_area: self.args.min_area.unwrap_or(defaults.min_area),
            ..defaults
        };
        let bar = logging::progress(self.todo.len(), "images segmented");
        let made = self.todo.par_iter().map(|image| {
            let pixels = decode_file(image)?;
            let labels = segment(&pixels, &rules)?;
            write_drawn(&self.picture(image)?, &pixels, &labels, self.mode())?;
            bar.advance(1);
            Ok(labels.objects())
        });
        Ok(made.collect())
    }

    /// Objects by Segment Anything, image by image until the process is asked to stop: the number of each image's, and
    /// which model it was.
    fn by_sam(&self, global: &GlobalArgs, weights: &Path) -> Result<(Vec<Result<usize>>, String)> {
        let settings = &self.args.sam;
        let rules = rules(settings);
        rules.check()?;
        if self.todo.is_empty() {
            return Ok((Vec::new(), "Segment Anything".into()));
        }
        let device = runtime::device(&global.device)?;
        runtime::set_threads(global.threads)?;
        let interrupt = Interrupt::install()?;
        let sam = load(weights, device, settings.bf16)?;
        let bar = logging::progress(self.todo.len(), "masks by Segment Anything");
        let mut made = Vec::new();
        for image in self.todo {
            if interrupt.requested() {
                break;
            }
            made.push(self.one(&sam, image, &rules));
            bar.advance(1);
        }
        Ok((made, format!("Segment Anything ({}, '{}')", sam.config.name(), weights.display())))
    }

    /// Records first, then the picture: where there is a picture, all is there.
    fn one(&self, sam: &Sam, image: &Path, rules: &GeneratorRules) -> Result<usize> {
        let records =
            self.finder.records_target(image).with_context(|| format!("'{}' is not a file name", image.display()))?;
        let pixels = decode_file(image)?;
        let labels = if records.is_file() && !self.args.overwrite {
            let (width, height) = pixels.dimensions();
            read(&records)?.resized(width, height)
        } else {
            let found = generate(&mut sam.predictor(), &pixels, rules)
                .with_context(|| format!("cannot segment '{}'", image.display()))?;
            write_atomic(&records, records_text(&found, !self.args.sam.uncompressed).as_bytes())?;
            labels(&pixels, &found).with_context(|| format!("in the masks of '{}'", image.display()))?
        };
        write_drawn(&self.picture(image)?, &pixels, &labels, self.mode())?;
        Ok(labels.objects())
    }

    fn picture(&self, image: &Path) -> Result<PathBuf> {
        self.finder.target(image).with_context(|| format!("'{}' is not a file name", image.display()))
    }
}

fn rules(settings: &SamArgs) -> GeneratorRules {
    let defaults = GeneratorRules::default();
    GeneratorRules {
        points_per_side: settings.points_per_side.unwrap_or(defaults.points_per_side),
        points_per_batch: settings.points_per_batch.unwrap_or(defaults.points_per_batch),
        pred_iou_thresh: settings.pred_iou_thresh.unwrap_or(defaults.pred_iou_thresh),
        stability_score_thresh: settings.stability_score_thresh.unwrap_or(defaults.stability_score_thresh),
        stability_score_offset: settings.stability_score_offset.unwrap_or(defaults.stability_score_offset),
        box_nms_thresh: settings.box_nms_thresh.unwrap_or(defaults.box_nms_thresh),
        crop_n_layers: settings.crop_n_layers.unwrap_or(defaults.crop_n_layers),
        crop_nms_thresh: settings.crop_nms_thresh.unwrap_or(defaults.crop_nms_thresh),
        crop_overlap_ratio: settings.crop_overlap_ratio.unwrap_or(defaults.crop_overlap_ratio),
        crop_n_points_downscale_factor: settings
            .crop_n_points_downscale_factor
            .unwrap_or(defaults.crop_n_points_downscale_factor),
        min_mask_region_area: settings.min_mask_region_area.unwrap_or(defaults.min_mask_region_area),
    }
}
