//! CLIP (Radford et al. 2021): images and texts as vectors of one space, under OpenAI's names.
//!
//! OpenAI's, OpenCLIP's and Hugging Face's files hold the same network; so do those of the remote-sensing CLIPs
//! (RemoteCLIP, GeoRSCLIP).

use super::encoders::vit::{self, Vit};
use super::layers::pre_norm::norm;
use super::layers::{Activation, Mask, PreNormBlock};
use crate::weights::{self, StateDict};
use anyhow::{Context, Result, bail};
use tch::nn::{self, Init, Module, VarStore};
use tch::{Device, Kind, Tensor};

/// Widest transformers whose heads have 64 channels: those of ViT-L.
const WIDEST: i64 = 1024;

#[derive(Debug, Clone, Copy)]
struct Config {
    image: vit::Config,
    /// Length of the vectors.
    space: i64,
    width: i64,
    layers: i64,
    vocabulary: i64,
    /// Most tokens of a text.
    context: i64,
}

impl Config {
    /// As the shapes of the tensors tell.
    fn of(dict: &StateDict, activation: Activation) -> Result<Self> {
        const WORDS: &str = "token_embedding.weight";
        let prefix = dict.tensors.keys().find_map(|name| name.strip_suffix(WORDS)).unwrap_or_default();
        let shape = |name: &str| {
            let tensor = dict.tensors.get(&format!("{prefix}{name}"));
            tensor.map(Tensor::size).with_context(|| {
                format!("'{}' is not a CLIP with a vision transformer: it has no tensor '{name}'", dict.path.display())
            })
        };
        let layers = |path: &str| {
            let has = |layer: &i64| shape(&format!("{path}.resblocks.{layer}.ln_1.weight")).is_ok();
            (0..).take_while(has).count() as i64
        };
        let conv1 = shape("visual.conv1.weight")?;
        let places = shape("visual.positional_embedding")?;
        let (words, context) = (shape(WORDS)?, shape("positional_embedding")?);
        let space = shape("visual.proj")?;
        let ([width, 3, patch, _], [places, _], [vocabulary, text], [context, _], [_, space]) =
            (conv1.as_slice(), places.as_slice(), words.as_slice(), context.as_slice(), space.as_slice())
        else {
            bail!(
                "the tensors of '{}' do not have the shapes of a CLIP with a vision transformer",
                dict.path.display()
            );
        };
        if [width, text].iter().any(|width| !(64..=WIDEST).contains(*width) || *width % 64 != 0) || *patch < 1 {
            bail!(
                "'{}' is a CLIP of {width} and {text} channels; up to ViT-L (1024) is supported",
                dict.path.display()
            );
        }
        let side = ((places - 1).max(1) as f64).sqrt().round() as i64;
        let layers_of_images = layers("visual.transformer");
        Ok(Self {
            image: vit::Config {
                patch: *patch,
                width: *width,
                layers: layers_of_images,
                size: side * patch,
                activation,
            },
            space: *space,
            width: *text,
            layers: layers("transformer"),
            vocabulary: *vocabulary,
            context: *context,
        })
    }
}

/// Both transformers, without gradient.
#[derive(Debug)]
pub struct Clip {
    visual: Vit,
    /// `[D, E]`.
    visual_proj: Tensor,
    words: Words,
    /// Side of its images, pixels.
    size: u32,
    device: Device,
}

/// The text transformer.
#[derive(Debug)]
struct Words {
    token_embedding: Tensor,
    positional_embedding: Tensor,
    blocks: Vec<PreNormBlock>,
    ln_final: nn::LayerNorm,
    /// `[D, E]`.
    text_projection: Tensor,
}

impl Words {
    fn new(path: &nn::Path, config: &Config) -> Self {
        let Config { space, width, layers, vocabulary, context, image } = *config;
        let zeros = Init::Const(0.0);
        Self {
            token_embedding: (path / "token_embedding").var("weight", &[vocabulary, width], zeros),
            positional_embedding: path.var("positional_embedding", &[context, width], zeros),
            blocks: PreNormBlock::stack(&(path / "transformer"), layers, width, image.activation),
            ln_final: norm(path / "ln_final", width),
            text_projection: path.var("text_projection", &[width, space], zeros),
        }
    }

    /// Ids `[B, T]` and the place of each text's end, `[B]` -> `[B, E]`.
    fn forward(&self, tokens: &Tensor, ends: &Tensor) -> Tensor {
        let length = tokens.size().get(1).copied().unwrap_or_default();
        let words = Tensor::embedding(&self.token_embedding, tokens, -1, false, false);
        let words = words + self.positional_embedding.narrow(0, 0, length);
        let words = self.blocks.iter().fold(words, |words, block| block.forward(&words, Mask::Causal));
        let rows = Tensor::arange(ends.numel() as i64, (Kind::Int64, ends.device()));
        let last = self.ln_final.forward(&words).index(&[Some(rows), Some(ends.shallow_clone())]);
        last.matmul(&self.text_projection)
    }
}

impl Clip {
    /// The network of a weight file.
    ///
    /// # Errors
    /// Tensors that are not a CLIP's, or not all of them.
    pub fn load(dict: &StateDict, activation: Activation, device: Device) -> Result<Self> {
        let renamed = weights::openai_names(dict);
        let dict = renamed.as_ref().unwrap_or(dict);
        let config = Config::of(dict, activation)?;
        let mut store = VarStore::new(device);
        let root = store.root();
        let visual = Vit::new(&(&root / "visual"), config.image, None);
        let shape = [config.image.width, config.space];
        let visual_proj = (&root / "visual").var("proj", &shape, Init::Const(0.0));
        let words = Words::new(&root, &config);
        weights::load(&mut store, dict).check(&dict.path)?;
        store.freeze();
        Ok(Self { visual, visual_proj, words, size: config.image.size as u32, device })
    }

    /// Side of the images that it takes, pixels.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Most tokens of a text, those of its start and end included.
    pub fn context(&self) -> usize {
        self.words.positional_embedding.size().first().map_or(0, |&context| context as usize)
    }

    /// Number of tokens that it knows.
    pub fn vocabulary(&self) -> usize {
        self.words.token_embedding.size().first().map_or(0, |&words| words as usize)
    }

    /// `[B, 3, H, W]` normalised -> vectors `[B, E]`.
    pub fn images(&self, images: &Tensor) -> Tensor {
        tch::no_grad(|| self.visual.class_token(&images.to_device(self.device)).matmul(&self.visual_proj))
    }

    /// Texts by their ids, of start and end included, at least one a text -> vectors `[B, E]`.
    pub fn texts(&self, texts: &[Vec<i64>]) -> Tensor {
        let ends: Vec<i64> = texts.iter().map(|text| text.len() as i64 - 1).collect();
        let (tokens, ends) = (padded(texts, self.device), Tensor::from_slice(&ends).to_device(self.device));
        tch::no_grad(|| self.words.forward(&tokens, &ends))
    }
}

/// Ids as `[B, T]`, 0 behind the end of shorter ones.
pub(super) fn padded(texts: &[Vec<i64>], device: Device) -> Tensor {
    let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
    let row = |text: &Vec<i64>| text.iter().copied().chain(std::iter::repeat(0)).take(longest).collect::<Vec<_>>();
    let ids: Vec<i64> = texts.iter().flat_map(row).collect();
    Tensor::from_slice(&ids).view([texts.len() as i64, longest as i64]).to_device(device)
}
