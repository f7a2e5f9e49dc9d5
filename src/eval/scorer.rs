//! Scoring for programs: captions are given one at a time.

use crate::meteor::Resources;
use crate::protocol::Smoothing;
use crate::{MetricSet, Protocol, References, Scores, Signature, Tables, tokenize_all};
use anyhow::{Context, Result, bail};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Takes captions with their references one image after the other, and scores them at the end as coco-caption does:
/// CIDEr's weights, BLEU's and METEOR's sums are of all images.
///
/// Its memory grows with the text alone; a caption that many images have is kept once.
///
/// ```
/// use rsic_metrics::{MetricSet, Scorer};
///
/// let mut scorer = Scorer::new(MetricSet::SM).with_resources(None);
/// scorer.add("1.tif", "a plane on the runway", &["A plane is on the runway.", "One plane"])?;
/// scorer.add("2.tif", "green trees", &["Many green trees.", "Some trees"])?;
/// let scored = scorer.finish()?;
/// println!("CIDEr {:.4}", scored.corpus.get("CIDEr").unwrap_or_default());
/// assert_eq!(scored.images[1].0, "2.tif");
/// assert!(scored.signature.contains("|images:2|references:2|"));
/// # anyhow::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Scorer {
    metrics: MetricSet,
    /// Where METEOR's and SPICE's tables come from; `None`: the user's cache.
    resources: Option<Option<Arc<Resources>>>,
    /// Different texts, in the order in which they came, and their places.
    texts: Vec<Arc<str>>,
    places: FxHashMap<Arc<str>, u32>,
    images: Vec<Image>,
    ids: FxHashMap<String, usize>,
}

/// Places of an image's texts.
#[derive(Debug)]
struct Image {
    hypothesis: u32,
    references: Vec<u32>,
}

/// What [`Scorer::finish`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub corpus: Scores,
    /// By image, in the order in which they came.
    pub images: Vec<(String, Scores)>,
    /// What the scores were computed with: equal lines mean comparable scores.
    pub signature: String,
}

impl Scorer {
    pub fn new(metrics: MetricSet) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// METEOR and SPICE with these resources, or without any, instead of those in the user's cache.
    #[must_use]
    pub fn with_resources(mut self, resources: Option<Arc<Resources>>) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Takes the raw caption of an image and its raw references.
    ///
    /// # Errors
    /// An image that was there before, or has no references.
    pub fn add<S: AsRef<str>>(&mut self, id: &str, hypothesis: &str, references: &[S]) -> Result<()> {
        if references.is_empty() {
            bail!("image '{id}' has no references");
        }
        if self.ids.insert(id.to_owned(), self.images.len()).is_some() {
            bail!("image '{id}' was added twice; give one caption per image");
        }
        let hypothesis = self.place(hypothesis)?;
        let references = references.iter().map(|text| self.place(text.as_ref())).collect::<Result<_>>()?;
        self.images.push(Image { hypothesis, references });
        Ok(())
    }

    /// How many images there are so far.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    fn place(&mut self, text: &str) -> Result<u32> {
        if let Some(&place) = self.places.get(text) {
            return Ok(place);
        }
        let place = u32::try_from(self.texts.len()).context("there are more than 4 billion different captions")?;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        Ok(place)
    }

    /// Scores all images.
    ///
    /// # Errors
    /// No image; damaged METEOR resources.
    pub fn finish(self) -> Result<Scored> {
        let Self { metrics, resources, texts, images, ids, .. } = self;
        if images.is_empty() {
            bail!("there are no captions to score");
        }
        let text = |&place: &u32| texts.get(place as usize).map(|text| String::from(&**text)).unwrap_or_default();
        let groups: Vec<Vec<String>> = images.iter().map(|image| image.references.iter().map(text).collect()).collect();
        let hypotheses: Vec<String> = images.iter().map(|image| text(&image.hypothesis)).collect();
        let references = References::new(&groups);
        let references = match resources {
            Some(resources) => references.with_resources(resources),
            None => references,
        };
        let evaluation = references.score_tokenized(&tokenize_all(&hypotheses), metrics)?;
        let mut names: Vec<(usize, String)> = ids.into_iter().map(|(id, place)| (place, id)).collect();
        names.sort_unstable();
        let named = names.iter().zip(&groups).map(|((_, id), group)| (id.clone(), group.as_slice()));
        let tables = Tables::of(&references);
        let signature = Signature::new(Protocol::Coco, Smoothing::default(), metrics, named, tables).to_string();
        let images = names.into_iter().map(|(_, id)| id).zip(evaluation.images).collect();
        Ok(Scored { corpus: evaluation.corpus, images, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_given_one_by_one_score_as_given_at_once() {
        let groups = [vec!["A lake.".to_owned(), "a lake".to_owned()], vec!["two planes on a runway".to_owned()]];
        let captions = ["a lake", "planes on a road"].map(String::from);
        let at_once = References::new(&groups).with_resources(None).score(&captions, MetricSet::SM).unwrap();
        let mut scorer = Scorer::new(MetricSet::SM).with_resources(None);
        for (id, (caption, group)) in ["x", "a"].into_iter().zip(captions.iter().zip(&groups)) {
            scorer.add(id, caption, group).unwrap();
        }
        let scored = scorer.finish().unwrap();
        assert_eq!(scored.corpus, at_once.corpus);
        let names: Vec<&str> = scored.images.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(names, ["x", "a"]);
        assert_eq!(scored.images[1].1, at_once.images[1]);
    }

    #[test]
    fn what_cannot_be_scored_is_said() {
        let mut scorer = Scorer::new(MetricSet::SM);
        assert!(scorer.add::<&str>("x", "a", &[]).unwrap_err().to_string().contains("no references"));
        scorer.add("x", "a", &["b"]).unwrap();
        assert!(scorer.add("x", "a", &["b"]).unwrap_err().to_string().contains("twice"));
        assert!(Scorer::new(MetricSet::SM).finish().is_err());
    }
}
