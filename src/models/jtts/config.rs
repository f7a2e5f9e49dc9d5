//! Settings of JTTS.

use super::Sampler;
use super::{ATTRIBUTE_EMBEDDING, ATTRIBUTE_SCORES, Jtts};
use crate::config::Checks;
use crate::data::attributes::Rules;
use crate::models::first_stage::{StageExamples, StageNeeds};
use crate::models::{AttributeVectors, Captioner, Inputs, ModelSettings, Surroundings};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::nn;

/// Sizes and switches; the defaults are the paper's JTTS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the attributes come from; `none` is the baseline `b.`, without gates.
    pub attributes: Source,
    /// How attributes are sampled of their probabilities; `threshold` where the classifier is trained apart.
    pub sampler: Sampler,
    /// The dynamic contrast loss L_d is a term of the loss.
    pub contrast: bool,
    /// Margin of L_d and of the sampler.
    pub margin: f64,
    /// Share of the margin within which attributes are sampled.
    pub lambda: f64,
    /// Steepness of the sampler.
    pub beta: f64,
    /// Which words are attributes.
    pub words: Rules,
    /// Word vectors in GloVe's text form, `attribute_embedding` numbers each, from which the attributes' start; normal
    /// with deviation 0.1 where absent.
    pub glove: Option<PathBuf>,
    /// Units of both LSTMs and width of the image features, D.
    pub hidden: usize,
    /// Width of the word embedding.
    pub embedding: usize,
    /// Width of the attribute embedding.
    pub attribute_embedding: usize,
    /// Width of the attention's layer.
    pub attention: usize,
    /// Widths of the classifier's two hidden layers.
    pub classifier: [usize; 2],
    /// The image vector has its own layer on the mean of the CNN's features; else it is the mean of the regions' layer.
    pub image_layer: bool,
    /// The CNN's feature map is pooled to so many regions a side; as it is where absent.
    pub grid: Option<usize>,
    pub dropout: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attributes: Source::Joint,
            sampler: Sampler::Mso,
            contrast: true,
            margin: 0.2,
            lambda: 0.5,
            beta: 100.0,
            words: Rules::default(),
            glove: None,
            hidden: 1000,
            embedding: 100,
            attribute_embedding: 200,
            attention: 1000,
            classifier: [1000, 256],
            image_layer: true,
            grid: None,
            dropout: 0.5,
        }
    }
}

/// Where the decoder's attributes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// None: the baseline `b.`.
    None,
    /// A classifier trained before the decoder and kept as it is then: `b.+sg/s`.
    Separate,
    /// A classifier trained with the decoder: `b.+sg`.
    Joint,
}

impl ModelSettings for Config {
    fn key() -> &'static str {
        "jtts"
    }

    /// The row of Table V that the switches are, as a part of a folder's name.
    fn variant(&self, _first_stage: bool) -> String {
        let sampler = match self.sampler {
            Sampler::Mso => "mso",
            Sampler::Logistic => "ls",
            Sampler::Threshold => "hard",
        };
        match (self.attributes, self.contrast) {
            (Source::None, _) => "b".into(),
            (Source::Separate, _) => "sg_s".into(),
            (Source::Joint, true) => format!("sg+{sampler}+ld"),
            (Source::Joint, false) => format!("sg+{sampler}"),
        }
    }

    fn attributes(&self) -> Option<&Rules> {
        (self.attributes != Source::None).then_some(&self.words)
    }

    fn attribute_vectors(&self) -> Option<AttributeVectors<'_>> {
        (self.attributes != Source::None).then_some(AttributeVectors {
            file: self.glove.as_deref(),
            width: self.attribute_embedding,
            parameter: ATTRIBUTE_EMBEDDING,
        })
    }

    fn first_stage(&self) -> Option<StageNeeds<'_>> {
        let separate = self.attributes == Source::Separate;
        separate.then_some(StageNeeds { examples: StageExamples::Captions, metrics: &ATTRIBUTE_SCORES })
    }

    fn check(&self, around: &Surroundings, checks: &mut Checks) {
        let path = |field: &str| format!("model.jtts.{field}");
        for (field, width) in [
            ("hidden", self.hidden),
            ("embedding", self.embedding),
            ("attribute_embedding", self.attribute_embedding),
            ("attention", self.attention),
            ("classifier.0", self.classifier[0]),
            ("classifier.1", self.classifier[1]),
        ] {
            checks.at_least(&path(field), width, 1);
        }
        checks.at_least_if_set(&path("grid"), self.grid, 1);
        for (field, value) in [("margin", self.margin), ("lambda", self.lambda), ("beta", self.beta)] {
            checks.above_zero(&path(field), value);
        }
        checks.fraction(&path("dropout"), self.dropout);
        let separate = self.attributes == Source::Separate;
        checks.require(!separate || around.first_stage, &path("attributes"), || {
            "'separate' trains the classifier in a first stage (expected a 'first_stage' block)".into()
        });
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(Jtts::new(path, self, inputs))
    }
}
