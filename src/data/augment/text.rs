//! Other words for a caption: synonyms, another caption of the same image, paraphrases from a file.

use super::Paraphrases;
use crate::util::rng::Rng;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How a caption is rewritten: with probability `other_caption` by another of its image's, else with probability
/// `paraphrase` by one from the file, else by putting synonyms for some of its words.
///
/// Deviation: CSSA translates captions to another language and back. That needs a translation model: its output can be
/// given as a file (`paraphrases`; `rsic data augment-text` checks and merges such files), and without one another
/// caption of the image, written by a person, takes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextAugment {
    pub other_caption: f64,
    /// Probability of a paraphrase where the file has one.
    pub paraphrase: f64,
    /// Paraphrases of training captions: tab-separated caption and paraphrase, one pair a line.
    pub paraphrases: Option<PathBuf>,
    /// Largest part of the content words that synonyms replace; one word at least.
    pub synonyms: f64,
}

impl Default for TextAugment {
    fn default() -> Self {
        Self { other_caption: 0.5, paraphrase: 0.5, paraphrases: None, synonyms: 0.15 }
    }
}

/// Of each word that has any: words that mean the same, sorted.
pub type Synonyms = BTreeMap<String, Vec<String>>;

/// Rewrites captions by settings.
#[derive(Debug)]
pub struct TextAugmenter {
    settings: TextAugment,
    synonyms: Synonyms,
    paraphrases: Option<Paraphrases>,
}

impl TextAugmenter {
    /// An error where the file of paraphrases cannot be read.
    pub fn new(settings: &TextAugment, synonyms: Synonyms) -> Result<Self> {
        let read = |path: &PathBuf| Paraphrases::load(path).context("text.paraphrases cannot be used");
        let paraphrases = settings.paraphrases.as_ref().map(read).transpose()?;
        Ok(Self { settings: settings.clone(), synonyms, paraphrases })
    }

    /// Another form of `captions[index]`, one of an image's captions.
    pub fn rewrite(&self, captions: &[&[String]], index: usize, rng: &mut Rng) -> Vec<String> {
        let Some(&caption) = captions.get(index) else { return Vec::new() };
        // Drawn whatever is used, so that one setting does not move the others' numbers.
        let (other, paraphrase) = (rng.chance(self.settings.other_caption), rng.chance(self.settings.paraphrase));
        let others: Vec<&[String]> = captions.iter().filter(|words| **words != caption).copied().collect();
        if other && let Some(words) = rng.pick(&others) {
            return words.to_vec();
        }
        let known = self.paraphrases.as_ref().map_or(&[][..], |paraphrases| paraphrases.of(caption));
        if paraphrase && let Some(words) = rng.pick(known) {
            return words.clone();
        }
        self.with_synonyms(caption, rng)
    }

    fn with_synonyms(&self, caption: &[String], rng: &mut Rng) -> Vec<String> {
        let mut words = caption.to_vec();
        if self.settings.synonyms <= 0.0 {
            return words;
        }
        let mut places: Vec<usize> =
            (0..words.len()).filter(|&place| self.synonyms.contains_key(&words[place])).collect();
        rng.shuffle(&mut places);
        let most = ((caption.len() as f64 * self.settings.synonyms) as usize).max(1);
        for place in places.into_iter().take(most) {
            if let Some(synonym) = self.synonyms.get(&words[place]).and_then(|synonyms| rng.pick(synonyms)) {
                words[place].clone_from(synonym);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    fn augmenter(settings: TextAugment) -> TextAugmenter {
        let synonyms = [("planes", "airplanes"), ("big", "large")]
            .map(|(word, other)| (word.to_owned(), vec![other.to_owned()]))
            .into();
        TextAugmenter { settings, synonyms, paraphrases: None }
    }

    #[test]
    fn synonyms_replace_a_part_of_the_words_and_at_least_one() {
        let settings = TextAugment { other_caption: 0.0, synonyms: 0.15, ..TextAugment::default() };
        let caption = words("two big planes on a runway");
        let rewritten: Vec<String> = (0..20)
            .map(|i| augmenter(settings.clone()).rewrite(&[&caption], 0, &mut Rng::new(&[i])).join(" "))
            .collect();
        assert!(rewritten.iter().any(|text| text == "two large planes on a runway"));
        assert!(rewritten.iter().any(|text| text == "two big airplanes on a runway"));
        assert!(rewritten.iter().all(|text| text.split(' ').zip(&caption).filter(|(a, b)| a != b).count() == 1));
    }

    #[test]
    fn another_caption_is_never_the_same_one() {
        let settings = TextAugment { other_caption: 1.0, ..TextAugment::default() };
        let (one, two) = (words("a runway"), words("two roads"));
        let captions: [&[String]; 3] = [&one, &two, &one];
        for seed in 0..10 {
            let rewritten = augmenter(settings.clone()).rewrite(&captions, 0, &mut Rng::new(&[seed]));
            assert_eq!(rewritten, two);
        }
        // Where there is no other, synonyms serve.
        assert_eq!(augmenter(settings).rewrite(&[&words("big")], 0, &mut Rng::new(&[1])), ["large"]);
    }
}
