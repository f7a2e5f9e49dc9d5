//! Masks of everything in an image: Segment Anything asked at a grid of points, its answers filtered.
//!
//! Settings, their defaults, the order of the filters and the order of the masks are those of the published generator.

mod grid;
mod nms;

use super::frame::Frame;
use crate::data::masks::{Found, Rle, RunLengths};
use crate::runtime::guard::halving;
use ::image::RgbImage;
use anyhow::{Result, ensure};
use rayon::prelude::*;
use serde::Serialize;
use tch::{Kind, Tensor};

/// Settings of the generator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GeneratorRules {
    /// Points along a side of the grid.
    pub points_per_side: usize,
    /// Points that are decoded at a time: more take more memory.
    pub points_per_batch: usize,
    /// Masks that the model itself expects to fit no better than this (IoU) are dropped; 0 drops none.
    pub pred_iou_thresh: f64,
    /// Masks are dropped whose area shrinks below this part of itself when the threshold of the logits goes from below
    /// to above 0.
    pub stability_score_thresh: f64,
    /// How far below and above.
    pub stability_score_offset: f64,
    /// Of two masks whose boxes overlap more than this (IoU) the better stays.
    pub box_nms_thresh: f64,
    /// Layers of crops that are asked, too: layer `l` has `4^l`.
    pub crop_n_layers: usize,
    /// As `box_nms_thresh`, for masks of different crops, of which those of smaller crops are preferred.
    pub crop_nms_thresh: f64,
    /// How far the crops of the first layer overlap: part of the image's shorter side.
    pub crop_overlap_ratio: f64,
    /// In each layer the grid has fewer points along a side, by this factor.
    pub crop_n_points_downscale_factor: usize,
    /// Islands and holes of fewer pixels are removed; 0 removes none.
    pub min_mask_region_area: usize,
}

impl Default for GeneratorRules {
    fn default() -> Self {
        Self {
            points_per_side: 32,
            points_per_batch: 64,
            pred_iou_thresh: 0.88,
            stability_score_thresh: 0.95,
            stability_score_offset: 1.0,
            box_nms_thresh: 0.7,
            crop_n_layers: 0,
            crop_nms_thresh: 0.7,
            crop_overlap_ratio: 512.0 / 1500.0,
            crop_n_points_downscale_factor: 1,
            min_mask_region_area: 0,
        }
    }
}

impl GeneratorRules {
    /// Most points along a side, most layers.
    const MOST: (usize, usize) = (1024, 6);

    /// Refuses settings that mean nothing.
    pub fn check(&self) -> Result<()> {
        let (side, layers) = Self::MOST;
        ensure!((1..=side).contains(&self.points_per_side), "points per side must be 1 to {side}");
        ensure!(self.points_per_batch > 0, "points per batch must be at least 1");
        ensure!(self.crop_n_layers <= layers, "the number of crop layers must be 0 to {layers}");
        ensure!(self.crop_n_points_downscale_factor > 0, "the points downscale factor must be at least 1");
        ensure!((0.0..1.0).contains(&self.crop_overlap_ratio), "the crop overlap ratio must be at least 0 and below 1");
        let numbers = [self.pred_iou_thresh, self.stability_score_thresh, self.box_nms_thresh, self.crop_nms_thresh];
        ensure!(numbers.iter().all(|number| number.is_finite()), "a threshold is not a number");
        ensure!(self.stability_score_offset >= 0.0, "the offset of the stability score must be 0 or more");
        Ok(())
    }

    /// Points along a side of a crop's grid.
    fn side(&self, layer: usize) -> usize {
        let factor = self.crop_n_points_downscale_factor.saturating_pow(layer as u32);
        self.points_per_side / factor
    }
}

/// Masks of one batch of points that passed the first filter, those of a point side by side.
#[derive(Debug)]
pub struct Candidates {
    /// Which of the points each mask belongs to.
    pub points: Vec<usize>,
    /// The IoU that each is expected to have.
    pub ious: Vec<f32>,
    /// `[K, h, w]` Float, of the encoder's square.
    pub logits: Tensor,
}

/// What answers points with masks.
pub trait Predictor {
    /// Takes in an image, or a crop of one; the points that follow are in it.
    fn look(&mut self, image: &RgbImage) -> Result<Frame>;

    /// The masks for each point `(x, y)`, in pixels of the image, whose expected IoU is greater than `above`.
    fn predict(&mut self, points: &[[f64; 2]], above: Option<f32>) -> Result<Candidates>;
}

/// Memory of a batch's logits at full size: this many numbers, or one mask.
const PIXELS: i64 = 1 << 24;

