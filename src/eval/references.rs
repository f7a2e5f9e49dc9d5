//! References prepared once, and hypotheses scored against them.

use super::bleu::BleuStats;
use super::cider::{CiderWeights, Variant};
use super::distinct::{Distinct, different, tokenize_all, tokenize_different};
use super::meteor::{MeteorReferences, MeteorStats, Resources};
use super::metric_set::MetricSet;
use super::ngrams::{Counts, HypothesisCounts, NgramIndex, split_unicode};
use super::rouge::rouge_l;
use super::scores::Scores;
use super::spice::{KINDS, SpiceReferences, SpiceStats};
use super::tokenizer::tokenize;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Names in the order in which tables print them.
const BLEU_NAMES: [&str; 4] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"];

/// Scores of a corpus and of each of its images, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    pub corpus: Scores,
    pub images: Vec<Scores>,
}

/// The references of some images. Each metric's own preparation is made when it is first asked for.
pub struct References {
    /// Of each image, its captions' places below.
    groups: Vec<Vec<usize>>,
    /// The different cleaned captions.
    captions: Vec<String>,
    index: NgramIndex,
    words: Vec<Words>,
    counts: OnceLock<(NgramIndex, Vec<Counts>)>,
    cider: OnceLock<CiderWeights>,
    meteor: OnceLock<Result<MeteorReferences, String>>,
    spice: OnceLock<Result<SpiceReferences, String>>,
    resources: Chosen,
}

/// Where METEOR's and SPICE's resources come from.
enum Chosen {
    /// The user's cache, when one of them is first asked for.
    Default(OnceLock<Result<Option<Arc<Resources>>, String>>),
    Given(Option<Arc<Resources>>),
}

impl Chosen {
    fn open(&self) -> Result<Option<Arc<Resources>>, String> {
        match self {
            Self::Given(resources) => Ok(resources.clone()),
            Self::Default(opened) => opened
                .get_or_init(|| Ok(Resources::open_default().map_err(|error| format!("{error:#}"))?.map(Arc::new)))
                .clone(),
        }
    }
}

/// A caption's words as numbers: between any white space, and between single spaces where that differs (ROUGE-L).
#[derive(Debug, Default)]
struct Words {
    unicode: Vec<u32>,
    single: Option<Vec<u32>>,
}

impl Words {
    fn new<'t>(text: &'t str, mut number: impl FnMut(&'t str) -> u32) -> Self {
        let unicode = split_unicode(text).map(&mut number).collect();
        let single = (!splits_alike(text)).then(|| text.split(' ').map(number).collect());
        Self { unicode, single }
    }

    fn single(&self) -> &[u32] {
        self.single.as_ref().unwrap_or(&self.unicode)
    }
}

/// Whether splitting at white space and at single spaces give the same words.
fn splits_alike(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
        && text.chars().all(|c| c == ' ' || !(c.is_whitespace() || c.is_ascii_control()))
}

/// One hypothesis's part of each metric. Corpus scores are made from these, over all images or a resample.
#[derive(Debug, Default, Clone, Copy)]
pub struct Segment {
    pub(crate) bleu: BleuStats,
    meteor: MeteorStats,
    rouge_l: f64,
    cider: f64,
    cider_original: f64,
    spice: SpiceStats,
}

impl References {
    /// Tokenises the captions of each image once.
    pub fn new<G: AsRef<[String]>>(groups: &[G]) -> Self {
        let captions: Vec<&String> = groups.iter().flat_map(AsRef::as_ref).collect();
        let (cleaned, places) = tokenize_different(&captions);
        Self::prepared(&cleaned, &places, groups.iter().map(|group| group.as_ref().len()))
    }

    /// Takes captions as they are, words between single spaces: cleaned text, or word ids.
    pub fn from_tokenized<G: AsRef<[String]>>(groups: &[G]) -> Self {
        let captions: Vec<&String> = groups.iter().flat_map(AsRef::as_ref).collect();
        let places: Vec<usize> = (0..captions.len()).collect();
        Self::prepared(&captions, &places, groups.iter().map(|group| group.as_ref().len()))
    }

    /// `cleaned`: captions, some of them equal; `places`: of the captions of one image after the other, among
    /// `cleaned`; `sizes`: how many captions each image has.
    fn prepared<S: AsRef<str>>(cleaned: &[S], places: &[usize], sizes: impl Iterator<Item = usize>) -> Self {
        let (captions, numbers) = different(cleaned);
        let mut index = NgramIndex::default();
        let words = captions.iter().map(|caption| Words::new(caption, |word| index.add_word(word))).collect();
        let mut places = places.iter().filter_map(|&place| numbers.get(place).copied());
        Self {
            groups: sizes.map(|size| places.by_ref().take(size).collect()).collect(),
            captions: captions.into_iter().map(str::to_owned).collect(),
            index,
            words,
            counts: OnceLock::new(),
            cider: OnceLock::new(),
            meteor: OnceLock::new(),
            spice: OnceLock::new(),
            resources: Chosen::Default(OnceLock::new()),
        }
    }

