//! Beam search over a batch of images; greedy search is the beam of one.

use crate::data::{END, PAD, START, UNK};
use crate::models::{Captioner, State};
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

/// For every image its hypotheses, best first, `width` of them (fewer only where the vocabulary is smaller).
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
        for Live { image, tokens, log_prob } in std::mem::take(&mut self.live) {
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
        let tokens = Tensor::from_slice(&last).to_device(self.device);
        let logits = self.model.step(&tokens, &mut self.state);
        let (log_probs, words, candidates) = self.candidates(&logits);
        let mut grown = Vec::with_capacity(self.live.len());
        let mut parents = Vec::with_capacity(self.live.len());
        let mut row = 0;
        while row < self.live.len() {
            let image = self.live[row].image;
            let rows = self.live[row..].iter().take_while(|live| live.image == image).count();
            let mut pool: Vec<(f64, usize, i64)> = Vec::with_capacity(rows * candidates);
            for parent in row..row + rows {
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
            self.state.reorder(&Tensor::from_slice(&parents).to_device(self.device));
        }
    }

    /// The best words of every row: log-probabilities and ids, row-major, and how many a row.
    fn candidates(&self, logits: &Tensor) -> (Vec<f32>, Vec<i64>, usize) {
        let log_probs = logits.to_kind(Kind::Float).log_softmax(-1, None);
        let mut banned = vec![PAD, START];
        if self.options.suppress_unk {
            banned.push(UNK);
        }
        let vocabulary = log_probs.size()[1];
        banned.retain(|&id| id < vocabulary);
        let banned = Tensor::from_slice(&banned).to_device(self.device);
        let log_probs = log_probs.index_fill(1, &banned, f64::NEG_INFINITY);
        let count = (self.options.width as i64).min(vocabulary);
        let (values, words) = log_probs.topk(count, -1, true, true);
        let numel = values.numel();
        let (mut value_buffer, mut word_buffer) = (vec![0f32; numel], vec![0i64; numel]);
        values.to_device(Device::Cpu).contiguous().copy_data(&mut value_buffer, numel);
        words.to_device(Device::Cpu).contiguous().copy_data(&mut word_buffer, numel);
        (value_buffer, word_buffer, count as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::batch::Batch;
    use crate::models::Losses;

    /// A captioner whose next word depends on the image and on all words so far, through a table of random logits.
    struct Table {
        logits: Tensor,
    }

    const VOCABULARY: i64 = 9;

    impl Table {
        fn new(seed: i64) -> Self {
            tch::manual_seed(seed);
            Self { logits: Tensor::randn([997, VOCABULARY], (Kind::Float, Device::Cpu)) * 2.0 }
        }
    }

    impl Captioner for Table {
        fn losses(&self, _: &Batch, _: bool) -> Losses {
            Losses::default()
        }
        fn start(&self, features: &[Tensor]) -> State {
            State::new(vec![features[0].to_kind(Kind::Int64).view([-1])])
        }
        fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
            state.tensors[0] = (&state.tensors[0] * 31 + tokens * 7 + 3).remainder(997);
            self.logits.index_select(0, &state.tensors[0])
        }
    }

    fn images(ids: &[f32]) -> Vec<Tensor> {
        vec![Tensor::from_slice(ids).view([-1, 1])]
    }

    fn options(width: usize) -> BeamOptions {
        BeamOptions { width, max_length: 6, length_penalty: 0.0, suppress_unk: true }
    }

    /// Greedy search written on its own.
    fn greedy(model: &Table, image: f32, max_length: usize) -> Vec<i64> {
        let mut state = model.start(&images(&[image]));
        let (mut tokens, mut last) = (Vec::new(), START);
        while tokens.len() < max_length {
            let mut logits =
                Vec::<f32>::try_from(model.step(&Tensor::from_slice(&[last]), &mut state).view([-1])).unwrap();
            [PAD, START, UNK].iter().for_each(|&id| logits[id as usize] = f32::NEG_INFINITY);
            last = (0..VOCABULARY).max_by(|&a, &b| logits[a as usize].total_cmp(&logits[b as usize])).unwrap();
            if last == END {
                break;
            }
            tokens.push(last);
        }
        tokens
    }

    #[test]
    fn a_beam_of_one_is_greedy_search() {
        let model = Table::new(1);
        for image in 0..20 {
            let found = beam_search(&model, &images(&[image as f32]), &options(1)).remove(0);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].tokens, greedy(&model, image as f32, 6));
        }
    }

    #[test]
    fn a_batch_gives_what_one_by_one_gives() {
        let model = Table::new(2);
        let ids: Vec<f32> = (0..17).map(|i| i as f32).collect();
        for width in [1, 3, 5] {
            let batch = beam_search(&model, &images(&ids), &options(width));
            for (id, found) in ids.iter().zip(&batch) {
                assert_eq!(*found, beam_search(&model, &images(&[*id]), &options(width))[0]);
            }
        }
    }

    /// A beam as wide as all captions of up to three words must find the best of them, which enumeration gives too.
    #[test]
    fn a_wide_beam_finds_the_best_caption() {
        let model = Table::new(3);
        let words: Vec<i64> = (4..VOCABULARY).collect();
        let score = |tokens: &[i64]| {
            let mut state = model.start(&images(&[5.0]));
            let mut total = 0.0;
            let mut last = START;
            for position in 0..=tokens.len() {
                let target = tokens.get(position).copied().unwrap_or(END);
                if position == 3 {
                    break; // the greatest length needs no <end>
                }
                let log_probs = model.step(&Tensor::from_slice(&[last]), &mut state).log_softmax(-1, None);
                total += log_probs.double_value(&[0, target]);
                last = target;
            }
            total
        };
        let mut all: Vec<Vec<i64>> = vec![vec![]];
        for length in 0..3 {
            let longer: Vec<Vec<i64>> = all.iter().filter(|t| t.len() == length).cloned().collect();
            all.extend(longer.iter().flat_map(|t| words.iter().map(move |&w| [t.as_slice(), &[w]].concat())));
        }
        let best = all.into_iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
        let wide = BeamOptions { width: 200, max_length: 3, ..options(1) };
        assert_eq!(beam_search(&model, &images(&[5.0]), &wide)[0][0].tokens, best);
    }

    #[test]
    fn every_place_is_filled_and_the_order_is_by_rank() {
        let model = Table::new(4);
        for found in beam_search(&model, &images(&[1.0, 2.0, 3.0]), &options(5)) {
            assert_eq!(found.len(), 5);
            assert!(found.windows(2).all(|pair| pair[0].log_prob >= pair[1].log_prob));
            assert!(found.iter().all(|h| h.tokens.iter().all(|t| ![PAD, START, END, UNK].contains(t))));
        }
    }

    #[test]
    fn no_images_give_no_captions() {
        assert!(beam_search(&Table::new(5), &images(&[]), &options(3)).is_empty());
    }
}