/// Everything that is found in an image, in the published order: by falling expected IoU within a crop, smaller crops
/// first.
pub fn generate(predictor: &mut dyn Predictor, image: &RgbImage, rules: &GeneratorRules) -> Result<Vec<Found>> {
    rules.check()?;
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let crops = grid::crops(width, height, rules.crop_n_layers, rules.crop_overlap_ratio);
    let mut found = Vec::new();
    for crop in &crops {
        found.extend(of_crop(predictor, image, crop, rules)?);
    }
    if crops.len() > 1 {
        let area = |found: &Found| ((found.crop[2] - found.crop[0]) * (found.crop[3] - found.crop[1])) as f32;
        let scores: Vec<f32> = found.iter().map(|found| 1.0 / area(found)).collect();
        found = chosen(found, &scores, rules.crop_nms_thresh);
    }
    if rules.min_mask_region_area > 0 {
        found = without_small_regions(found, rules);
    }
    Ok(found)
}

/// Those that non-maximum suppression keeps, in its order.
fn chosen(found: Vec<Found>, scores: &[f32], threshold: f64) -> Vec<Found> {
    let boxes: Vec<[i64; 4]> = found.iter().map(|found| found.bounds).collect();
    let mut found: Vec<Option<Found>> = found.into_iter().map(Some).collect();
    nms::keep(&boxes, scores, threshold).into_iter().filter_map(|index| found.get_mut(index)?.take()).collect()
}

fn of_crop(
    predictor: &mut dyn Predictor,
    image: &RgbImage,
    crop: &grid::Crop,
    rules: &GeneratorRules,
) -> Result<Vec<Found>> {
    let [left, top, right, bottom] = crop.bounds;
    let (width, height) = (right - left, bottom - top);
    let whole = (width, height) == (i64::from(image.width()), i64::from(image.height()));
    let frame = if whole {
        predictor.look(image)?
    } else {
        let [x, y, wide, tall] = [left, top, width, height].map(|length| length as u32);
        predictor.look(&::image::imageops::crop_imm(image, x, y, wide, tall).to_image())?
    };
    let size = [i64::from(image.width()), i64::from(image.height())];
    let points = grid::points(rules.side(crop.layer), width, height);
    let above = (rules.pred_iou_thresh > 0.0).then_some(rules.pred_iou_thresh as f32);
    let mut found = Vec::new();
    for points in points.chunks(rules.points_per_batch) {
        found.extend(halving(points.len(), "points", &mut |part| {
            let points = points.get(part).unwrap_or_default();
            let candidates = predictor.predict(points, above)?;
            of_candidates(&candidates, points, &frame, crop.bounds, size, rules)
        })?);
    }
    let scores: Vec<f32> = found.iter().map(|found: &Found| found.iou).collect();
    Ok(chosen(found, &scores, rules.box_nms_thresh))
}

/// Masks at full size, a few at a time: those that are stable and are not cut by the crop's edge.
fn of_candidates(
    candidates: &Candidates,
    points: &[[f64; 2]],
    frame: &Frame,
    crop: [i64; 4],
    size: [i64; 2],
    rules: &GeneratorRules,
) -> Result<Vec<Found>> {
    let count = candidates.ious.len() as i64;
    let at_a_time = (PIXELS / (frame.side * frame.side + frame.width * frame.height)).max(1);
    let mut found = Vec::new();
    for start in (0..count).step_by(at_a_time as usize) {
        let logits = frame.masks(&candidates.logits.narrow(0, start, at_a_time.min(count - start)));
        let area = |threshold: f64| -> Result<Vec<i64>> {
            let above = logits.gt(threshold).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Int64);
            Ok(Vec::try_from(above)?)
        };
        let offset = rules.stability_score_offset;
        let stability: Vec<f32> =
            area(offset)?.into_iter().zip(area(-offset)?).map(|(inner, outer)| inner as f32 / outer as f32).collect();
        let least = rules.stability_score_thresh as f32;
        // A mask without any pixel has no stability; where nothing is filtered it stays.
        let stable = |score: f32| rules.stability_score_thresh <= 0.0 || score >= least;
        let kept: Vec<i64> = (0..).zip(&stability).filter(|(_, score)| stable(**score)).map(|(at, _)| at).collect();
        let wanted = Tensor::from_slice(&kept).to_device(logits.device());
        let columns = logits.index_select(0, &wanted).gt(0.0).transpose(1, 2).contiguous().to_kind(Kind::Uint8);
        let bytes: Vec<u8> = columns.flatten(0, -1).try_into()?;
        let area = (frame.width * frame.height).max(1) as usize;
        let masks: Vec<Option<(Rle, [i64; 4])>> = bytes
            .par_chunks(area)
            .map(|mask| encode(mask, frame.height as usize, crop, size))
            .collect::<Result<_>>()?;
        for (&at, mask) in kept.iter().zip(masks) {
            let index = (start + at) as usize;
            let point = candidates.points.get(index).and_then(|&point| points.get(point)).copied().unwrap_or_default();
            let Some((rle, bounds)) = mask else { continue };
            found.push(Found {
                rle,
                bounds,
                iou: candidates.ious.get(index).copied().unwrap_or_default(),
                point: [point[0] + crop[0] as f64, point[1] + crop[1] as f64],
                stability: stability.get(at as usize).copied().unwrap_or_default(),
                crop,
            });
        }
    }
    Ok(found)
}

