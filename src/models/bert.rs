//! BERT (Devlin et al. 2019) as an encoder of sentences (Reimers and Gurevych 2019): the mean of its last hidden
//! states, scaled to length 1. MiniLM (Wang et al. 2020) is one. Names are Hugging Face's.

use super::clip::padded;
use super::layers::attention::{Mask, attention};
use super::layers::{dense, linear};
use crate::weights::{self, StateDict};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tch::nn::{self, Init, Module, VarStore};
use tch::{Device, Kind, Tensor};

/// What the tensors of a BERT do not tell: of its `config.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BertConfig {
    pub num_attention_heads: i64,
    #[serde(default = "BertConfig::eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "BertConfig::gelu")]
    pub hidden_act: String,
}

impl BertConfig {
    fn eps() -> f64 {
        1e-12
    }

    fn gelu() -> String {
        "gelu".into()
    }
}

#[derive(Debug)]
struct Layer {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    attended: nn::Linear,
    attended_norm: nn::LayerNorm,
    intermediate: nn::Linear,
    output: nn::Linear,
    output_norm: nn::LayerNorm,
    heads: i64,
}

impl Layer {
    fn new(path: &nn::Path, width: i64, inner: i64, config: &BertConfig) -> Self {
        let (own, attention) = (path / "attention" / "self", path / "attention" / "output");
        let output = path / "output";
        Self {
            query: linear(&own / "query", width, width),
            key: linear(&own / "key", width, width),
            value: linear(&own / "value", width, width),
            attended: linear(&attention / "dense", width, width),
            attended_norm: norm(&attention, width, config),
            intermediate: linear(path / "intermediate" / "dense", width, inner),
            output: linear(&output / "dense", inner, width),
            output_norm: norm(&output, width, config),
            heads: config.num_attention_heads,
        }
    }

    /// `[B, T, D]` -> `[B, T, D]`; `mask` is added to the logits.
    fn forward(&self, xs: &Tensor, mask: &Tensor) -> Tensor {
        let heads = |layer: &nn::Linear| apply(layer, xs).unflatten(-1, [self.heads, -1]).transpose(1, 2);
        let (queries, keys, values) = (heads(&self.query), heads(&self.key), heads(&self.value));
        let attended = attention(&queries, &keys, &values, Mask::Bias(mask), 0.0).transpose(1, 2).flatten(2, 3);
        let xs = self.attended_norm.forward(&(apply(&self.attended, &attended) + xs));
        let inner = apply(&self.intermediate, &xs).gelu("none");
        self.output_norm.forward(&(apply(&self.output, &inner) + &xs))
    }
}

fn apply(layer: &nn::Linear, xs: &Tensor) -> Tensor {
    dense(xs, &layer.ws, layer.bs.as_ref())
}

fn norm(path: &nn::Path, width: i64, config: &BertConfig) -> nn::LayerNorm {
    let config = nn::LayerNormConfig { eps: config.layer_norm_eps, ..Default::default() };
    nn::layer_norm(path / "LayerNorm", vec![width], config)
}

/// The network, without gradient.
#[derive(Debug)]
pub struct Bert {
    word_embeddings: Tensor,
    position_embeddings: Tensor,
    token_type_embeddings: Tensor,
    norm: nn::LayerNorm,
    layers: Vec<Layer>,
    device: Device,
}

impl Bert {
    /// The network of a weight file.
    ///
    /// # Errors
    /// Tensors that are not a BERT's, or not all of them; another activation than GELU.
    pub fn load(dict: &StateDict, config: &BertConfig, device: Device) -> Result<Self> {
        let path = dict.path.display();
        let shape = |name: &str| {
            let shape = dict.shape_of(name).filter(|shape| shape.len() == 2);
            shape.with_context(|| format!("'{path}' is not a BERT: it has no tensor '{name}'"))
        };
        let words = shape("embeddings.word_embeddings.weight")?;
        let places = shape("embeddings.position_embeddings.weight")?;
        let types = shape("embeddings.token_type_embeddings.weight")?;
        let inner = shape("encoder.layer.0.intermediate.dense.weight")?;
        let (width, inner) = (words.get(1).copied().unwrap_or(1), inner.first().copied().unwrap_or(1));
        if config.hidden_act != "gelu" {
            bail!("the BERT of '{path}' has the activation '{}'; only 'gelu' is supported", config.hidden_act);
        }
        if config.num_attention_heads < 1 || width % config.num_attention_heads != 0 {
            bail!("the BERT of '{path}' has {width} channels, which {} heads cannot share", config.num_attention_heads);
        }
        let has = |layer: &i64| dict.shape_of(&format!("encoder.layer.{layer}.intermediate.dense.weight")).is_some();
        let count = (0..).take_while(has).count() as i64;
        let mut store = VarStore::new(device);
        let (embeddings, layers) = (store.root() / "embeddings", store.root() / "encoder" / "layer");
        let table = |name: &str, shape: &[i64]| (&embeddings / name).var("weight", shape, Init::Const(0.0));
        let bert = Self {
            word_embeddings: table("word_embeddings", &words),
            position_embeddings: table("position_embeddings", &places),
            token_type_embeddings: table("token_type_embeddings", &types),
            norm: norm(&embeddings, width, config),
            layers: (0..count).map(|layer| Layer::new(&(&layers / layer), width, inner, config)).collect(),
            device,
        };
        weights::load(&mut store, dict).check(&dict.path)?;
        store.freeze();
        Ok(bert)
    }

    /// Most tokens of a sentence, those of its start and end included.
    pub fn context(&self) -> usize {
        self.position_embeddings.size().first().map_or(0, |&context| context as usize)
    }

    /// Number of tokens that it knows.
    pub fn vocabulary(&self) -> usize {
        self.word_embeddings.size().first().map_or(0, |&words| words as usize)
    }

    /// Sentences by their ids, of start and end included, at least one a sentence -> vectors of length 1, `[B, D]`.
    pub fn sentences(&self, sentences: &[Vec<i64>]) -> Tensor {
        tch::no_grad(|| {
            let tokens = padded(sentences, self.device);
            let length = tokens.size().get(1).copied().unwrap_or_default();
            let lengths: Vec<i64> = sentences.iter().map(|sentence| sentence.len() as i64).collect();
            let lengths = Tensor::from_slice(&lengths).to_device(self.device).unsqueeze(1);
            let inside = Tensor::arange(length, (Kind::Int64, self.device)).unsqueeze(0).lt_tensor(&lengths);
            let mask = inside.to_kind(Kind::Float).log().view([-1, 1, 1, length]);
            let words = Tensor::embedding(&self.word_embeddings, &tokens, -1, false, false);
            let places = self.position_embeddings.narrow(0, 0, length) + self.token_type_embeddings.narrow(0, 0, 1);
            let words = self.norm.forward(&(words + places));
            let words = self.layers.iter().fold(words, |words, layer| layer.forward(&words, &mask));
            let sum = (words * inside.unsqueeze(2)).sum_dim_intlist(1, false, Kind::Float);
            unit(&(sum / lengths))
        })
    }
}

/// Scaled to length 1 along the last dimension.
pub fn unit(vectors: &Tensor) -> Tensor {
    vectors / vectors.norm_scalaropt_dim(2, [-1], true).clamp_min(1e-12)
}
