//! Sizes of a Segment Anything model, read off a weight file.

use crate::weights::StateDict;
use anyhow::{Result, ensure};

/// Of the images of every published model, pixels.
const IMAGE_SIZE: i64 = 1024;

/// Sizes of the whole model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Side of the square that the image encoder sees, pixels.
    pub image_size: i64,
    /// Channels of the image embedding and width of the decoder.
    pub channels: i64,
    pub encoder: EncoderConfig,
    pub decoder: DecoderConfig,
}

/// Sizes of the image encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncoderConfig {
    Vit(VitConfig),
    TinyVit(TinyVitConfig),
}

/// Sizes of a plain vision transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitConfig {
    /// Side of a patch, pixels.
    pub patch: i64,
    /// Width of a token.
    pub width: i64,
    pub heads: i64,
    /// Inner width of the feed-forward networks.
    pub mlp: i64,
    /// Side of the windows within which most blocks attend, tokens.
    pub window: i64,
    /// One entry a block: whether it attends to the whole image.
    pub global: Vec<bool>,
    /// Side of the image that those blocks' relative positions are for, tokens: they are stretched where it is another.
    pub reach: i64,
}

/// Sizes of a TinyViT: a stage of convolutions, then three of attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TinyVitConfig {
    /// Channels of each stage.
    pub widths: [i64; 4],
    /// Blocks of each stage.
    pub depths: [i64; 4],
    /// Of each stage of attention.
    pub heads: [i64; 3],
    /// Sides of their windows, tokens.
    pub windows: [i64; 3],
    /// How many times wider a block is within.
    pub expansion: i64,
    /// Classes of a head that nothing uses.
    pub classes: i64,
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

    /// MobileSAM.
    pub fn mobile() -> Self {
        Self::with(EncoderConfig::TinyVit(TinyVitConfig {
            widths: [64, 128, 160, 320],
            depths: [2, 2, 6, 2],
            heads: [4, 5, 10],
            windows: [7, 14, 7],
            expansion: 4,
            classes: 1000,
        }))
    }

    /// Every quarter of the blocks ends with one that attends to the whole image.
    fn published(width: i64, depth: i64, heads: i64) -> Self {
        Self::with(EncoderConfig::Vit(VitConfig {
            patch: 16,
            width,
            heads,
            mlp: 4 * width,
            window: 14,
            global: (1..=depth).map(|block| block % (depth / 4) == 0).collect(),
            reach: 64,
        }))
    }

    fn with(encoder: EncoderConfig) -> Self {
        Self { image_size: IMAGE_SIZE, channels: 256, encoder, decoder: DecoderConfig::default() }
    }

    /// Tokens along a side of the image.
    pub fn grid(&self) -> i64 {
        self.image_size
            / match &self.encoder {
                EncoderConfig::Vit(vit) => vit.patch.max(1),
                EncoderConfig::TinyVit(_) => 16,
            }
    }

    /// `ViT-B`, `ViT-L`, `ViT-H`, `TinyViT`, or the sizes of another model.
    pub fn name(&self) -> String {
        match &self.encoder {
            EncoderConfig::TinyVit(_) => "TinyViT".into(),
            EncoderConfig::Vit(vit) => match (vit.width, vit.global.len()) {
                (768, 12) => "ViT-B".into(),
                (1024, 24) => "ViT-L".into(),
                (1280, 32) => "ViT-H".into(),
                (width, depth) => format!("a ViT of {depth} blocks of width {width}"),
            },
        }
    }

    /// The sizes that the tensors of a file have; `None` where it holds no Segment Anything model.
    ///
    /// Two sizes stand in no tensor: the heads of the decoder, 8 in every published model, and what side of image a
    /// TinyViT is for, 1024 in MobileSAM.
    pub fn recognise(dict: &StateDict) -> Option<Self> {
        let shapes = Shapes(dict);
        let two_way = "mask_decoder.transformer.layers";
        let iou = "mask_decoder.iou_prediction_head.layers";
        let decoder = DecoderConfig {
            depth: shapes.count(|layer| format!("{two_way}.{layer}.norm1.weight")),
            heads: DecoderConfig::default().heads,
            mlp: shapes.side(&format!("{two_way}.0.mlp.lin1.weight"), 0)?,
            inner: shapes.side(&format!("{two_way}.0.cross_attn_token_to_image.q_proj.weight"), 0)?,
            masks: shapes.side("mask_decoder.mask_tokens.weight", 0)?,
            iou_depth: shapes.count(|layer| format!("{iou}.{layer}.weight")),
            iou_width: shapes.side(&format!("{iou}.0.weight"), 0)?,
            mask_channels: shapes.side("prompt_encoder.mask_downscaling.3.weight", 0)?,
        };
        let channels = shapes.side("image_encoder.neck.0.weight", 0)?;
        let (image_size, encoder) = match shapes.vit() {
            Some((image_size, vit)) => (image_size, EncoderConfig::Vit(vit)),
            None => (IMAGE_SIZE, EncoderConfig::TinyVit(shapes.tiny_vit()?)),
        };
        Some(Self { image_size, channels, encoder, decoder })
    }

    /// Refuses sizes that fit no network.
    pub fn check(&self) -> Result<()> {
        let decoder = &self.decoder;
        let (widths, heads, others, patch) = match &self.encoder {
            EncoderConfig::Vit(vit) => (
                vec![vit.width],
                vec![vit.heads],
                vec![vit.mlp, vit.window, vit.reach, vit.global.len() as i64],
                vit.patch,
            ),
            EncoderConfig::TinyVit(tiny) => {
                let others = tiny.windows.iter().chain(&tiny.depths).copied().chain([tiny.expansion, tiny.classes]);
                (tiny.widths[1..].to_vec(), tiny.heads.to_vec(), others.chain([tiny.widths[0] / 2]).collect(), 16)
            }
        };
        let all = [&widths, &heads, &others].into_iter().flatten().copied().chain([patch, self.channels, self.grid()]);
        ensure!(
            all.chain([decoder.depth, decoder.mlp, decoder.inner, decoder.iou_depth]).all(|size| size > 0)
                && decoder.masks > 1
                && decoder.mask_channels >= 4,
            "the model sizes are not those of a Segment Anything model"
        );
        let divides = widths.iter().zip(&heads).all(|(width, heads)| width % heads == 0)
            && decoder.inner % decoder.heads == 0
            && self.channels % (8 * decoder.heads) == 0
            && patch <= 256
            && self.grid() <= 1024;
        ensure!(divides, "the model widths are not multiples of the number of heads");
        Ok(())
    }
}

