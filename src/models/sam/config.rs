//! Sizes of a Segment Anything model, read off a weight file.

use crate::models::weights::StateDict;
use anyhow::{Result, ensure};

/// Sizes of the whole model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Side of the square that the image encoder sees, pixels.
    pub image_size: i64,
    /// Side of a patch, pixels.
    pub patch: i64,
    /// Width of a token within the image encoder.
    pub width: i64,
    pub heads: i64,
    /// Inner width of the encoder's feed-forward networks.
    pub mlp: i64,
    /// Side of the windows within which most blocks attend, tokens.
    pub window: i64,
    /// One entry a block: whether it attends to the whole image.
    pub global: Vec<bool>,
    /// Side of the image that those blocks' relative positions are for, tokens: they are stretched where it is another.
    pub reach: i64,
    /// Channels of the image embedding and width of the decoder.
    pub channels: i64,
    pub decoder: DecoderConfig,
}

/// Sizes of prompt encoder and mask decoder, the same in all published models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Two-way blocks.
    pub depth: i64,
    pub heads: i64,
    /// Inner width of the blocks' feed-forward networks.
    pub mlp: i64,
    /// Width of the attention between tokens and image.
    pub inner: i64,
    /// Masks of a prompt: one for prompts that leave no doubt, then the three of the whole, a part and a part of it.
    pub masks: i64,
    /// Layers and inner width of the head that foretells how well a mask fits.
    pub iou_depth: i64,
    pub iou_width: i64,
    /// Channels that embed a mask given as a prompt.
    pub mask_channels: i64,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { depth: 2, heads: 8, mlp: 2048, inner: 128, masks: 4, iou_depth: 3, iou_width: 256, mask_channels: 16 }
    }
}

impl Config {
    pub fn vit_b() -> Self {
        Self::published(768, 12, 12)
    }

    pub fn vit_l() -> Self {
        Self::published(1024, 24, 16)
    }

    pub fn vit_h() -> Self {
        Self::published(1280, 32, 16)
    }

    /// Every quarter of the blocks ends with one that attends to the whole image.
    fn published(width: i64, depth: i64, heads: i64) -> Self {
        Self {
            image_size: 1024,
            patch: 16,
            width,
            heads,
            mlp: 4 * width,
            window: 14,
            global: (1..=depth).map(|block| block % (depth / 4) == 0).collect(),
            reach: 64,
            channels: 256,
            decoder: DecoderConfig::default(),
        }
    }

    /// Tokens along a side of the image.
    pub fn grid(&self) -> i64 {
        self.image_size / self.patch
    }

    /// `ViT-B`, `ViT-L`, `ViT-H`, or the sizes of another model.
    pub fn name(&self) -> String {
        match (self.width, self.global.len()) {
            (768, 12) => "ViT-B".into(),
            (1024, 24) => "ViT-L".into(),
            (1280, 32) => "ViT-H".into(),
            (width, depth) => format!("a ViT of {depth} blocks of width {width}"),
        }
    }

    /// The sizes that the tensors of a file have; `None` where it holds no Segment Anything model.
    ///
    /// The number of heads of the decoder stands in no tensor; it is 8 in every published model.
    pub fn recognise(dict: &StateDict) -> Option<Self> {
        let shape = |name: &str| dict.shape_of(name);
        let side = |name: &str, dimension: usize| shape(name).and_then(|shape| shape.get(dimension).copied());
        let count = |name: &dyn Fn(usize) -> String| (0..).take_while(|&index| shape(&name(index)).is_some()).count();
        let patches = "image_encoder.patch_embed.proj.weight";
        let (width, patch) = (side(patches, 0)?, side(patches, 2)?);
        let grid = side("image_encoder.pos_embed", 1)?;
        let depth = count(&|block| format!("image_encoder.blocks.{block}.norm1.weight"));
        let tables: Option<Vec<i64>> =
            (0..depth).map(|block| side(&format!("image_encoder.blocks.{block}.attn.rel_pos_h"), 0)).collect();
        let tables = tables?;
        // Tables of the whole image are the longest, and those of windows all have one length.
        let longest = tables.iter().copied().max()?;
        let shortest = tables.iter().copied().min()?;
        let global = tables.iter().map(|&length| length == longest && (shortest < longest || longest >= 2 * grid - 1));
        let head = side("image_encoder.blocks.0.attn.rel_pos_h", 1)?;
        let two_way = "mask_decoder.transformer.layers";
        let iou = "mask_decoder.iou_prediction_head.layers";
        let config = Self {
            image_size: grid * patch,
            patch,
            width,
            heads: width / head.max(1),
            mlp: side("image_encoder.blocks.0.mlp.lin1.weight", 0)?,
            window: (shortest + 1) / 2,
            global: global.collect(),
            reach: (longest + 1) / 2,
            channels: side("image_encoder.neck.0.weight", 0)?,
            decoder: DecoderConfig {
                depth: count(&|layer| format!("{two_way}.{layer}.norm1.weight")) as i64,
                heads: DecoderConfig::default().heads,
                mlp: side(&format!("{two_way}.0.mlp.lin1.weight"), 0)?,
                inner: side(&format!("{two_way}.0.cross_attn_token_to_image.q_proj.weight"), 0)?,
                masks: side("mask_decoder.mask_tokens.weight", 0)?,
                iou_depth: count(&|layer| format!("{iou}.{layer}.weight")) as i64,
                iou_width: side(&format!("{iou}.0.weight"), 0)?,
                mask_channels: side("prompt_encoder.mask_downscaling.3.weight", 0)?,
            },
        };
        Some(config)
    }

    /// Refuses sizes that fit no network.
    pub fn check(&self) -> Result<()> {
        let decoder = &self.decoder;
        let all = [self.patch, self.width, self.heads, self.mlp, self.window, self.reach, self.channels, self.grid()];
        ensure!(
            all.into_iter().chain([decoder.depth, decoder.mlp, decoder.inner, decoder.iou_depth]).all(|size| size > 0)
                && !self.global.is_empty()
                && decoder.masks > 1
                && decoder.mask_channels >= 4,
            "the sizes of the model are none that Segment Anything can have"
        );
        let divides = self.width % self.heads == 0
            && decoder.inner % decoder.heads == 0
            && self.channels % (8 * decoder.heads) == 0
            && self.patch <= 256
            && self.grid() <= 1024;
        ensure!(divides, "the widths of the model are no multiples of its heads");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sizes_attend_to_the_whole_image_where_they_should() {
        let global = |config: &Config| -> Vec<usize> {
            (0..config.global.len()).filter(|&block| config.global[block]).collect()
        };
        assert_eq!(global(&Config::vit_b()), [2, 5, 8, 11]);
        assert_eq!(global(&Config::vit_l()), [5, 11, 17, 23]);
        assert_eq!(global(&Config::vit_h()), [7, 15, 23, 31]);
        for config in [Config::vit_b(), Config::vit_l(), Config::vit_h()] {
            config.check().unwrap();
            assert_eq!(config.grid(), 64);
        }
    }
}
