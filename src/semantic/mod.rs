//! Scores of captions by meaning: CLIPScore and RefCLIPScore (Hessel et al. 2021), and the similarity of sentence
//! embeddings (Reimers and Gurevych 2019). They take tensors, which the metrics' crate does not know.

mod clip;
mod embed;
mod images;
mod sentences;
pub mod tokens;

pub use clip::{ClipSettings, PROMPT, activation, trained_on};
pub use images::{ImageFiles, prepare};

use crate::eval::Scores;
use anyhow::Result;
use clip::ClipScore;
use sentences::Sentences;
use std::path::{Path, PathBuf};
use tch::Device;

/// What to score with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub clip: Option<ClipSettings>,
    /// Folder of a sentence encoder: a BERT with mean pooling, as MiniLM is.
    pub sentence: Option<PathBuf>,
}

/// A caption to score.
#[derive(Debug, Clone, Copy)]
pub struct Item<'i> {
    /// Its image, which CLIP looks at.
    pub image: Option<&'i Path>,
    pub caption: &'i str,
    pub references: &'i [String],
}

/// The networks, ready to score; by default none.
#[derive(Debug, Default)]
pub struct Semantic {
    clip: Option<ClipScore>,
    sentences: Option<Sentences>,
}

impl Semantic {
    /// Reads the weights and vocabularies.
    ///
    /// # Errors
    /// Files that are not there, or are not what they should be.
    pub fn open(settings: &Settings, device: Device) -> Result<Self> {
        Ok(Self {
            clip: settings.clip.as_ref().map(|clip| ClipScore::open(clip, device)).transpose()?,
            sentences: settings.sentence.as_ref().map(|folder| Sentences::open(folder, device)).transpose()?,
        })
    }

    /// The scores of each caption: `CLIPScore`, `RefCLIPScore`, `Sentence-max` and `Sentence-mean`, those that were
    /// asked for.
    ///
    /// # Errors
    /// An image that cannot be read; a caption without references.
    pub fn score(&self, items: &[Item]) -> Result<Vec<Scores>> {
        let mut scores = vec![Scores::default(); items.len()];
        let parts = [
            self.clip.as_ref().map(|clip| clip.score(items)).transpose()?,
            self.sentences.as_ref().map(|sentences| sentences.score(items)).transpose()?,
        ];
        for part in parts.into_iter().flatten() {
            scores.iter_mut().zip(part).for_each(|(scores, part)| scores.0.extend(part.0));
        }
        Ok(scores)
    }

    /// What readers of the scores should know, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let clip = self.clip.iter().flat_map(ClipScore::notes);
        clip.chain(self.sentences.as_ref().map(Sentences::note)).collect()
    }

    /// What the scores were computed with, for the line of the signature.
    pub fn signature(&self) -> Vec<(&'static str, String)> {
        let clip = self.clip.as_ref().map(|clip| ("clip", clip.signature()));
        clip.into_iter().chain(self.sentences.as_ref().map(|s| ("sentence", s.signature()))).collect()
    }
}

/// The mean of each score over the images that have it.
pub fn mean(images: &[Scores]) -> Scores {
    let names = images.iter().find(|scores| !scores.0.is_empty()).into_iter().flat_map(Scores::names);
    let of = |name: &str| {
        let all: Vec<f64> = images.iter().filter_map(|scores| scores.get(name)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    Scores(names.map(|name| (name.to_owned(), of(name))).collect())
}
