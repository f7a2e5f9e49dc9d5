//! Captions of images, and the scores of a split.

use super::judge::Judged;
use super::{Session, Trained};
use crate::data::{Split, Vocabulary};
use crate::decode::comparison::{self, Candidate};
use crate::decode::neighbours::Gallery;
use crate::decode::{BeamOptions, Hypothesis, beam_search};
use crate::decode::{DecodeConfig, DecodeMethod, DecodePrecision, Unfinished};
use crate::eval::memory::Memory;
use crate::eval::{Evaluation, MetricSet, References, Scores};
use crate::models::{Captioner, NounSearch};
use crate::runtime::Interrupt;
use crate::runtime::guard::{halving, halving_images};
use crate::runtime::libtorch::autocast;
use crate::train::ScoredAs;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
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
    /// What part of the scores may be memory of the training captions; none where there are none.
    pub memory: Option<Memory>,
    /// What the scores were computed with, as `rsic score` says it.
    pub signature: String,
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
    in_precision(features, decode, || candidates(model, vocabulary, features, &options(vocabulary, decode, width)))
}

/// Runs a search in the number format of the settings, which must be one of the features' device.
fn in_precision<T>(features: &[Tensor], decode: &DecodeConfig, search: impl FnOnce() -> Result<T>) -> Result<T> {
    features.iter().try_for_each(|features| decode.check_device(features.device()))?;
    autocast(decode.precision == DecodePrecision::Bf16, search)
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
    let mut search = |features: &[Tensor]| {
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
    };
    in_precision(features, decode, || halving_images(features, &mut search))
}

impl Trained {
    /// Captions of images given their features, with `nouns` also the nouns of models that predict them.
    /// Comparison-based search needs a dataset, thus a [`Session`]: here it is an error.
    pub fn decode(&self, features: &[Tensor], decode: &DecodeConfig, nouns: bool) -> Result<Vec<Decoded>> {
        let width = decode.width().context("comparison-based beam search needs the training images")?;
        let nouns = self.experiment.model.noun_search().filter(|_| nouns);
        with_nouns(&*self.model, &self.vocabulary, features, decode, width, nouns)
    }
}

/// What `decode` makes of images of the dataset: of fewer at a time where the features of all are too large themselves.
pub(super) fn fitting(
    images: &[usize],
    decode: &mut dyn FnMut(&[usize]) -> Result<Vec<Decoded>>,
) -> Result<Vec<Decoded>> {
    halving(images.len(), "images", &mut |part| decode(images.get(part).unwrap_or_default()))
}

/// A way to decode images, with what it needs of the dataset.
pub struct Search<'a> {
    model: &'a dyn Captioner,
    vocabulary: &'a Vocabulary,
    decode: &'a DecodeConfig,
    comparison: Option<Comparison>,
}

/// The training images, by which candidates are compared.
struct Comparison {
    gallery: Gallery,
    /// Of the gallery's images.
    references: References,
    /// Encoders by whose features images are compared.
    encoders: usize,
    /// Place in the gallery by place in the dataset.
    places: BTreeMap<usize, usize>,
}

impl<'a> Search<'a> {
    /// Of a model over the features of `session`, perhaps with others behind them.
    pub(super) fn new(
        session: &Session,
        model: &'a dyn Captioner,
        vocabulary: &'a Vocabulary,
        decode: &'a DecodeConfig,
    ) -> Result<Self> {
        let compares = decode.method == DecodeMethod::Comparison;
        let comparison = compares.then(|| Comparison::new(session)).transpose()?;
        Ok(Self { model, vocabulary, decode, comparison })
    }

    /// Captions of images given their features, one tensor per encoder; `images`: their places in the dataset, where
    /// they have any.
    pub fn decode(&self, features: &[Tensor], images: &[usize]) -> Result<Vec<Decoded>> {
        let Self { model, vocabulary, decode, .. } = *self;
        let search = |width: usize| search(model, vocabulary, features, decode, width);
        let Some(comparison) = &self.comparison else {
            return Ok(first(search(decode.width().unwrap_or(decode.beam))?));
        };
        let mut candidates = search(decode.beam)?;
        if decode.comparison.greedy {
            for (candidates, greedy) in candidates.iter_mut().zip(search(1)?) {
                let new = greedy.into_iter().filter(|g| candidates.iter().all(|c| c.caption != g.caption));
                let new: Vec<Candidate> = new.collect();
                candidates.extend(new);
            }
        }
        comparison.choose(features, images, candidates, decode)
    }
}

