//! Several captioners as one: what they make of the next word, averaged.

use super::{Captioner, Losses, State};
use crate::data::batch::Batch;
use crate::data::{END, PAD, START, UNK, Vocabulary};
use crate::runtime::libtorch::upload;
use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};

/// What is averaged over the members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mean {
    /// Probabilities: a word that one member is sure of stays likely.
    #[default]
    Probabilities,
    /// Log-probabilities, whose exponents no longer sum to one: a word must be likely to every member, and one that a
    /// member does not know is never chosen.
    LogProbabilities,
}

/// Captioners that find the next word together, as one [`Captioner`] over the features of all, those of the first
/// member first. Only decoding is shared: an ensemble has no loss to be trained by.
pub struct Ensemble<'a> {
    members: Vec<Member<'a>>,
    mean: Mean,
}

struct Member<'a> {
    model: &'a dyn Captioner,
    /// How many of the features are its own.
    encoders: usize,
    /// Share of the mean.
    weight: f64,
    /// `None` where its ids are those of the ensemble.
    words: Option<Words>,
}

/// Between the ids of the ensemble, `V`, and those of a member, `M`.
struct Words {
    /// `[V]` Int64: the member's id of each word, `<unk>` where it has none.
    own: Tensor,
    /// `[V]` Int64: the same, `M` where it has none.
    column: Tensor,
}

/// A captioner with its words and the number of its encoders.
pub struct Part<'a> {
    pub model: &'a dyn Captioner,
    pub vocabulary: &'a Vocabulary,
    pub encoders: usize,
}

impl<'a> Ensemble<'a> {
    /// The members with their weights, one each, and the vocabulary of the ensemble: every word that a member knows.
    ///
    /// # Errors
    /// No member; weights that are not one positive number a member.
    pub fn new(parts: &[Part<'a>], weights: &[f64], mean: Mean, device: Device) -> Result<(Self, Vocabulary)> {
        if parts.is_empty() || weights.len() != parts.len() {
            bail!("an ensemble needs one weight for each of its {} models, found {}", parts.len(), weights.len());
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            bail!("the weight of a model in an ensemble must be a positive number, found {weight}");
        }
        let total: f64 = weights.iter().sum();
        let vocabulary = Vocabulary::union(parts.iter().map(|part| part.vocabulary));
        let member = |(part, weight): (&Part<'a>, &f64)| Member {
            model: part.model,
            encoders: part.encoders,
            weight: weight / total,
            words: (part.vocabulary.words() != vocabulary.words())
                .then(|| Words::new(&vocabulary, part.vocabulary, device)),
        };
        Ok((Self { members: parts.iter().zip(weights).map(member).collect(), mean }, vocabulary))
    }
}

impl Words {
    fn new(ensemble: &Vocabulary, own: &Vocabulary, device: Device) -> Self {
        let specials = [PAD, START, END, UNK];
        let ids: Vec<i64> = ensemble
            .words()
            .iter()
            .zip(0..)
            .map(|(word, id)| if specials.contains(&id) { id } else { own.id(word) })
            .collect();
        let missing = own.len() as i64;
        let known = |(&own, id): (&i64, i64)| if own == UNK && id != UNK { missing } else { own };
        let columns: Vec<i64> = ids.iter().zip(0..).map(known).collect();
        Self { own: upload(&ids, device), column: upload(&columns, device) }
    }
}

impl Member<'_> {
    /// Log-probabilities of the ensemble's words after the ensemble's `tokens`, `[R, V]`.
    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let log_probs = |tokens: &Tensor, state: &mut State| {
            self.model.step(tokens, state).to_kind(Kind::Float).log_softmax(-1, None)
        };
        match &self.words {
            None => log_probs(tokens, state),
            Some(Words { own, column }) => log_probs(&own.index_select(0, tokens), state)
                .pad([0, 1], "constant", f64::NEG_INFINITY)
                .index_select(1, column),
        }
    }
}

impl Captioner for Ensemble<'_> {
    fn losses(&self, _: &Batch, _: bool) -> Losses {
        Losses::default()
    }

    fn start(&self, features: &[Tensor]) -> State {
        let mut rest = features;
        let start = |member: &Member<'_>| {
            let (own, others) = rest.split_at(member.encoders.min(rest.len()));
            rest = others;
            member.model.start(own)
        };
        State { parts: self.members.iter().map(start).collect(), ..State::new(Vec::new()) }
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let said = self.members.iter().zip(&mut state.parts);
        let said = said.map(|(member, state)| (member.weight, member.step(tokens, state)));
        let mean = match self.mean {
            Mean::Probabilities => {
                let weighed: Vec<Tensor> = said.map(|(weight, log_probs)| log_probs + weight.ln()).collect();
                Tensor::stack(&weighed, 0).logsumexp([0i64].as_slice(), false)
            }
            Mean::LogProbabilities => said.map(|(weight, log_probs)| log_probs * weight).sum(),
        };
        state.length += 1;
        mean
    }
}
