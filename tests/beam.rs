//! Beam search over a captioner whose answers can be worked out by other means.
#![allow(clippy::unwrap_used)]

mod common;

use common::greedy;
use rsic::data::batch::Batch;
use rsic::data::{END, PAD, START, UNK};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::{Captioner, Losses, State};
use tch::{Device, Kind, Tensor};

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

#[test]
fn a_beam_of_one_is_greedy_search() {
    let model = Table::new(1);
    for image in 0..20 {
        let found = beam_search(&model, &images(&[image as f32]), &options(1)).remove(0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tokens, greedy(&model, &images(&[image as f32]), 6));
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