impl Comparison {
    /// Training images whose features are read at a time.
    const BATCH: usize = 256;

    fn new(session: &Session) -> Result<Self> {
        let train = session.split(Split::Train);
        if train.is_empty() {
            bail!("comparison-based beam search needs training images; use decode.method=beam");
        }
        let gallery = Gallery::new(&train, Self::BATCH, |images| session.looked_at(images))?;
        let references = session.references(&train);
        let encoders = session.features.encoders();
        Ok(Self { gallery, references, encoders, places: train.into_iter().zip(0..).collect() })
    }

    fn choose(
        &self,
        features: &[Tensor],
        images: &[usize],
        candidates: Vec<Vec<Candidate>>,
        decode: &DecodeConfig,
    ) -> Result<Vec<Decoded>> {
        // A training image would find its own captions.
        let own: Vec<Option<usize>> = images.iter().map(|image| self.places.get(image).copied()).collect();
        let features = features.get(..self.encoders).unwrap_or(features);
        let neighbours = self.gallery.nearest(features, &own, decode.comparison.neighbours);
        let chosen = comparison::choose(&candidates, &neighbours, &self.references, &decode.comparison)?;
        let pick = |(candidates, index): (Vec<Candidate>, usize)| {
            let best = candidates.get(index).context("an image has no candidate caption")?.clone();
            Ok(Decoded { caption: best.caption, log_prob: best.log_prob, candidates, nouns: Vec::new() })
        };
        candidates.into_iter().zip(chosen).map(pick).collect()
    }
}

/// What `work` makes of some images at a time. An error where the process is asked to stop before all are done.
pub(super) fn in_batches(
    images: &[usize],
    decode: &DecodeConfig,
    interrupt: &Interrupt,
    work: &mut dyn FnMut(&[usize]) -> Result<Vec<Decoded>>,
) -> Result<Vec<Decoded>> {
    let mut decoded = Vec::with_capacity(images.len());
    for batch in images.chunks(decode.batch_size.max(1)) {
        interrupt.check("what was trained is kept; 'rsic eval' scores it")?;
        decoded.extend(work(batch)?);
    }
    Ok(decoded)
}

impl Session {
    /// Images that are scored in validation and their captions: greedy ones where the beam is 1.
    pub(super) fn for_validation(&self, images: &[usize], beam: usize) -> Result<(Vec<usize>, Vec<String>)> {
        let method = if beam > 1 { DecodeMethod::Beam } else { DecodeMethod::Greedy };
        let precision = DecodePrecision::Float32;
        let decode = DecodeConfig { method, beam, precision, ..self.experiment.decode.clone() };
        let decoded = self.decode(images, &decode, &Interrupt::never())?;
        let scored = scored(&decoded);
        let captions = scored.iter().map(|&index| decoded[index].caption.clone()).collect();
        Ok((scored.into_iter().map(|index| images[index]).collect(), captions))
    }

    /// Captions of images of the dataset.
    pub fn decode(&self, images: &[usize], decode: &DecodeConfig, interrupt: &Interrupt) -> Result<Vec<Decoded>> {
        let search = Search::new(self, &*self.model, &self.vocabulary, decode)?;
        in_batches(images, decode, interrupt, &mut |batch| {
            fitting(batch, &mut |part| search.decode(&self.looked_at(part)?, part))
        })
    }

    /// What the model sees of some images of the dataset.
    pub(super) fn looked_at(&self, images: &[usize]) -> Result<Vec<Tensor>> {
        (0..self.features.encoders()).map(|encoder| self.features.rows(encoder, images)).collect()
    }

