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
    /// What Eq. (32) does over the attributes of an image.
    #[serde(skip_serializing_if = "is_default")]
    pub attribute_loss: AttributeLoss,
    /// What Eq. (33) does over the tokens of a caption.
    #[serde(skip_serializing_if = "is_default")]
    pub caption_loss: CaptionLoss,
    /// Weights of the terms of the captioning stage's loss, and from which epochs they count.
    #[serde(skip_serializing_if = "is_default")]
    pub terms: Terms,
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
            attribute_loss: AttributeLoss::Mean,
            caption_loss: CaptionLoss::Mean,
            terms: Terms::default(),
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

/// What becomes of the cross-entropies of an image's attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeLoss {
    /// Their mean, Eq. (32). Beside L_d at the published weights it hardly counts: each attribute by one part in their
    /// number, so that L_d presses all probabilities down before any rises.
    #[default]
    Mean,
    /// Their sum.
    ///
    /// Deviation: not the paper's loss, but one by which the sampled attributes are right from the first epochs on.
    Sum,
}

/// What becomes of the cross-entropies of a caption's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionLoss {
    /// The mean over all tokens of the batch.
    ///
    /// Deviation: Eq. (33) prints a sum; the same group's earlier program takes this mean.
    #[default]
    Mean,
    /// The sum over a caption's tokens, mean over the captions.
    Sum,
}

/// The terms of the captioning stage's loss, by the names under which they are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Of the words, L_cap.
    pub cross_entropy: Term,
    /// Eq. (32).
    pub attributes: Term,
    /// Eq. (31).
    pub contrast: Term,
}

/// How a term counts.
///
/// Deviation: any but the defaults; the paper's terms count alike from the first epoch on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Term {
    pub weight: f64,
    /// The first epoch in which it counts, from 1.
    pub from: usize,
}

impl Default for Term {
    fn default() -> Self {
        Self { weight: 1.0, from: 1 }
    }
}

impl Term {
    fn at(self, epoch: usize) -> f64 {
        if epoch < self.from { 0.0 } else { self.weight }
    }
}

/// What new settings are by default is not written, so that experiments keep their identity.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

impl Terms {
    fn named(&self) -> [(&'static str, Term); 3] {
        [("cross_entropy", self.cross_entropy), ("attributes", self.attributes), ("contrast", self.contrast)]
    }
}

impl Config {
    /// Of the terms that the model has, one at least must count from the first epoch on: there is nothing to learn
    /// without.
    fn check_terms(&self, checks: &mut Checks) {
        let (joint, path) = (self.attributes == Source::Joint, "model.jtts.terms");
        for (name, Term { weight, from }) in self.terms.named() {
            checks.at_least(&format!("{path}.{name}.from"), from, 1);
            checks.require(weight >= 0.0, &format!("{path}.{name}.weight"), || {
                format!("out of range (expected 0 or more, found {weight})")
            });
        }
        let Terms { cross_entropy, attributes, contrast } = self.terms;
        let counts = |has: bool, term: Term| has && term.at(1) > 0.0;
        let any = counts(true, cross_entropy) || counts(joint, attributes) || counts(joint && self.contrast, contrast);
        checks.require(any, path, || "no term of the loss counts in the first epoch (expected one at least)".into());
    }
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
        let sum = if self.attribute_loss == AttributeLoss::Sum { "+sum" } else { "" };
        match (self.attributes, self.contrast) {
            (Source::None, _) => "b".into(),
            (Source::Separate, _) => format!("sg_s{sum}"),
            (Source::Joint, true) => format!("sg+{sampler}+ld{sum}"),
            (Source::Joint, false) => format!("sg+{sampler}{sum}"),
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

    fn weight(&self, term: &str, epoch: usize) -> f64 {
        let known = self.terms.named().into_iter().find(|(name, _)| *name == term);
        known.map_or(1.0, |(_, term)| term.at(epoch))
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
            checks.width(&path(field), width);
        }
        checks.at_least(&path("words.splits"), self.words.splits.len(), 1);
        checks.count(&path("grid"), self.grid.unwrap_or(1));
        for (field, value) in [("margin", self.margin), ("lambda", self.lambda), ("beta", self.beta)] {
            checks.above_zero(&path(field), value);
        }
        checks.fraction(&path("dropout"), self.dropout);
        self.check_terms(checks);
        let separate = self.attributes == Source::Separate;
        checks.require(!separate || around.first_stage, &path("attributes"), || {
            "'separate' trains the classifier in a first stage (expected a 'first_stage' block)".into()
        });
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(Jtts::new(path, self, inputs))
    }
}
