//! Beam search over a transition system, and its training: the structured perceptron updated where the right
//! derivation falls behind most ("max-violation"; Huang, Fayong and Guo, NAACL 2012).

use super::linear::{ACTIONS, Model, Scores, Trainer};
use crate::util::rng::Rng;

/// States and actions; every derivation of an input has the same number of actions.
pub trait System: Sync {
    type Input: Sync;
    type State: Clone + Send;

    fn start(&self, input: &Self::Input) -> Self::State;
    fn steps(&self, input: &Self::Input) -> usize;
    /// Which actions are possible, by their bits.
    fn possible(&self, input: &Self::Input, state: &Self::State) -> u64;
    fn features(&self, input: &Self::Input, state: &Self::State, features: &mut Vec<u32>);
    fn apply(&self, input: &Self::Input, state: &mut Self::State, action: usize);
    /// The actions that lead to the right answer.
    fn right(&self, input: &Self::Input) -> Vec<usize>;
}

/// A state on the beam with its score and its way here.
struct Item<S> {
    state: S,
    score: f32,
    /// Place of the last step in the history; `u32::MAX` at the start.
    last: u32,
}

/// The best derivation's final state.
pub fn search<S: System>(system: &S, input: &S::Input, model: &impl Model, width: usize) -> S::State {
    let mut beam = vec![Item { state: system.start(input), score: 0.0, last: u32::MAX }];
    let mut features = Vec::new();
    let mut history = Vec::new();
    for _ in 0..system.steps(input) {
        beam = step(system, input, model, width, beam, &mut features, &mut history);
    }
    beam.into_iter().next().map_or_else(|| system.start(input), |item| item.state)
}

fn step<S: System>(
    system: &S,
    input: &S::Input,
    model: &impl Model,
    width: usize,
    beam: Vec<Item<S::State>>,
    features: &mut Vec<u32>,
    history: &mut Vec<(u32, u8)>,
) -> Vec<Item<S::State>> {
    let mut candidates: Vec<(f32, u32, u8)> = Vec::with_capacity(width * 2 + ACTIONS);
    for (place, item) in (0..).zip(&beam) {
        features.clear();
        system.features(input, &item.state, features);
        let mut scores: Scores = [0.0; ACTIONS];
        model.score(features, &mut scores);
        let mut possible = system.possible(input, &item.state);
        while possible != 0 {
            let action = possible.trailing_zeros() as usize;
            possible &= possible - 1;
            candidates.push((item.score + scores[action], place, action as u8));
        }
    }
    // Ties go to the earlier state and the earlier action, so that nothing depends on the sort.
    candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    candidates.truncate(width);
    let next = candidates.into_iter().filter_map(|(score, place, action)| {
        let from = beam.get(place as usize)?;
        let mut state = from.state.clone();
        system.apply(input, &mut state, usize::from(action));
        history.push((from.last, action));
        Some(Item { state, score, last: history.len() as u32 - 1 })
    });
    next.collect()
}

fn actions(history: &[(u32, u8)], mut last: u32) -> Vec<usize> {
    let mut actions = Vec::new();
    while let Some(&(before, action)) = history.get(last as usize) {
        actions.push(usize::from(action));
        last = before;
    }
    actions.reverse();
    actions
}

/// How to train.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    pub epochs: u64,
    pub width: usize,
    pub seed: u64,
}

/// Trains a model. The same inputs in the same order give the same model.
pub fn train<S: System>(system: &S, inputs: &[S::Input], training: Training) -> Trainer {
    let mut trainer = Trainer::default();
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    for epoch in 0..training.epochs {
        Rng::new(&[training.seed, epoch]).shuffle(&mut order);
        for &index in &order {
            if let Some(input) = inputs.get(index) {
                learn(system, input, &mut trainer, training.width);
                trainer.tick();
            }
        }
    }
    trainer
}

fn learn<S: System>(system: &S, input: &S::Input, trainer: &mut Trainer, width: usize) {
    let right = system.right(input);
    let mut beam = vec![Item { state: system.start(input), score: 0.0, last: u32::MAX }];
    let mut gold = (system.start(input), 0.0f32);
    let mut features = Vec::new();
    let mut history = Vec::new();
    let (mut worst, mut most, mut last) = (0, 0.0f32, u32::MAX);
    let mut lost = false;
    for (done, &action) in right.iter().enumerate() {
        features.clear();
        system.features(input, &gold.0, &mut features);
        let mut scores: Scores = [0.0; ACTIONS];
        trainer.score(&features, &mut scores);
        gold.1 += scores[action];
        system.apply(input, &mut gold.0, action);
        beam = step(system, input, trainer, width, beam, &mut features, &mut history);
        let Some(best) = beam.first() else { return };
        lost = actions(&history, best.last) != right[..=done];
        let violation = best.score - gold.1;
        if lost && (violation > most || worst == 0) {
            (worst, most, last) = (done + 1, violation, best.last);
        }
    }
    if !lost {
        return;
    }
    let wrong = actions(&history, last);
    for (derivation, by) in [(&right[..worst], 1.0), (&wrong[..], -1.0)] {
        let mut state = system.start(input);
        for &action in derivation {
            features.clear();
            system.features(input, &state, &mut features);
            trainer.update(&features, action, by);
            system.apply(input, &mut state, action);
        }
    }
}