    /// [`Self::decode`], with the nouns of models that predict them.
    fn decode_with_nouns(
        &self,
        images: &[usize],
        decode: &DecodeConfig,
        interrupt: &Interrupt,
    ) -> Result<Vec<Decoded>> {
        let Some(width) = decode.width() else { return self.decode(images, decode, interrupt) };
        let nouns = self.experiment.model.noun_search();
        in_batches(images, decode, interrupt, &mut |batch| {
            fitting(batch, &mut |part| {
                with_nouns(&*self.model, &self.vocabulary, &self.looked_at(part)?, decode, width, nouns)
            })
        })
    }

    /// A way to decode any images given their features.
    pub fn search<'a>(&'a self, decode: &'a DecodeConfig) -> Result<Search<'a>> {
        Search::new(self, &*self.model, &self.vocabulary, decode)
    }

    /// Whether scores of word ids are shown beside those of words: its program knows no others.
    pub fn scores_ids(&self) -> bool {
        self.experiment.train.early_stop.score == ScoredAs::Ids
    }

    /// Scores captions with ids in place of words: no stems, synonyms or paraphrases in METEOR, and `<unk>` matches
    /// `<unk>`. SPICE needs words.
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
        Ok(references.score_tokenized(&captions, MetricSet::SM)?.corpus)
    }

    /// [`Self::decode_with_nouns`] where the decoder is told the attributes of the references.
    fn decode_with_true_attributes(
        &self,
        images: &[usize],
        decode: &DecodeConfig,
        interrupt: &Interrupt,
    ) -> Result<Vec<Decoded>> {
        let width = decode.width().context("the attributes of the references need decode.method=greedy or beam")?;
        let attributes = self.attributes.as_ref().context("the model has no attributes that it could be given")?;
        let model = self.model.told_attributes().context("the model takes no attributes")?;
        in_batches(images, decode, interrupt, &mut |batch| {
            let entries = batch.iter().filter_map(|&image| self.dataset.images.get(image));
            let given: Vec<Vec<f32>> = entries.map(|image| attributes.of_image(image)).collect();
            let mut features = self.looked_at(batch)?;
            features.push(Tensor::from_slice2(&given).to_device(self.device));
            Ok(first(search(&*model, &self.vocabulary, &features, decode, width)?))
        })
    }

    /// Captions and scores a split, unless the process is asked to stop.
    pub fn evaluate(&self, split: Split, decode: &DecodeConfig, interrupt: &Interrupt) -> Result<SplitEvaluation> {
        self.evaluate_by(split, &|images| self.decode_with_nouns(images, decode, interrupt))
    }

    /// [`Self::evaluate`] where the decoder is told the attributes of the references: a diagnostic.
    pub fn evaluate_with_true_attributes(
        &self,
        split: Split,
        decode: &DecodeConfig,
        interrupt: &Interrupt,
    ) -> Result<SplitEvaluation> {
        self.evaluate_by(split, &|images| self.decode_with_true_attributes(images, decode, interrupt))
    }

    pub(super) fn evaluate_by(
        &self,
        split: Split,
        decode: &dyn Fn(&[usize]) -> Result<Vec<Decoded>>,
    ) -> Result<SplitEvaluation> {
        let images = self.split(split);
        if images.is_empty() {
            bail!("'{}' has no usable images in split '{split}'", self.dataset.name);
        }
        let started = Instant::now();
        let decoded = decode(&images)?;
        let seconds = started.elapsed().as_secs_f64();
        let scored = scored(&decoded);
        let unfinished = images.len() - scored.len();
        let captions: Vec<String> = scored.iter().map(|&index| decoded[index].caption.clone()).collect();
        let places: Vec<usize> = scored.iter().map(|&index| images[index]).collect();
        let Judged { mut evaluation, memory, signature } = self.judge(&places, &captions)?;
        let on_ids = self.score_on_ids(&places, &captions)?;
        if unfinished > 0 {
            let mut scores = vec![Scores::default(); images.len()];
            scored.into_iter().zip(evaluation.images).for_each(|(index, of_image)| scores[index] = of_image);
            evaluation.images = scores;
        }
        let attributes = self.over_batches(split, |batches| self.model.attribute_scores(batches))?;
        Ok(SplitEvaluation { images, decoded, evaluation, memory, signature, on_ids, attributes, unfinished, seconds })
    }
}
