//! Beam search over a batch of images; greedy search is the beam of one.

use crate::data::{END, PAD, START, UNK};
use crate::models::{Captioner, State};
use crate::runtime::libtorch::upload;
use tch::{Device, Kind, Tensor};

/// How captions are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamOptions {
    /// Hypotheses kept per image; 1 is greedy search.
    pub width: usize,
    /// Longest caption, words.
    pub max_length: usize,
    /// Hypotheses are ranked by `log_prob / (words + 1)^length_penalty`; 0 ranks by log-probability alone.
    pub length_penalty: f64,
    /// Never choose `<unk>`.
    pub suppress_unk: bool,
    /// Never choose `<pad>` and `<start>`.
    pub suppress_specials: bool,
    /// Hypotheses that have not ended at the greatest length are left out: an image may then have none.
    pub finished_only: bool,
    /// After a step only the best hypothesis of an image goes on, into as many as there are places: a fault of
    /// S2CPNet's published program, in its search of nouns.
    pub best_only: bool,
}

impl Default for BeamOptions {
    /// Greedy search of up to 20 words.
    fn default() -> Self {
        Self {
            width: 1,
            max_length: 20,
            length_penalty: 0.0,
            suppress_unk: true,
            suppress_specials: true,
            finished_only: false,
            best_only: false,
        }
    }
}

/// A caption found by a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Word ids, without `<start>` and `<end>`.
    pub tokens: Vec<i64>,
    /// Sum of the log-probabilities of the words and of `<end>`.
    pub log_prob: f64,
    /// Whether `<end>` was chosen before the greatest length.
    pub finished: bool,
}

impl Hypothesis {
    fn rank(&self, length_penalty: f64) -> f64 {
        self.log_prob / ((self.tokens.len() + 1) as f64).powf(length_penalty)
    }
}

/// For every image its hypotheses, best first, `width` of them (fewer only where the vocabulary is smaller, or where
/// those that have not ended are left out).
///
/// Each image keeps `width` hypotheses until they end; one that ends leaves the search and its place is closed, so
/// that a beam of one is greedy search exactly. All live hypotheses of all images go through the model in one step.
pub fn beam_search(model: &dyn Captioner, features: &[Tensor], options: &BeamOptions) -> Vec<Vec<Hypothesis>> {
    tch::no_grad(|| Search::new(model, features, options).run())
}

/// A hypothesis still growing: its image, words and log-probability.
#[derive(Clone)]
struct Live {
    image: usize,
    tokens: Vec<i64>,
    log_prob: f64,
}

struct Search<'a> {
    model: &'a dyn Captioner,
    options: &'a BeamOptions,
    device: Device,
    state: State,
    /// One per row of the state, rows of an image together, images in order.
    live: Vec<Live>,
    finished: Vec<Vec<Hypothesis>>,
}

impl<'a> Search<'a> {
    fn new(model: &'a dyn Captioner, features: &[Tensor], options: &'a BeamOptions) -> Self {
        let state = model.start(features);
        let images = features.first().map_or(0, |f| f.size()[0] as usize);
        let device = features.first().map_or(Device::Cpu, Tensor::device);
        let live = (0..images).map(|image| Live { image, tokens: Vec::new(), log_prob: 0.0 }).collect();
        Self { model, options, device, state, live, finished: vec![Vec::new(); images] }
    }

    fn run(mut self) -> Vec<Vec<Hypothesis>> {
        for _ in 0..self.options.max_length {
            if self.live.is_empty() {
                break;
            }
            self.advance();
        }
        let unfinished = if self.options.finished_only { Vec::new() } else { std::mem::take(&mut self.live) };
        for Live { image, tokens, log_prob } in unfinished {
            self.finished[image].push(Hypothesis { tokens, log_prob, finished: false });
        }
        let penalty = self.options.length_penalty;
        for hypotheses in &mut self.finished {
            // Stable: equal ranks keep the order in which they were found.
            hypotheses.sort_by(|a, b| b.rank(penalty).total_cmp(&a.rank(penalty)));
        }
        self.finished
    }

    /// One step of the model for all live rows, then for each image its best continuations.
    fn advance(&mut self) {
        let last: Vec<i64> = self.live.iter().map(|live| live.tokens.last().copied().unwrap_or(START)).collect();
        let tokens = upload(&last, self.device);
        let logits = self.model.step(&tokens, &mut self.state);
        let (log_probs, words, candidates) = self.candidates(&logits);
        let mut grown = Vec::with_capacity(self.live.len());
        let mut parents = Vec::with_capacity(self.live.len());
        let mut row = 0;
        while row < self.live.len() {
            let image = self.live[row].image;
            let rows = self.live[row..].iter().take_while(|live| live.image == image).count();
            let mut pool: Vec<(f64, usize, i64)> = Vec::with_capacity(rows * candidates);
            // Rows of an image are in the order of their rank.
            let asked = if self.options.best_only { 1 } else { rows };
            for parent in row..row + asked {
                for column in parent * candidates..(parent + 1) * candidates {
                    pool.push((self.live[parent].log_prob + f64::from(log_probs[column]), parent, words[column]));
                }
            }
            pool.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
            let places = self.options.width - self.finished[image].len();
            for (log_prob, parent, word) in pool.into_iter().filter(|c| c.0 > f64::NEG_INFINITY).take(places) {
                let mut tokens = self.live[parent].tokens.clone();
                if word == END {
                    self.finished[image].push(Hypothesis { tokens, log_prob, finished: true });
                } else {
                    tokens.push(word);
                    grown.push(Live { image, tokens, log_prob });
                    parents.push(parent as i64);
                }
            }
            row += rows;
        }
        self.live = grown;
        let unchanged = parents.len() == last.len() && parents.iter().enumerate().all(|(i, &p)| p == i as i64);
        if !unchanged {
            self.state.reorder(&upload(&parents, self.device));
        }
    }

    /// The best words of every row: log-probabilities and ids, row-major, and how many a row.
    fn candidates(&self, logits: &Tensor) -> (Vec<f32>, Vec<i64>, usize) {
        let log_probs = logits.to_kind(Kind::Float).log_softmax(-1, None);
        let mut banned = if self.options.suppress_specials { vec![PAD, START] } else { Vec::new() };
        if self.options.suppress_unk {
            banned.push(UNK);
        }
        let vocabulary = log_probs.size()[1];
        banned.retain(|&id| id < vocabulary);
        let banned = upload(&banned, self.device);
        let log_probs = log_probs.index_fill(1, &banned, f64::NEG_INFINITY);
        let count = (self.options.width as i64).min(vocabulary);
        let (values, words) = log_probs.topk(count, -1, true, true);
        // One copy, for which the host waits once: a double holds either exactly.
        let numel = values.numel();
        let mut both = vec![0f64; 2 * numel];
        let stacked = Tensor::stack(&[values.to_kind(Kind::Double), words.to_kind(Kind::Double)], 0);
        stacked.to_device(Device::Cpu).contiguous().copy_data(&mut both, 2 * numel);
        let words = both.split_off(numel).into_iter().map(|word| word as i64).collect();
        (both.into_iter().map(|value| value as f32).collect(), words, count as usize)
    }
}
