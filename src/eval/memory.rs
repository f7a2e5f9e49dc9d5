//! What part of a score may be memory: references, and captions, that stand word for word among the training captions.
//!
//! In UCM-Captions 84 % of the test images have a reference that is a training caption, and 26 % have no other.

use crate::{MetricSet, References, Scores, Segment, tokenize_all};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

/// The captions of the training images, in the words in which captions are scored.
#[derive(Debug, Clone, Default)]
pub struct Training {
    captions: FxHashSet<String>,
    words: usize,
}

/// What the captions of some images are worth, given the training captions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Images with a reference that is a training caption.
    pub seen: Part,
    /// Images without.
    pub unseen: Part,
    /// Images of which every reference is a training caption.
    pub all_seen: usize,
    /// Captions scored that are training captions.
    pub copies: usize,
    /// Different captions scored.
    pub distinct: usize,
    /// Different words of theirs.
    pub words: usize,
    /// Different words of the training captions.
    pub training_words: usize,
}

/// Some of the images and their scores; CIDEr's weights are those of all images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub images: usize,
    pub scores: Scores,
}

impl Training {
    /// Tokenises raw captions as coco-caption does.
    pub fn new<S: AsRef<str> + Sync>(captions: &[S]) -> Self {
        Self::of_cleaned(tokenize_all(captions))
    }

    /// Captions that are in the scorers' words already.
    pub fn of_cleaned(captions: Vec<String>) -> Self {
        let captions: FxHashSet<String> = captions.into_iter().collect();
        let words = words(captions.iter());
        Self { captions, words }
    }

    /// How many of these references are training captions.
    fn seen<'t>(&self, references: impl Iterator<Item = &'t str>) -> usize {
        references.filter(|caption| self.captions.contains(*caption)).count()
    }
}

/// How many different words captions have.
fn words<'c>(captions: impl Iterator<Item = &'c String>) -> usize {
    captions.flat_map(|caption| caption.split_whitespace()).collect::<FxHashSet<_>>().len()
}

/// Images of which one reference, and of which every one, is among the training captions.
pub fn overlap(training: &Training, references: &References) -> (usize, usize) {
    let images = (0..references.len()).map(|image| {
        let captions = references.captions(image);
        (captions.len(), training.seen(captions))
    });
    images.fold((0, 0), |(any, all), (count, seen)| {
        (any + usize::from(seen > 0), all + usize::from(count > 0 && seen == count))
    })
}

impl Memory {
    /// `captions`: the caption of each image, cleaned; `segments`: what [`References::segments`] made of them.
    pub fn new(
        training: &Training,
        references: &References,
        captions: &[String],
        segments: &[Segment],
        metrics: MetricSet,
    ) -> Self {
        let seen: Vec<bool> =
            (0..references.len()).map(|image| training.seen(references.captions(image)) > 0).collect();
        let part = |wanted: bool| {
            let chosen = || segments.iter().zip(&seen).filter(|(_, seen)| **seen == wanted).map(|(segment, _)| segment);
            let images = chosen().count();
            let scores = if images > 0 { references.corpus(chosen(), metrics) } else { Scores::default() };
            Part { images, scores }
        };
        Self {
            seen: part(true),
            unseen: part(false),
            all_seen: overlap(training, references).1,
            copies: training.seen(captions.iter().map(String::as_str)),
            distinct: captions.iter().collect::<FxHashSet<_>>().len(),
            words: words(captions.iter()),
            training_words: training.words,
        }
    }

    /// Images scored.
    pub fn images(&self) -> usize {
        self.seen.images + self.unseen.images
    }

    /// One sentence: copies, different captions, words.
    pub fn sentence(&self) -> String {
        let images = self.images();
        let percent = 100.0 * self.copies as f64 / images.max(1) as f64;
        format!(
            "{} of {images} captions ({percent:.0} %) are training captions; {} different captions; {} of {} training \
             words used",
            self.copies, self.distinct, self.words, self.training_words
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_split_by_references_that_training_had_and_copies_are_counted() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let groups = [texts(&["A lake.", "Some trees"]), texts(&["two planes"]), texts(&["a road .", "A Road"])];
        let references = References::new(&groups).with_resources(None);
        let training = Training::new(&["a lake", "A road.", "many houses"]);
        assert_eq!(overlap(&training, &references), (2, 1));
        let captions = texts(&["a lake", "a lake", "one road"]);
        let metrics = MetricSet::SM;
        let segments = references.segments(&captions, metrics).unwrap();
        let memory = Memory::new(&training, &references, &captions, &segments, metrics);
        assert_eq!((memory.seen.images, memory.unseen.images, memory.all_seen), (2, 1, 1));
        assert_eq!((memory.copies, memory.distinct, memory.words, memory.training_words), (2, 2, 4, 5));
        assert_eq!(memory.unseen.scores, references.corpus(&segments[1..2], metrics));
        assert!(memory.sentence().starts_with("2 of 3 captions (67 %) are training captions"));
    }
}
