//! Beam search over a captioner whose answers can be worked out by other means.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Table, greedy};
use rsic::data::{END, PAD, START, UNK};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::Captioner;
use tch::Tensor;

const VOCABULARY: i64 = 9;

fn images(ids: &[f32]) -> Vec<Tensor> {
    vec![Tensor::from_slice(ids).view([-1, 1])]
}

fn options(width: usize) -> BeamOptions {
    BeamOptions { width, max_length: 6, ..BeamOptions::default() }
}

#[test]
fn a_beam_of_one_is_greedy_search() {
    let model = Table::new(1, VOCABULARY);
    for image in 0..20 {
        let found = beam_search(&model, &images(&[image as f32]), &options(1)).remove(0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tokens, greedy(&model, &images(&[image as f32]), 6));
    }
}

#[test]
fn a_batch_gives_what_one_by_one_gives() {
    let model = Table::new(2, VOCABULARY);
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
    let model = Table::new(3, VOCABULARY);
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
    let model = Table::new(4, VOCABULARY);
    for found in beam_search(&model, &images(&[1.0, 2.0, 3.0]), &options(5)) {
        assert_eq!(found.len(), 5);
        assert!(found.windows(2).all(|pair| pair[0].log_prob >= pair[1].log_prob));
        assert!(found.iter().all(|h| h.tokens.iter().all(|t| ![PAD, START, END, UNK].contains(t))));
    }
}

#[test]
fn hypotheses_that_have_not_ended_can_be_left_out_also_where_none_is_left() {
    let model = Table::new(6, VOCABULARY);
    let ids: Vec<f32> = (0..30).map(|i| i as f32).collect();
    let ranked = beam_search(&model, &images(&ids), &options(3));
    let dropped = beam_search(&model, &images(&ids), &BeamOptions { finished_only: true, ..options(3) });
    for (ranked, dropped) in ranked.iter().zip(&dropped) {
        let ended: Vec<_> = ranked.iter().filter(|found| found.finished).cloned().collect();
        assert_eq!(*dropped, ended);
    }
    assert!(dropped.iter().any(Vec::is_empty) && dropped.iter().any(|found| !found.is_empty()));
}

#[test]
fn specials_are_chosen_where_nothing_forbids_it() {
    let open = BeamOptions { suppress_specials: false, suppress_unk: false, ..options(1) };
    let chosen = |options: &BeamOptions| -> Vec<i64> {
        let found = beam_search(&Table::new(7, VOCABULARY), &images(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), options);
        found.into_iter().flatten().flat_map(|hypothesis| hypothesis.tokens).collect()
    };
    assert!([PAD, START, UNK].iter().all(|special| chosen(&open).contains(special)));
    assert!([PAD, START, UNK].iter().all(|special| !chosen(&options(1)).contains(special)));
}

/// The published program's search of nouns, written down anew: at each step the best row alone, its best words fill the
/// places that are left.
#[test]
fn only_the_best_row_goes_on_where_the_fault_is_asked_for() {
    let model = Table::new(8, VOCABULARY);
    for image in 0..20 {
        let features = images(&[image as f32]);
        let found = beam_search(&model, &features, &BeamOptions { best_only: true, ..options(3) }).remove(0);
        type Rows = Vec<(Vec<i64>, f64)>;
        let (mut rows, mut done): (Rows, Rows) = (vec![(vec![], 0.0)], vec![]);
        for _ in 0..6 {
            let Some((words, score)) = rows.first().cloned() else { break };
            let mut state = model.start(&features);
            let mut logits = model.step(&Tensor::from_slice(&[START]), &mut state);
            for &word in &words {
                logits = model.step(&Tensor::from_slice(&[word]), &mut state);
            }
            let scores = Vec::<f32>::try_from(logits.log_softmax(-1, None).view([-1])).unwrap();
            let mut order: Vec<i64> = (0..VOCABULARY).filter(|id| ![PAD, START, UNK].contains(id)).collect();
            order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
            rows.clear();
            for &word in &order[..3 - done.len()] {
                let score = score + f64::from(scores[word as usize]);
                match word {
                    END => done.push((words.clone(), score)),
                    _ => rows.push(([words.as_slice(), &[word]].concat(), score)),
                }
            }
        }
        let mut expected: Vec<Vec<i64>> = done.iter().map(|(words, _)| words.clone()).collect();
        let ended = found.iter().filter(|hypothesis| hypothesis.finished);
        let mut ended: Vec<Vec<i64>> = ended.map(|hypothesis| hypothesis.tokens.clone()).collect();
        expected.sort();
        ended.sort();
        assert_eq!(ended, expected, "image {image}");
    }
}

#[test]
fn no_images_give_no_captions() {
    assert!(beam_search(&Table::new(5, VOCABULARY), &images(&[]), &options(3)).is_empty());
}