    /// METEOR and SPICE with these resources, or without any, instead of those in the user's cache.
    #[must_use]
    pub fn with_resources(mut self, resources: Option<Arc<Resources>>) -> Self {
        self.resources = Chosen::Given(resources);
        self.meteor = OnceLock::new();
        self.spice = OnceLock::new();
        self
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The cleaned captions of an image.
    pub fn captions(&self, image: usize) -> impl ExactSizeIterator<Item = &str> {
        let group = self.groups.get(image).map(Vec::as_slice).unwrap_or_default();
        group.iter().map(|&caption| self.captions[caption].as_str())
    }

    /// Scores one raw caption an image, in the order of the images.
    ///
    /// # Errors
    /// Another number of hypotheses than images; damaged METEOR resources.
    pub fn score(&self, hypotheses: &[String], metrics: MetricSet) -> Result<Evaluation> {
        self.score_tokenized(&tokenize_all(hypotheses), metrics)
    }

    /// [`score`](Self::score) for captions that are cleaned already.
    pub fn score_tokenized(&self, hypotheses: &[String], metrics: MetricSet) -> Result<Evaluation> {
        Ok(self.evaluation(&self.segments(hypotheses, metrics)?, metrics))
    }

    /// The scores that segments amount to, of the corpus and of each image.
    pub fn evaluation(&self, segments: &[Segment], metrics: MetricSet) -> Evaluation {
        Evaluation {
            corpus: self.corpus(segments, metrics),
            images: segments.iter().map(|segment| self.named(segment, metrics)).collect(),
        }
    }

    /// Each cleaned caption's part of the metrics.
    ///
    /// # Errors
    /// Another number of hypotheses than images; damaged METEOR resources.
    pub fn segments(&self, hypotheses: &[String], metrics: MetricSet) -> Result<Vec<Segment>> {
        self.segments_while(hypotheses, metrics, &|_, _| ())
    }

    /// [`segments`](Self::segments); `progress` is told how many different captions are done, and of how many.
    pub fn segments_while(
        &self,
        hypotheses: &[String],
        metrics: MetricSet,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Segment>> {
        if hypotheses.len() != self.len() {
            bail!("{} captions cannot be scored against the references of {} images", hypotheses.len(), self.len());
        }
        self.segments_of(hypotheses, self.groups.iter(), metrics, progress)
    }

    /// [`score_tokenized`](Self::score_tokenized) of each caption alone, for any number of captions an image: `images`
    /// says whose each one is. Document frequencies of CIDEr stay those of all references.
    ///
    /// # Errors
    /// An image that there is not; damaged METEOR resources.
    pub fn score_each(&self, captions: &[String], images: &[usize], metrics: MetricSet) -> Result<Vec<Scores>> {
        let group = |&image: &usize| {
            let group = self.groups.get(image);
            group.with_context(|| format!("image index {image} out of range for {} images with references", self.len()))
        };
        let groups = images.iter().map(group).collect::<Result<Vec<_>>>()?;
        let segments = self.segments_of(captions, groups.into_iter(), metrics, &|_, _| ())?;
        Ok(segments.iter().map(|segment| self.named(segment, metrics)).collect())
    }

    /// The parts of cleaned captions, each against the references of a group.
    fn segments_of<'g>(
        &'g self,
        hypotheses: &[String],
        groups: impl Iterator<Item = &'g Vec<usize>>,
        metrics: MetricSet,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Segment>> {
        self.prepare(metrics)?;
        if metrics.spice {
            self.spice()?.meet(hypotheses);
        }
        let mut distinct = Distinct::default();
        let mut different = Vec::new();
        let mut numbers = Vec::with_capacity(hypotheses.len());
        for pair @ (hypothesis, group) in hypotheses.iter().zip(groups) {
            let (number, new) = distinct.number(pair);
            if new {
                different.push((hypothesis, group));
            }
            numbers.push(number);
        }
        let (all, done) = (different.len(), AtomicUsize::new(0));
        let scored = |(hypothesis, group): (&String, &Vec<usize>)| {
            let segment = self.segment(hypothesis, &[group], metrics);
            progress(1 + done.fetch_add(1, Ordering::Relaxed), all);
            segment
        };
        let segments: Vec<Segment> = different.into_par_iter().map(scored).collect();
        Ok(numbers.into_iter().filter_map(|number| segments.get(number).copied()).collect())
    }

    /// Scores of a corpus: sums for BLEU and METEOR, means for ROUGE-L, CIDEr and SPICE, added up in the given order.
    pub fn corpus<'s>(&self, segments: impl IntoIterator<Item = &'s Segment>, metrics: MetricSet) -> Scores {
        self.named(&total(segments), metrics)
    }

    /// Whether METEOR has its resources; `None` before METEOR was asked for.
    pub fn meteor_has_resources(&self) -> Option<bool> {
        self.meteor.get()?.as_ref().ok().map(MeteorReferences::has_resources)
    }

    /// Whether SPICE has its synonyms; `None` before SPICE was asked for.
    pub fn spice_has_resources(&self) -> Option<bool> {
        self.spice.get()?.as_ref().ok().map(SpiceReferences::has_resources)
    }

    /// Scores one raw caption against the references of some images taken together (BLEU, METEOR, ROUGE_L): whatever
    /// images a decoder compares with. CIDEr, which needs a corpus, is left out.
    ///
    /// # Errors
    /// An image that there is not; damaged METEOR resources.
    pub fn score_sentence(&self, hypothesis: &str, images: &[usize], metrics: MetricSet) -> Result<Scores> {
        let metrics = MetricSet { cider: false, cider_original: false, spider: false, sm_spice: false, ..metrics };
        self.prepare(metrics)?;
        let mut groups = Vec::with_capacity(images.len());
        for &image in images {
            match self.groups.get(image) {
                Some(group) => groups.push(group.as_slice()),
                None => bail!("image index {image} out of range for {} images with references", self.len()),
            }
        }
        Ok(self.named(&self.segment(&tokenize(hypothesis), &groups, metrics), metrics))
    }

    /// [`score_sentence`](Self::score_sentence) for many captions at once, in parallel.
    pub fn score_sentences(&self, items: &[(String, Vec<usize>)], metrics: MetricSet) -> Result<Vec<Scores>> {
        self.prepare(metrics)?;
        items.par_iter().map(|(hypothesis, images)| self.score_sentence(hypothesis, images, metrics)).collect()
    }

    /// The caption that is most like those of all images: of the greatest mean CIDEr-D against each image's references,
    /// its own among them. `None` where there are no captions.
    pub fn consensus(&self) -> Option<&str> {
        let (index, counts) = self.counts();
        let weights = self.cider.get_or_init(|| CiderWeights::new(index, counts, &self.groups));
        self.captions.get(weights.consensus(counts, &self.groups)?).map(String::as_str)
    }

    /// Makes what the metrics need; cheap where it is made already.
    fn prepare(&self, metrics: MetricSet) -> Result<()> {
        let (counted, aligned) = rayon::join(
            || {
                if metrics.bleu || metrics.cider || metrics.cider_original {
                    let (index, counts) = self.counts();
                    if metrics.cider || metrics.cider_original {
                        self.cider.get_or_init(|| CiderWeights::new(index, counts, &self.groups));
                    }
                }
            },
            || if metrics.meteor { self.meteor().map(|_| ()) } else { Ok(()) },
        );
        let () = counted;
        if metrics.spice {
            self.spice()?;
        }
        aligned
    }

    fn counts(&self) -> &(NgramIndex, Vec<Counts>) {
        self.counts.get_or_init(|| {
            let mut index = self.index.clone();
            let counts = self.words.iter().map(|words| index.add(&words.unicode)).collect();
            (index, counts)
        })
    }

    fn meteor(&self) -> Result<&MeteorReferences> {
        let prepared = self.meteor.get_or_init(|| Ok(MeteorReferences::new(&self.captions, self.resources.open()?)));
        prepared.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn spice(&self) -> Result<&SpiceReferences> {
        let prepared = self.spice.get_or_init(|| {
            SpiceReferences::new(&self.captions, self.resources.open()?).map_err(|error| format!("{error:#}"))
        });
        prepared.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// One cleaned caption against the references in some groups.
    fn segment(&self, hypothesis: &str, groups: &[&[usize]], metrics: MetricSet) -> Segment {
        let mut segment = Segment::default();
        let mut new_words: FxHashMap<&str, u32> = FxHashMap::default();
        let words = Words::new(hypothesis, |word| {
            self.index.word(word).unwrap_or_else(|| {
                let next = (self.index.word_count() + new_words.len()) as u32;
                *new_words.entry(word).or_insert(next)
            })
        });
        let captions = || groups.iter().copied().flatten().copied();
        if metrics.rouge_l {
            segment.rouge_l = rouge_l(words.single(), captions().map(|caption| self.words[caption].single()));
        }
        if metrics.bleu || metrics.cider || metrics.cider_original {
            let (index, counts) = self.counts();
            let hypothesis: HypothesisCounts = index.count(&words.unicode);
            if metrics.bleu {
                let references: Vec<&Counts> = captions().map(|caption| &counts[caption]).collect();
                segment.bleu = BleuStats::new(&hypothesis, &references);
            }
            if let (Some(cider), [group]) = (self.cider.get(), groups) {
                if metrics.cider {
                    segment.cider = cider.score(&hypothesis, counts, group, Variant::D);
                }
                if metrics.cider_original {
                    segment.cider_original = cider.score(&hypothesis, counts, group, Variant::Original);
                }
            }
        }
        if metrics.meteor
            && let Ok(meteor) = self.meteor()
        {
            segment.meteor = meteor.best(&meteor.hypothesis(hypothesis), captions());
        }
        if metrics.spice
            && let Ok(spice) = self.spice()
        {
            segment.spice = spice.score(hypothesis, captions());
        }
        segment
    }

    /// A segment's scores by name.
    pub fn named(&self, segment: &Segment, metrics: MetricSet) -> Scores {
        let mut scores = Vec::with_capacity(8);
        let mut push = |name: &str, value: f64| scores.push((name.to_owned(), value));
        let bleu = segment.bleu.scores();
        let meteor = segment.meteor.score();
        if metrics.bleu {
            BLEU_NAMES.iter().zip(bleu).for_each(|(name, value)| push(name, value));
        }
        let suffix = match self.meteor.get() {
            Some(Ok(meteor)) if !meteor.has_resources() => " (exact+stem)",
            _ => "",
        };
        if metrics.meteor {
            push(&format!("METEOR{suffix}"), meteor);
        }
        if metrics.rouge_l {
            push("ROUGE_L", segment.rouge_l);
        }
        if metrics.cider {
            push("CIDEr", segment.cider);
        }
        if metrics.cider_original {
            push("CIDEr (original)", segment.cider_original);
        }
        if metrics.spice {
            let synonyms = if self.spice_has_resources() == Some(false) { ", no synonyms" } else { "" };
            push(&format!("SPICE (native{synonyms})"), segment.spice.mean(0));
            for (kind, name) in KINDS.iter().enumerate().skip(1).filter(|_| metrics.spice_details) {
                push(&format!("SPICE {name} (native{synonyms})"), segment.spice.mean(kind));
            }
        }
        if metrics.spider {
            push("SPIDEr", (segment.cider + segment.spice.mean(0)) / 2.0);
        }
        if metrics.has_sm() {
            push(&format!("Sm{suffix}"), (bleu[3] + meteor + segment.rouge_l + segment.cider) / 4.0);
        }
        if metrics.sm_spice {
            let sum = bleu[3] + meteor + segment.rouge_l + segment.cider + segment.spice.mean(0);
            push(&format!("Sm with SPICE{suffix}"), sum / 5.0);
        }
        Scores(scores)
    }
}

fn total<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> Segment {
    let mut images = 0u32;
    let mut total = Segment::default();
    for segment in segments {
        images += 1;
        total.bleu.add(&segment.bleu);
        total.meteor.add(&segment.meteor);
        total.rouge_l += segment.rouge_l;
        total.cider += segment.cider;
        total.cider_original += segment.cider_original;
        total.spice.add(&segment.spice);
    }
    total.rouge_l /= f64::from(images.max(1));
    total.cider /= f64::from(images.max(1));
    total.cider_original /= f64::from(images.max(1));
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consensus_caption_has_the_greatest_mean_cider() {
        let texts = ["a lake near a road", "a lake", "two planes on a road", "a road near a lake", "many planes"];
        let groups: Vec<Vec<String>> = [&[0, 1, 0][..], &[2, 4], &[3], &[1, 3, 2, 4]]
            .map(|group| group.iter().map(|&at| texts[at].into()).collect())
            .into();
        let references = References::new(&groups).with_resources(None);
        let cider = MetricSet { cider: true, ..MetricSet::NONE };
        let mean = |text: &str| {
            let captions = vec![text.to_owned(); groups.len()];
            references.score_tokenized(&captions, cider).unwrap().corpus.get("CIDEr").unwrap()
        };
        let best = texts.into_iter().max_by(|a, b| mean(a).total_cmp(&mean(b))).unwrap();
        assert_eq!(references.consensus(), Some(best));
        assert_eq!(References::new::<Vec<String>>(&[]).consensus(), None);
    }
}
