//! Captions of images, and the scores of a split.

use super::{Session, Trained};
use crate::config::schema::{DecodeConfig, DecodeMethod};
use crate::data::{Split, Vocabulary};
use crate::decode::comparison::{self, Candidate};
use crate::decode::{BeamOptions, Hypothesis, beam_search};
use crate::eval::{Evaluation, MetricSet};
use crate::models::Captioner;
use anyhow::{Result, bail};
use std::time::Instant;
use tch::Tensor;

/// The caption of an image, and the others in the running.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    pub caption: String,
    pub log_prob: f64,
    /// All candidates, best first by the search's own rank.
    pub candidates: Vec<Candidate>,
}

/// A split captioned and scored.
#[derive(Debug)]
pub struct SplitEvaluation {
    /// Places in the dataset.
    pub images: Vec<usize>,
    pub decoded: Vec<Decoded>,
    pub evaluation: Evaluation,
    /// Wall time of decoding.
    pub seconds: f64,
}

/// Searches captions of images given their features, one tensor per encoder.
pub(super) fn search(
    model: &dyn Captioner,
    vocabulary: &Vocabulary,
    features: &[Tensor],
    decode: &DecodeConfig,
    width: usize,
) -> Vec<Vec<Candidate>> {
    let options = BeamOptions {
        width,
        max_length: decode.max_length.unwrap_or_else(|| vocabulary.max_length()),
        length_penalty: decode.length_penalty,
        suppress_unk: decode.suppress_unk,
    };
    let candidate = |Hypothesis { tokens, log_prob, .. }: &Hypothesis| Candidate {
        caption: vocabulary.decode(tokens).join(" "),
        log_prob: *log_prob,
    };
    let found = beam_search(model, features, &options);
    found.iter().map(|hypotheses| hypotheses.iter().map(candidate).collect()).collect()
}

/// The first candidate of each image.
pub(super) fn first(candidates: Vec<Vec<Candidate>>) -> Vec<Decoded> {
    let empty = Candidate { caption: String::new(), log_prob: f64::NEG_INFINITY };
    let decoded = |candidates: Vec<Candidate>| {
        let best = candidates.first().unwrap_or(&empty).clone();
        Decoded { caption: best.caption, log_prob: best.log_prob, candidates }
    };
    candidates.into_iter().map(decoded).collect()
}

impl Trained {
    /// Captions of images given their features. Comparison-based search needs a dataset, thus a [`Session`]: here it
    /// is an error.
    pub fn decode(&self, features: &[Tensor], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let width = match decode.method {
            DecodeMethod::Greedy => 1,
            DecodeMethod::Beam => decode.beam,
            DecodeMethod::Comparison => bail!("comparison-based beam search needs the training images"),
        };
        Ok(first(search(&*self.model, &self.vocabulary, features, decode, width)))
    }
}

impl Session {
    /// Greedy captions, for validation.
    pub(super) fn greedy(&self, images: &[usize]) -> Result<Vec<String>> {
        let decode = DecodeConfig { method: DecodeMethod::Greedy, ..self.experiment.decode.clone() };
        Ok(self.decode(images, &decode)?.into_iter().map(|decoded| decoded.caption).collect())
    }

    /// Captions of images of the dataset.
    pub fn decode(&self, images: &[usize], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let mut features = Vec::with_capacity(images.len().div_ceil(decode.batch_size.max(1)));
        for batch in images.chunks(decode.batch_size.max(1)) {
            features.push((0..self.features.encoders()).map(|e| self.features.rows(e, batch)).collect::<Result<_>>()?);
        }
        self.decode_features(&features, decode)
    }

    /// Captions of any images given their features in batches, one tensor per encoder.
    pub fn decode_features(&self, batches: &[Vec<Tensor>], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let search = |width: usize| -> Vec<Vec<Candidate>> {
            let found = batches.iter().map(|batch| search(&*self.model, &self.vocabulary, batch, decode, width));
            found.flatten().collect()
        };
        match decode.method {
            DecodeMethod::Greedy => Ok(first(search(1))),
            DecodeMethod::Beam => Ok(first(search(decode.beam))),
            DecodeMethod::Comparison => {
                let mut candidates = search(decode.beam);
                if decode.comparison.greedy {
                    for (candidates, greedy) in candidates.iter_mut().zip(search(1)) {
                        let new = greedy.into_iter().filter(|g| candidates.iter().all(|c| c.caption != g.caption));
                        let new: Vec<Candidate> = new.collect();
                        candidates.extend(new);
                    }
                }
                self.compare(batches, candidates, decode)
            }
        }
    }

    fn compare(
        &self,
        batches: &[Vec<Tensor>],
        candidates: Vec<Vec<Candidate>>,
        decode: &DecodeConfig,
    ) -> Result<Vec<Decoded>> {
        let train = self.split(Split::Train);
        if train.is_empty() {
            bail!("comparison-based beam search needs training images; use decode.method=beam");
        }
        let known = (0..self.features.encoders()).map(|e| self.features.rows(e, &train)).collect::<Result<Vec<_>>>()?;
        let neighbours: Vec<Vec<usize>> = batches
            .iter()
            .flat_map(|batch| comparison::nearest_images(batch, &known, decode.comparison.neighbours))
            .collect();
        let chosen = comparison::choose(&candidates, &neighbours, &self.references(&train), &decode.comparison)?;
        let pick = |(candidates, index): (Vec<Candidate>, usize)| {
            let best = candidates[index].clone();
            Decoded { caption: best.caption, log_prob: best.log_prob, candidates }
        };
        Ok(candidates.into_iter().zip(chosen).map(pick).collect())
    }

    /// Captions and scores a split.
    pub fn evaluate(&self, split: Split, decode: &DecodeConfig) -> Result<SplitEvaluation> {
        let images = self.split(split);
        if images.is_empty() {
            bail!("'{}' has no usable image in the split '{split}'", self.dataset.name);
        }
        let started = Instant::now();
        let decoded = self.decode(&images, decode)?;
        let seconds = started.elapsed().as_secs_f64();
        let captions: Vec<String> = decoded.iter().map(|d| d.caption.clone()).collect();
        let evaluation = self.references(&images).score(&captions, MetricSet::ALL)?;
        Ok(SplitEvaluation { images, decoded, evaluation, seconds })
    }
}
