//! The first stage of `b.+sg/s`: the classifier alone; and how good attributes are.

use super::{Jtts, attribute_cross_entropy};
use crate::data::batch::Batch;
use crate::eval::Scores;
use crate::models::{Captioner, FirstStage, Losses};
use anyhow::{Context, Result};
use tch::{Kind, Tensor};

/// Scores of sampled attributes against those of the captions, over all images and attributes together.
pub const ATTRIBUTE_SCORES: [&str; 3] = ["attribute_f1", "attribute_precision", "attribute_recall"];

/// All that is told of sampled attributes: the scores, how many an image has on average, and the share of images that
/// have more than 20 of them. Where all probabilities are small, the operator samples nearly every attribute.
pub const ATTRIBUTE_NUMBERS: [&str; 5] =
    ["attribute_f1", "attribute_precision", "attribute_recall", "attributes_per_image", "images_above_20_attributes"];

/// More attributes than this are many.
const MANY: f64 = 20.0;

/// Counts of sampled attributes: right ones, all, and all that there are to find; of images, and of those with many.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Hits {
    right: f64,
    sampled: f64,
    wanted: f64,
    images: f64,
    with_many: f64,
}

impl Hits {
    /// `sampled` and `wanted` `[I, A]`; a sampled attribute is one of a half or more.
    fn add(&mut self, sampled: &Tensor, wanted: &Tensor) {
        let sampled = sampled.ge(0.5).to_kind(Kind::Float);
        let sum = |t: Tensor| t.sum(Kind::Double).double_value(&[]);
        let of_image = sampled.sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
        self.images += of_image.numel() as f64;
        self.with_many += sum(of_image.gt(MANY));
        self.right += sum(&sampled * wanted);
        self.sampled += sum(sampled);
        self.wanted += sum(wanted.shallow_clone());
    }

    fn scores(self) -> Scores {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let (precision, recall) = (share(self.right, self.sampled), share(self.right, self.wanted));
        let f1 = share(2.0 * precision * recall, precision + recall);
        let (each, many) = (share(self.sampled, self.images), share(self.with_many, self.images));
        Scores(ATTRIBUTE_NUMBERS.map(str::to_owned).into_iter().zip([f1, precision, recall, each, many]).collect())
    }
}

/// Scores and numbers of the attributes that the model samples; `None` where it has none.
pub(super) fn attribute_scores(
    model: &Jtts,
    batches: &mut dyn Iterator<Item = Result<Batch>>,
) -> Result<Option<Scores>> {
    if model.semantics.is_none() {
        return Ok(None);
    }
    let mut hits = Hits::default();
    for batch in batches {
        let batch = batch?;
        tch::no_grad(|| {
            if let (Some(sampled), Some(targets)) = (model.sampled_attributes(&batch.features), &batch.attributes) {
                hits.add(&sampled, targets);
            }
        });
    }
    Ok(Some(hits.scores()))
}

impl FirstStage for Jtts {
    /// Binary cross-entropy of the attributes.
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        let logits = self.encode(&batch.features, train, train).attributes;
        let terms = match (&self.semantics, logits, &batch.attributes) {
            (Some(semantics), Some(logits), Some(targets)) => {
                vec![("attributes", attribute_cross_entropy(&logits, targets, semantics.loss))]
            }
            _ => Vec::new(),
        };
        Losses::new(terms)
    }

    fn scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Scores> {
        self.attribute_scores(batches)?.context("the model has no attributes")
    }

    fn transfers(&self, parameter: &str) -> bool {
        parameter.starts_with("classifier.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: three sampled, two of them right, four to find: precision 2/3, recall 1/2, F1 4/7.
    #[test]
    fn precision_recall_and_f1_equal_the_hand_computed_ones() {
        let mut hits = Hits::default();
        hits.add(
            &Tensor::from_slice2(&[[0.9f32, 0.6, 0.1], [0.2, 0.99, 0.0]]),
            &Tensor::from_slice2(&[[1f32, 0.0, 1.0], [0.0, 1.0, 1.0]]),
        );
        let scores = hits.scores();
        let names = ATTRIBUTE_NUMBERS;
        assert_eq!(names[..3], ATTRIBUTE_SCORES);
        for (name, expected) in names.into_iter().zip([4.0 / 7.0, 2.0 / 3.0, 0.5, 1.5, 0.0]) {
            assert!((scores.get(name).unwrap() - expected).abs() < 1e-12, "{name}");
        }
        let ones = |count: i64| Tensor::ones([1, count], (Kind::Float, tch::Device::Cpu));
        [20, 21].iter().for_each(|&count| hits.add(&ones(count), &ones(count)));
        assert_eq!(hits.scores().get(names[4]), Some(0.25));
        assert_eq!(Hits::default().scores().get("attribute_f1"), Some(0.0));
    }
}
