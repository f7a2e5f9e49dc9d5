//! Arguments of `rsic data masks`.

use super::DataArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A folder of images without captions will do for the dataset.
#[derive(Debug, Args)]
pub struct MasksArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder to write (default: masks/ in the dataset).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Make masks anew that are there.
    #[arg(long)]
    pub overwrite: bool,
    /// What a mask's picture shows: flat colours, which a model combines with the image as its settings say; or the colours
    /// over the image, or the outlines, for masks.mode=picture.
    #[arg(long, value_enum, default_value_t = MaskPicture::Solid)]
    pub picture: MaskPicture,
    /// Make every N-th mask alone, from the I-th on, for N machines: --shard 1/4
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// Without --sam: regions grow larger with it (default: 300).
    #[arg(long, conflicts_with = "sam")]
    pub scale: Option<f64>,
    /// Without --sam: width of the Gaussian that smooths the image first, pixels (default: 0.8).
    #[arg(long, conflicts_with = "sam")]
    pub sigma: Option<f64>,
    /// Without --sam: least part of an image that a region takes (default: 0.002).
    #[arg(long, conflicts_with = "sam")]
    pub min_area: Option<f64>,
    #[command(flatten)]
    pub sam: SamArgs,
}

/// Settings of Segment Anything's automatic mask generator, by their public names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Segment Anything")]
pub struct SamArgs {
    /// Weights: a file, or sam_vit_b (.._l, .._h) or mobile_sam, the quickest, for the public one in weights/. Records (JSON)
    /// are written beside the pictures.
    #[arg(long, value_name = "WEIGHTS")]
    pub sam: Option<PathBuf>,
    /// Points along a side of the grid that is asked at (default: 32).
    #[arg(long, requires = "sam")]
    pub points_per_side: Option<usize>,
    /// Points that are decoded at a time (default: 64).
    #[arg(long, requires = "sam")]
    pub points_per_batch: Option<usize>,
    /// Drop masks that the model expects to fit no better than this IoU; 0 drops none (default: 0.88).
    #[arg(long, requires = "sam")]
    pub pred_iou_thresh: Option<f64>,
    /// Drop masks less stable than this; 0 drops none (default: 0.95).
    #[arg(long, requires = "sam")]
    pub stability_score_thresh: Option<f64>,
    /// How far the threshold of the logits is moved to measure stability (default: 1).
    #[arg(long, requires = "sam")]
    pub stability_score_offset: Option<f64>,
    /// Of masks whose boxes overlap more than this IoU the best stays (default: 0.7).
    #[arg(long, requires = "sam")]
    pub box_nms_thresh: Option<f64>,
    /// Layers of crops that are looked at, too: layer L has 4^L (default: 0).
    #[arg(long, requires = "sam")]
    pub crop_n_layers: Option<usize>,
    /// As --box-nms-thresh, between crops (default: 0.7).
    #[arg(long, requires = "sam")]
    pub crop_nms_thresh: Option<f64>,
    /// How far crops overlap, part of the shorter side (default: 0.341).
    #[arg(long, requires = "sam")]
    pub crop_overlap_ratio: Option<f64>,
    /// The grid has fewer points in each layer, by this factor (default: 1).
    #[arg(long, requires = "sam")]
    pub crop_n_points_downscale_factor: Option<usize>,
    /// Remove islands and holes of fewer pixels (default: 0, none).
    #[arg(long, requires = "sam")]
    pub min_mask_region_area: Option<usize>,
    /// Write run lengths as lists of numbers, not in COCO's compressed form.
    #[arg(long, requires = "sam")]
    pub uncompressed: bool,
    /// Run the image encoder in bfloat16, for GPUs.
    #[arg(long, requires = "sam")]
    pub bf16: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MaskPicture {
    Solid,
    Overlay,
    Edges,
}

/// `2/4`: the second of four.
fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, all)| Some((part.parse().ok()?, all.parse().ok()?)));
    match parts {
        Some((part, all)) if part >= 1 && part <= all => Ok((part, all)),
        _ => Err("write I/N with 1 <= I <= N, such as 1/4".into()),
    }
}
