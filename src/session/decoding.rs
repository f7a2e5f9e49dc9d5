//! Captions of images, and the scores of a split.

use super::{Session, Trained};
use crate::data::{Split, Vocabulary};
use crate::decode::comparison::{self, Candidate};
use crate::decode::{BeamOptions, Hypothesis, beam_search};
use crate::decode::{DecodeConfig, DecodeMethod, Unfinished};
use crate::eval::{Evaluation, MetricSet, References, Scores};
use crate::models::{Captioner, NounSearch};
use crate::runtime::guard::halving_images;
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
    /// The nouns that the model predicts of the image, where it does and they were asked for.
    pub nouns: Vec<String>,
}

/// A split captioned and scored.
#[derive(Debug)]
pub struct SplitEvaluation {
    /// Places in the dataset.
    pub images: Vec<usize>,
    pub decoded: Vec<Decoded>,
    pub evaluation: Evaluation,
    /// Scores of captions and references as word ids, as the programs of some papers compute them.
    pub on_ids: Scores,
    /// How well the model's attributes agree with those of the captions, where it has any.
    pub attributes: Option<Scores>,
    /// Images for which no caption ended, where such are dropped: they have no scores.
    pub unfinished: usize,
    /// Wall time of decoding.
    pub seconds: f64,
}

/// Searches captions of images given their features, one tensor per encoder; of fewer at a time where memory runs out.
pub(super) fn search(
    model: &dyn Captioner,
    vocabulary: &Vocabulary,
    features: &[Tensor],
    decode: &DecodeConfig,
    width: usize,
) -> Result<Vec<Vec<Candidate>>> {
    candidates(model, vocabulary, features, &options(vocabulary, decode, width))
}

fn options(vocabulary: &Vocabulary, decode: &DecodeConfig, width: usize) -> BeamOptions {
    BeamOptions {
        width,
        max_length: decode.max_length.unwrap_or_else(|| vocabulary.max_length()),
        length_penalty: decode.length_penalty,
        suppress_unk: decode.suppress_unk,
        suppress_specials: decode.suppress_specials,
        finished_only: decode.unfinished == Unfinished::Drop,
        best_only: false,
    }
}

fn candidates(
    model: &dyn Captioner,
    vocabulary: &Vocabulary,
    features: &[Tensor],
    options: &BeamOptions,
) -> Result<Vec<Vec<Candidate>>> {
    let candidate = |Hypothesis { tokens, log_prob, .. }: &Hypothesis| Candidate {
        caption: vocabulary.decode(tokens).join(" "),
        log_prob: *log_prob,
    };
    let found = halving_images(features, &mut |features| Ok(beam_search(model, features, options)))?;
    Ok(found.iter().map(|hypotheses| hypotheses.iter().map(candidate).collect()).collect())
}

/// The first candidate of each image.
pub(super) fn first(candidates: Vec<Vec<Candidate>>) -> Vec<Decoded> {
    let empty = Candidate { caption: String::new(), log_prob: f64::NEG_INFINITY };
    let decoded = |candidates: Vec<Candidate>| {
        let best = candidates.first().unwrap_or(&empty).clone();
        Decoded { caption: best.caption, log_prob: best.log_prob, candidates, nouns: Vec::new() }
    };
    candidates.into_iter().map(decoded).collect()
}

/// Which images are scored: those with a caption. Where none has one, the model has learnt nothing yet and all are
/// scored as empty.
fn scored(decoded: &[Decoded]) -> Vec<usize> {
    let with_caption: Vec<usize> = (0..decoded.len()).filter(|&index| !decoded[index].candidates.is_empty()).collect();
    if with_caption.is_empty() { (0..decoded.len()).collect() } else { with_caption }
}

/// Captions of images, with their nouns where these are asked for.
fn with_nouns(
    model: &dyn Captioner,
    vocabulary: &Vocabulary,
    features: &[Tensor],
    decode: &DecodeConfig,
    width: usize,
    nouns: Option<NounSearch>,
) -> Result<Vec<Decoded>> {
    halving_images(features, &mut |features| {
        let prepared = tch::no_grad(|| model.prepare(features));
        let words = options(vocabulary, decode, width);
        let mut decoded = first(candidates(model, vocabulary, &prepared, &words)?);
        if let Some((search, nouns)) = nouns.zip(model.nouns()) {
            let NounSearch { steps, best_only } = search;
            // Shown, never scored: nouns that have not ended are better than none.
            let options = BeamOptions { max_length: steps, best_only, finished_only: false, ..words };
            let found = first(candidates(&*nouns, vocabulary, &prepared, &options)?);
            for (decoded, nouns) in decoded.iter_mut().zip(found) {
                decoded.nouns = nouns.caption.split_whitespace().map(str::to_owned).collect();
            }
        }
        Ok(decoded)
    })
}

impl Trained {
    /// Captions of images given their features, with `nouns` also the nouns of models that predict them.
    /// Comparison-based search needs a dataset, thus a [`Session`]: here it is an error.
    pub fn decode(&self, features: &[Tensor], decode: &DecodeConfig, nouns: bool) -> Result<Vec<Decoded>> {
        let width = match decode.method {
            DecodeMethod::Greedy => 1,
            DecodeMethod::Beam => decode.beam,
            DecodeMethod::Comparison => bail!("comparison-based beam search needs the training images"),
        };
        let nouns = self.experiment.model.noun_search().filter(|_| nouns);
        with_nouns(&*self.model, &self.vocabulary, features, decode, width, nouns)
    }
}

