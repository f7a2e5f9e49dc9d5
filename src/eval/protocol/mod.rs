//! Protocols: what else the field calls by the names of these metrics.
//!
//! The same captions score differently under different programs, and papers rarely say which one they used. Each
//! protocol here is one of these programs, by its own arithmetic:
//!
//! - `coco`: coco-caption. PTB tokens in lower case without punctuation; BLEU, METEOR 1.5, ROUGE-L (beta 1.2), CIDEr-D,
//!   SPICE
//! - `coco-no-ptb`: coco-caption's scorers without its tokeniser: words between white space, case kept
//! - `ids`: coco-caption's scorers but SPICE on word ids, as the programs of S2CPNet and others call them
//! - `nltk`: NLTK's `corpus_bleu` and `meteor_score` and rouge-score's best ROUGE-L, on words between white space, case
//!   kept (METEOR: lower case)
//! - `mean-over-references`: rouge-score's ROUGE-1 and ROUGE-L, stemmed, as means over the references, and NLTK's
//!   METEOR on its `word_tokenize`: EarthDial's `caption_eval.py`

mod nltk_bleu;
mod nltk_meteor;
mod porter;
mod rouge_score;
mod treebank;
mod words;

pub use nltk_bleu::Smoothing;

use crate::meteor::Resources;
use crate::{MetricSet, References, Scores, tokenize_all};
use anyhow::{Result, bail};
use nltk_meteor::Words;
use rayon::prelude::*;
use rouge_score::Over;
use std::str::FromStr;
use std::sync::Arc;

/// A program whose scores are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Coco,
    CocoNoPtb,
    Ids,
    Nltk,
    MeanOverReferences,
}

impl Protocol {
    /// Those for captions in words.
    pub const WORDS: [Self; 4] = [Self::Coco, Self::CocoNoPtb, Self::Nltk, Self::MeanOverReferences];

    pub fn name(self) -> &'static str {
        match self {
            Self::Coco => "coco",
            Self::CocoNoPtb => "coco-no-ptb",
            Self::Ids => "ids",
            Self::Nltk => "nltk",
            Self::MeanOverReferences => "mean-over-references",
        }
    }

    /// How it finds words, for the line below a table.
    pub fn tokens(self) -> &'static str {
        match self {
            Self::Coco => "PTB tokenizer, lower case, punctuation removed (as coco-caption)",
            Self::CocoNoPtb => "words between white space, as they are",
            Self::Ids => "word ids, not tokenised",
            Self::Nltk => "words between white space, as they are; METEOR in lower case, ROUGE-L by rouge-score",
            Self::MeanOverReferences => "rouge-score's tokens, stemmed; METEOR in lower case, punctuation apart",
        }
    }

    /// Whether its scores are coco-caption's, on whatever words: what bootstrap and single images' scores know.
    pub fn is_coco(self) -> bool {
        matches!(self, Self::Coco | Self::CocoNoPtb | Self::Ids)
    }

    /// The captions of each image, prepared for coco-caption's scorers.
    pub fn references<G: AsRef<[String]> + Sync>(self, groups: &[G]) -> References {
        match self {
            Self::CocoNoPtb => {
                let joined = |group: &G| group.as_ref().iter().map(|text| spaced(text)).collect::<Vec<_>>();
                References::from_tokenized(&groups.par_iter().map(joined).collect::<Vec<_>>())
            }
            Self::Ids => References::from_tokenized(groups),
            _ => References::new(groups),
        }
    }

    /// One caption an image in the words of [`references`](Self::references).
    pub fn hypotheses<S: AsRef<str> + Sync>(self, captions: &[S]) -> Vec<String> {
        match self {
            Self::CocoNoPtb => captions.par_iter().map(|caption| spaced(caption.as_ref())).collect(),
            Self::Ids => captions.iter().map(|caption| caption.as_ref().to_owned()).collect(),
            _ => tokenize_all(captions),
        }
    }
}

impl FromStr for Protocol {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Coco, Self::CocoNoPtb, Self::Ids, Self::Nltk, Self::MeanOverReferences];
        match all.into_iter().find(|protocol| protocol.name() == name) {
            Some(protocol) => Ok(protocol),
            None => bail!("unknown protocol '{name}'; valid: {}", all.map(Self::name).join(", ")),
        }
    }
}