/// What sizes the tensors of a file tell.
struct Shapes<'a>(&'a StateDict);

impl Shapes<'_> {
    fn side(&self, name: &str, dimension: usize) -> Option<i64> {
        self.0.shape_of(name)?.get(dimension).copied()
    }

    /// How many of these names there are, from 0 on.
    fn count(&self, name: impl Fn(i64) -> String) -> i64 {
        (0..).take_while(|&index| self.0.shape_of(&name(index)).is_some()).count() as i64
    }

    /// A plain vision transformer, and the side of image that it is for.
    fn vit(&self) -> Option<(i64, VitConfig)> {
        let patches = "image_encoder.patch_embed.proj.weight";
        let (width, patch) = (self.side(patches, 0)?, self.side(patches, 2)?);
        let grid = self.side("image_encoder.pos_embed", 1)?;
        let depth = self.count(|block| format!("image_encoder.blocks.{block}.norm1.weight"));
        let tables: Option<Vec<i64>> =
            (0..depth).map(|block| self.side(&format!("image_encoder.blocks.{block}.attn.rel_pos_h"), 0)).collect();
        let tables = tables?;
        // Tables of the whole image are the longest, and those of windows all have one length.
        let longest = tables.iter().copied().max()?;
        let shortest = tables.iter().copied().min()?;
        let global = tables.iter().map(|&length| length == longest && (shortest < longest || longest >= 2 * grid - 1));
        let head = self.side("image_encoder.blocks.0.attn.rel_pos_h", 1)?;
        let vit = VitConfig {
            patch,
            width,
            heads: width / head.max(1),
            mlp: self.side("image_encoder.blocks.0.mlp.lin1.weight", 0)?,
            window: (shortest + 1) / 2,
            global: global.collect(),
            reach: (longest + 1) / 2,
        };
        Some((grid * patch, vit))
    }

    fn tiny_vit(&self) -> Option<TinyVitConfig> {
        let layers = "image_encoder.layers";
        let stage = |index: i64| {
            let biases = format!("{layers}.{index}.blocks.0.attn.attention_biases");
            let window = (1..=64).find(|window| Some(window * window) == self.side(&biases, 1))?;
            Some((
                self.side(&format!("{layers}.{index}.blocks.0.attn.proj.weight"), 0)?,
                self.side(&biases, 0)?,
                window,
            ))
        };
        let [(second, of_second, at_second), (third, of_third, at_third), (last, of_last, at_last)] =
            [stage(1)?, stage(2)?, stage(3)?];
        let wider = format!("{layers}.0.blocks.0.conv1.c.weight");
        let first = self.side(&wider, 1)?;
        Some(TinyVitConfig {
            widths: [first, second, third, last],
            depths: [0, 1, 2, 3].map(|index| match index {
                0 => self.count(|block| format!("{layers}.0.blocks.{block}.conv1.c.weight")),
                _ => self.count(|block| format!("{layers}.{index}.blocks.{block}.attn.qkv.weight")),
            }),
            heads: [of_second, of_third, of_last],
            windows: [at_second, at_third, at_last],
            expansion: self.side(&wider, 0)? / first.max(1),
            classes: self.side("image_encoder.head.weight", 0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sizes_attend_to_the_whole_image_where_they_should() {
        let global = |config: &Config| -> Vec<usize> {
            let EncoderConfig::Vit(vit) = &config.encoder else { panic!("{config:?}") };
            (0..vit.global.len()).filter(|&block| vit.global[block]).collect()
        };
        assert_eq!(global(&Config::vit_b()), [2, 5, 8, 11]);
        assert_eq!(global(&Config::vit_l()), [5, 11, 17, 23]);
        assert_eq!(global(&Config::vit_h()), [7, 15, 23, 31]);
        for config in [Config::vit_b(), Config::vit_l(), Config::vit_h(), Config::mobile()] {
            config.check().unwrap();
            assert_eq!(config.grid(), 64);
        }
    }
}