impl Session {
    /// Images that are scored in validation and their captions: greedy ones where the beam is 1.
    pub(super) fn for_validation(&self, images: &[usize], beam: usize) -> Result<(Vec<usize>, Vec<String>)> {
        let method = if beam > 1 { DecodeMethod::Beam } else { DecodeMethod::Greedy };
        let decode = DecodeConfig { method, beam, ..self.experiment.decode.clone() };
        let decoded = self.decode(images, &decode)?;
        let scored = scored(&decoded);
        let captions = scored.iter().map(|&index| decoded[index].caption.clone()).collect();
        Ok((scored.into_iter().map(|index| images[index]).collect(), captions))
    }

    /// Captions of images of the dataset.
    pub fn decode(&self, images: &[usize], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let mut features = Vec::with_capacity(images.len().div_ceil(decode.batch_size.max(1)));
        for batch in images.chunks(decode.batch_size.max(1)) {
            features.push(self.looked_at(batch)?);
        }
        self.decode_features(&features, decode)
    }

    /// What the model sees of some images of the dataset.
    fn looked_at(&self, images: &[usize]) -> Result<Vec<Tensor>> {
        (0..self.features.encoders()).map(|encoder| self.features.rows(encoder, images)).collect()
    }

    /// [`Self::decode`], with the nouns of models that predict them.
    fn decode_with_nouns(&self, images: &[usize], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let width = match decode.method {
            DecodeMethod::Greedy => 1,
            DecodeMethod::Beam => decode.beam,
            DecodeMethod::Comparison => return self.decode(images, decode),
        };
        let nouns = self.experiment.model.noun_search();
        let mut decoded = Vec::with_capacity(images.len());
        for batch in images.chunks(decode.batch_size.max(1)) {
            let looked_at = self.looked_at(batch)?;
            decoded.extend(with_nouns(&*self.model, &self.vocabulary, &looked_at, decode, width, nouns)?);
        }
        Ok(decoded)
    }

    /// Captions of any images given their features in batches, one tensor per encoder.
    pub fn decode_features(&self, batches: &[Vec<Tensor>], decode: &DecodeConfig) -> Result<Vec<Decoded>> {
        let search = |width: usize| -> Result<Vec<Vec<Candidate>>> {
            let found = batches.iter().map(|batch| search(&*self.model, &self.vocabulary, batch, decode, width));
            Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        match decode.method {
            DecodeMethod::Greedy => Ok(first(search(1)?)),
            DecodeMethod::Beam => Ok(first(search(decode.beam)?)),
            DecodeMethod::Comparison => {
                let mut candidates = search(decode.beam)?;
                if decode.comparison.greedy {
                    for (candidates, greedy) in candidates.iter_mut().zip(search(1)?) {
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
            Decoded { caption: best.caption, log_prob: best.log_prob, candidates, nouns: Vec::new() }
        };
        Ok(candidates.into_iter().zip(chosen).map(pick).collect())
    }

    /// Scores captions with ids in place of words: no stems, synonyms or paraphrases in METEOR, and `<unk>` matches
    /// `<unk>`.
    pub(super) fn score_on_ids(&self, images: &[usize], captions: &[String]) -> Result<Scores> {
        let ids = |words: &mut dyn Iterator<Item = &str>| {
            words.map(|word| self.vocabulary.id(word).to_string()).collect::<Vec<_>>().join(" ")
        };
        let of = |&image: &usize| {
            let captions = self.dataset.images[image].captions.iter();
            captions.map(|caption| ids(&mut caption.words.iter().map(String::as_str))).collect::<Vec<_>>()
        };
        let references = References::from_tokenized(&images.iter().map(of).collect::<Vec<_>>());
        let captions: Vec<String> = captions.iter().map(|caption| ids(&mut caption.split_whitespace())).collect();
        Ok(references.score_tokenized(&captions, MetricSet::ALL)?.corpus)
    }

    /// Captions and scores a split.
    pub fn evaluate(&self, split: Split, decode: &DecodeConfig) -> Result<SplitEvaluation> {
        let images = self.split(split);
        if images.is_empty() {
            bail!("'{}' has no usable images in split '{split}'", self.dataset.name);
        }
        let started = Instant::now();
        let decoded = self.decode_with_nouns(&images, decode)?;
        let seconds = started.elapsed().as_secs_f64();
        let scored = scored(&decoded);
        let unfinished = images.len() - scored.len();
        let captions: Vec<String> = scored.iter().map(|&index| decoded[index].caption.clone()).collect();
        let places: Vec<usize> = scored.iter().map(|&index| images[index]).collect();
        let mut evaluation = self.references(&places).score(&captions, MetricSet::ALL)?;
        let on_ids = self.score_on_ids(&places, &captions)?;
        if unfinished > 0 {
            let mut scores = vec![Scores::default(); images.len()];
            scored.into_iter().zip(evaluation.images).for_each(|(index, of_image)| scores[index] = of_image);
            evaluation.images = scores;
        }
        let attributes = self.over_batches(split, |batches| self.model.attribute_scores(batches))?;
        Ok(SplitEvaluation { images, decoded, evaluation, on_ids, attributes, unfinished, seconds })
    }
}