fn spaced(text: &str) -> String {
    words::spaced(text).join(" ")
}

/// Scores raw captions under one protocol; `groups`: the raw references of each image.
///
/// # Errors
/// Another number of captions than images; damaged METEOR resources.
pub fn score<S: AsRef<str> + Sync, G: AsRef<[String]> + Sync>(
    protocol: Protocol,
    captions: &[S],
    groups: &[G],
    metrics: MetricSet,
    smoothing: Smoothing,
    resources: Option<Arc<Resources>>,
) -> Result<Scores> {
    if captions.len() != groups.len() {
        bail!("{} captions cannot be scored against the references of {} images", captions.len(), groups.len());
    }
    let mut scores = Scores::default();
    let mut push = |name: &str, value: f64| scores.0.push((name.to_owned(), value));
    match protocol {
        Protocol::Coco | Protocol::CocoNoPtb | Protocol::Ids => {
            let references = protocol.references(groups).with_resources(resources);
            let metrics = if protocol == Protocol::Ids { metrics.without_spice() } else { metrics };
            return Ok(references.score_tokenized(&protocol.hypotheses(captions), metrics)?.corpus);
        }
        Protocol::Nltk => {
            if metrics.bleu {
                let references = Protocol::CocoNoPtb.references(groups);
                let bleu = MetricSet { bleu: true, ..MetricSet::NONE };
                let segments = references.segments(&Protocol::CocoNoPtb.hypotheses(captions), bleu)?;
                let values = nltk_bleu::corpus_bleu(segments.iter().map(|segment| &segment.bleu), smoothing);
                for (n, value) in (1..).zip(values) {
                    push(&format!("BLEU-{n}"), value);
                }
            }
            let resources = resources.as_deref();
            if metrics.meteor {
                push("METEOR", mean(captions, groups, |c, g| meteor(c, g, words::spaced, resources)));
            }
            if metrics.rouge_l {
                push("ROUGE_L", mean(captions, groups, |c, g| rouge(c, g, false, Over::Best)[1]));
            }
        }
        Protocol::MeanOverReferences => {
            let resources = resources.as_deref();
            if metrics.rouge_l {
                let [one, longest] = means(captions, groups, |c, g| rouge(c, g, true, Over::Mean));
                push("ROUGE_1", one);
                push("ROUGE_L", longest);
            }
            if metrics.meteor {
                push("METEOR", mean(captions, groups, |c, g| meteor(c, g, treebank::tokens, resources)));
            }
        }
    }
    Ok(scores)
}

/// The mean of a caption's score over the images.
fn mean<S: AsRef<str> + Sync, G: AsRef<[String]> + Sync>(
    captions: &[S],
    groups: &[G],
    score: impl Fn(&str, &[String]) -> f64 + Sync,
) -> f64 {
    let [mean] = means(captions, groups, |caption, group| [score(caption, group)]);
    mean
}

/// The means of several scores of a caption over the images, added up in their order.
fn means<const N: usize, S: AsRef<str> + Sync, G: AsRef<[String]> + Sync>(
    captions: &[S],
    groups: &[G],
    score: impl Fn(&str, &[String]) -> [f64; N] + Sync,
) -> [f64; N] {
    let scores: Vec<[f64; N]> = captions.par_iter().zip(groups).map(|(c, g)| score(c.as_ref(), g.as_ref())).collect();
    std::array::from_fn(|n| scores.iter().map(|of_image| of_image[n]).sum::<f64>() / scores.len().max(1) as f64)
}

fn rouge(caption: &str, references: &[String], stemmed: bool, over: Over) -> [f64; 2] {
    let references: Vec<Vec<String>> = references.iter().map(|text| words::rouge_score(text, stemmed)).collect();
    rouge_score::rouge(&words::rouge_score(caption, stemmed), &references, over)
}

fn meteor(caption: &str, references: &[String], words: fn(&str) -> Vec<String>, resources: Option<&Resources>) -> f64 {
    let prepared: Vec<Words> = references.iter().map(|text| Words::new(&words(text), resources)).collect();
    nltk_meteor::meteor(&Words::new(&words(caption), resources), &prepared)
}

#[cfg(test)]
mod tests;