/// A mask of a crop, column by column, as run lengths and box within the image; `None` where the crop's edge cuts it.
fn encode(mask: &[u8], height: usize, crop: [i64; 4], [wide, tall]: [i64; 2]) -> Result<Option<(Rle, [i64; 4])>> {
    let [left, top, right, bottom] = crop;
    let mut runs = RunLengths::default();
    runs.push(false, (left * tall) as u64);
    for column in mask.chunks(height.max(1)) {
        runs.push(false, top as u64);
        column.chunk_by(|a, b| a == b).for_each(|run| runs.push(run.first() == Some(&1), run.len() as u64));
        runs.push(false, (tall - bottom) as u64);
    }
    runs.push(false, ((wide - right) * tall) as u64);
    let rle = runs.finish(u32::try_from(tall)?, u32::try_from(wide)?)?;
    // A mask without a pixel has a box without area in the crop's corner.
    let bounds = rle.bounds().unwrap_or([left, top, left, top]);
    Ok((!cut(bounds, crop, [0, 0, wide, tall])).then_some((rle, bounds)))
}

/// Whether a box comes near an edge of the crop, pixels, which is none of the image.
fn cut(bounds: [i64; 4], crop: [i64; 4], image: [i64; 4]) -> bool {
    const NEAR: u64 = 20;
    let edges = bounds.into_iter().zip(crop).zip(image);
    edges.into_iter().any(|((edge, crop), image)| edge.abs_diff(crop) <= NEAR && edge.abs_diff(image) > NEAR)
}

/// Fills small holes and drops small islands; then masks that have become alike fall, changed ones first.
fn without_small_regions(mut found: Vec<Found>, rules: &GeneratorRules) -> Vec<Found> {
    let clean = |found: &mut Found| match found.rle.without_small_regions(rules.min_mask_region_area) {
        Some(rle) => {
            found.bounds = rle.bounds().unwrap_or_default();
            found.rle = rle;
            0.0
        }
        None => 1.0,
    };
    let scores: Vec<f32> = found.par_iter_mut().map(clean).collect();
    chosen(found, &scores, rules.box_nms_thresh.max(rules.crop_nms_thresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_of_a_crop_lies_in_the_image_where_the_crop_does() {
        // Two columns of three rows in an image of 5 x 4, of which the crop begins at (1, 1).
        let mask = [0, 1, 1, 1, 0, 0];
        let (rle, bounds) = encode(&mask, 3, [1, 1, 3, 4], [5, 4]).unwrap().unwrap();
        assert_eq!((rle.height, rle.width), (4, 5));
        assert_eq!(rle.counts, [6, 2, 1, 1, 10]);
        assert_eq!(bounds, [1, 1, 2, 3]);
        let (rle, bounds) = encode(&[0; 6], 3, [1, 1, 3, 4], [5, 4]).unwrap().unwrap();
        assert_eq!((rle.counts.as_slice(), bounds), ([20u32].as_slice(), [1, 1, 1, 1]));
    }

    #[test]
    fn masks_near_an_inner_edge_of_a_crop_fall() {
        let image = [0, 0, 400, 400];
        assert!(cut([50, 30, 295, 100], [0, 0, 300, 300], image));
        assert!(!cut([5, 5, 279, 279], [0, 0, 300, 300], image));
        assert!(!cut([0, 0, 399, 399], image, image));
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let refused = |rules: GeneratorRules| rules.check().is_err();
        assert!(!refused(GeneratorRules::default()));
        assert!(refused(GeneratorRules { points_per_side: 0, ..Default::default() }));
        assert!(refused(GeneratorRules { points_per_batch: 0, ..Default::default() }));
        assert!(refused(GeneratorRules { crop_n_layers: 9, ..Default::default() }));
        assert!(refused(GeneratorRules { pred_iou_thresh: f64::NAN, ..Default::default() }));
        assert!(refused(GeneratorRules { crop_overlap_ratio: 1.0, ..Default::default() }));
    }
}
