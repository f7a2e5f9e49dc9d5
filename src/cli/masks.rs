//! Arguments of `rsic data masks`.

use super::{DataArgs, up_to};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct MasksArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Output folder (default: masks/ in the dataset folder).
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Regenerate existing masks.
    #[arg(long)]
    pub overwrite: bool,
    /// Rendering of a mask image; overlay and edges are for masks.mode=picture.
    #[arg(long, value_enum, default_value_t = MaskPicture::Solid)]
    pub picture: MaskPicture,
    /// Process only shard I of N, e.g. 1/4, to split the work between machines.
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// Colour segmentation: larger values give larger regions (default: 300).
    #[arg(long, conflicts_with = "sam")]
    pub scale: Option<f64>,
    /// Colour segmentation: width of the Gaussian blur in pixels (default: 0.8).
    #[arg(long, value_name = "PIXELS", conflicts_with = "sam")]
    pub sigma: Option<f64>,
    /// Colour segmentation: minimum area of a region as a fraction of the image (default: 0.002).
    #[arg(long, value_name = "FRACTION", conflicts_with = "sam")]
    pub min_area: Option<f64>,
    #[command(flatten)]
    pub sam: SamArgs,
}

/// Settings of Segment Anything's automatic mask generator, by their public names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Segment Anything")]
pub struct SamArgs {
    /// Weights: a file, or sam_vit_b, sam_vit_l, sam_vit_h or mobile_sam (fastest) for the public file in weights/;
    /// mask records (JSON) are written next to the mask images.
    #[arg(long, value_name = "WEIGHTS")]
    pub sam: Option<PathBuf>,
    /// Points per side of the prompt grid (default: 32).
    #[arg(long, value_name = "N", requires = "sam")]
    pub points_per_side: Option<usize>,
    /// Points decoded per batch (default: 64).
    #[arg(long, value_name = "N", requires = "sam", value_parser = up_to::<65_536, usize>)]
    pub points_per_batch: Option<usize>,
    /// Minimum predicted IoU of a mask; 0 keeps all (default: 0.88).
    #[arg(long, value_name = "IOU", requires = "sam")]
    pub pred_iou_thresh: Option<f64>,
    /// Minimum stability score of a mask; 0 keeps all (default: 0.95).
    #[arg(long, value_name = "SCORE", requires = "sam")]
    pub stability_score_thresh: Option<f64>,
    /// Offset of the mask threshold when computing the stability score (default: 1).
    #[arg(long, value_name = "OFFSET", requires = "sam")]
    pub stability_score_offset: Option<f64>,
    /// Box IoU threshold of non-maximum suppression (default: 0.7).
    #[arg(long, value_name = "IOU", requires = "sam")]
    pub box_nms_thresh: Option<f64>,
    /// Additional crop layers; layer L has 4^L crops (default: 0).
    #[arg(long, value_name = "N", requires = "sam")]
    pub crop_n_layers: Option<usize>,
    /// Box IoU threshold of non-maximum suppression between crops (default: 0.7).
    #[arg(long, value_name = "IOU", requires = "sam")]
    pub crop_nms_thresh: Option<f64>,
    /// Overlap of crops as a fraction of the shorter image side (default: 0.341).
    #[arg(long, value_name = "FRACTION", requires = "sam")]
    pub crop_overlap_ratio: Option<f64>,
    /// Factor by which points per side decrease from one crop layer to the next (default: 1).
    #[arg(long, value_name = "FACTOR", requires = "sam")]
    pub crop_n_points_downscale_factor: Option<usize>,
    /// Remove islands and holes smaller than this area in pixels (default: 0, keep all).
    #[arg(long, value_name = "PIXELS", requires = "sam")]
    pub min_mask_region_area: Option<usize>,
    /// Write uncompressed run-length encodings instead of COCO's compressed form.
    #[arg(long, requires = "sam")]
    pub uncompressed: bool,
    /// Run the image encoder in bfloat16 (for GPUs).
    #[arg(long, requires = "sam")]
    pub bf16: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MaskPicture {
    /// Regions in flat colours.
    Solid,
    /// Region colours blended over the image.
    Overlay,
    /// Region outlines over the image.
    Edges,
}

/// `2/4`: the second of four.
fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, all)| Some((part.parse().ok()?, all.parse().ok()?)));
    match parts {
        Some((part, all)) if part >= 1 && part <= all => Ok((part, all)),
        _ => Err("expected I/N with 1 <= I <= N, e.g. 1/4".into()),
    }
}
