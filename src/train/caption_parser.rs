//! Learning SPICE's caption parser ([`Analyser`]) from the reference parser's output.
//!
//! Tags, arcs and labels are learnt together by cross-entropy, in floats; the weights are then rounded to the 8 or 16
//! bits that the parser computes with. The same parses give the same bytes.

use crate::eval::spice::convert;
use crate::eval::spice::dense::{Dense, Fixed, quantise};
use crate::eval::spice::features::{self, Embedding};
use crate::eval::spice::graph::{Graph, Label};
use crate::eval::spice::gru::{Cell, Gru};
use crate::eval::spice::lemma::Lemmas;
use crate::eval::spice::model::Analyser;
use crate::eval::spice::network::Network;
use crate::train::libtorch::set_gradient;
use crate::util::rng::Rng;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// How the parser is trained. Sizes are multiples of 16.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub epochs: usize,
    /// Captions of one length in a step.
    pub batch: usize,
    /// Adam's greatest learning rate; it rises for 100 steps and falls after 3 tenths of all.
    pub rate: f64,
    /// Share of inputs and states that are left out.
    pub dropout: f64,
    /// Share of words that are known by their ends alone.
    pub forget: f64,
    /// Numbers in a word's vector.
    pub embedding: i64,
    /// Numbers in each direction's state.
    pub state: i64,
    pub layers: usize,
    /// Numbers in the projections that arcs and labels are made of.
    pub projection: i64,
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 27,
            batch: 96,
            rate: 1e-3,
            dropout: 0.15,
            forget: 0.2,
            embedding: 64,
            state: 256,
            layers: 2,
            projection: 96,
            seed: 1,
        }
    }
}

/// Parts of a batch, each with a thread. Always as many, so that a sum is the same on every number of cores.
const PARTS: usize = 2;

/// Features of a word, at most.
const SLOTS: usize = 8;

struct Example {
    /// Rows of the table of vectors, `SLOTS` a word, 0 for none; the word's own first.
    features: Vec<i64>,
    tags: Vec<i64>,
    governors: Vec<i64>,
    labels: Vec<i64>,
}

/// A linear map's weights `[outputs, inputs]` and biases.
struct Linear(Tensor, Tensor);

impl Linear {
    fn apply(&self, xs: &Tensor) -> Tensor {
        xs.linear(&self.0, Some(&self.1))
    }

    fn rounded<T: Fixed>(&self) -> Result<Dense<T>> {
        Ok(Dense::new(&numbers(&self.0)?, &numbers(&self.1)?, self.0.size2()?.1 as usize))
    }
}

/// A network's sizes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    features: i64,
    tags: i64,
    labels: i64,
}

/// Uniform in `±bound`, by [`Rng`] alone.
fn uniform(shape: &[i64], bound: f64, rng: &mut Rng) -> Tensor {
    let count = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..count).map(|_| ((rng.unit() * 2.0 - 1.0) * bound) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// The parser in floats.
struct Net {
    embedding: Tensor,
    /// Of each layer, both directions' weights from the input and from the state, with their biases.
    layers: Vec<Vec<Tensor>>,
    root: Tensor,
    tag: Linear,
    dependent: Linear,
    governor: Linear,
    form: Linear,
    label_dependent: Linear,
    label_governor: Linear,
    label: Linear,
    state: i64,
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(Vec::<f32>::try_from(tensor.detach().contiguous().view(-1))?)
}

/// Both directions' weights, as integers.
fn gru<T: Fixed>(weights: &[Tensor]) -> Result<Gru<T>> {
    let (forward, backward) = weights.split_at_checked(4).context("a direction has 4 tensors")?;
    Ok(Gru { forward: cell(forward)?, backward: cell(backward)? })
}

fn cell<T: Fixed>(weights: &[Tensor]) -> Result<Cell<T>> {
    let [input, state, input_bias, state_bias] = weights else { bail!("a direction has 4 tensors") };
    let (mut first, mut second) = (numbers(input_bias)?, numbers(state_bias)?);
    let (inputs, size) = (input.size2()?.1 as usize, state.size2()?.1 as usize);
    // The state's bias of the first two gates is only ever added to the input's.
    first.iter_mut().zip(&mut second).take(2 * size).for_each(|(first, second)| *first += std::mem::take(second));
    Ok(Cell { input: Dense::new(&numbers(input)?, &first, inputs), state: Dense::new(&numbers(state)?, &second, size) })
}

/// What is left of a tensor after dropout: a mask of this shape with ones scaled up.
fn mask(shape: &[i64], share: f64, rng: &mut Rng) -> Tensor {
    let (keep, limit) = ((1.0 / (1.0 - share)) as f32, (share * 65536.0) as u64);
    let count = shape.iter().product::<i64>() as usize;
    let mut values = Vec::with_capacity(count + 3);
    while values.len() < count {
        let bits = rng.next_u64();
        values.extend((0..4).map(|part| if bits >> (part * 16) & 0xffff < limit { 0.0 } else { keep }));
    }
    values.truncate(count);
    Tensor::from_slice(&values).view(shape)
}

impl Net {
    /// A network of what `make` gives: parameters by their shapes and by the bounds of their first values.
    fn new(recipe: &Recipe, sizes: Sizes, mut make: impl FnMut(&[i64], f64) -> Tensor) -> Self {
        let (state, projection) = (recipe.state, recipe.projection);
        let mut inputs = recipe.embedding;
        let embedding = make(&[sizes.features + 1, inputs], 0.5);
        let mut layers = Vec::new();
        for _ in 0..recipe.layers {
            let bound = 1.0 / (state as f64).sqrt();
            let shapes: [&[i64]; 4] = [&[3 * state, inputs], &[3 * state, state], &[3 * state], &[3 * state]];
            layers.push(shapes.iter().chain(&shapes).map(|shape| make(shape, bound)).collect());
            inputs = 2 * state;
        }
        let root = make(&[inputs], 0.2);
        let form = Linear(make(&[projection, projection], 0.05), make(&[projection], 0.0));
        let mut linear = |inputs: i64, outputs| {
            let bound = 1.0 / (inputs as f64).sqrt();
            Linear(make(&[outputs, inputs], bound), make(&[outputs], bound))
        };
        Self {
            embedding,
            layers,
            root,
            tag: linear(inputs, sizes.tags),
            dependent: linear(inputs, projection),
            governor: linear(inputs, projection),
            form,
            label_dependent: linear(inputs, projection),
            label_governor: linear(inputs, projection),
            label: linear(projection, sizes.labels),
            state,
        }
    }

    /// The loss of a batch of captions of one length.
    fn loss(&self, batch: &[&Example], recipe: &Recipe, rng: &mut Rng) -> Tensor {
        let rows = batch.len() as i64;
        let words = batch.first().map_or(0, |example| example.tags.len()) as i64;
        let gather = |of: fn(&Example) -> &Vec<i64>| -> Vec<i64> {
            batch.iter().flat_map(|example| of(example).iter().copied()).collect()
        };
        let mut features = gather(|example| &example.features);
        for word in features.chunks_exact_mut(SLOTS) {
            if rng.chance(recipe.forget) {
                word[0] = 0;
            }
        }
        let slots = SLOTS as i64;
        let present = Tensor::from_slice(&features.iter().map(|&row| f32::from(row != 0)).collect::<Vec<f32>>());
        let vectors = self.embedding.index_select(0, &Tensor::from_slice(&features));
        let vectors = (vectors * present.unsqueeze(1)).view([rows, words, slots, -1]);
        let mut states = vectors.sum_dim_intlist(2, false, Kind::Float);
        states = &states * mask(&states.size(), recipe.dropout, rng);
        for layer in &self.layers {
            let start = Tensor::zeros([2, rows, self.state], (Kind::Float, Device::Cpu));
            let (out, _) = states.gru(&start, layer, true, 1, 0.0, true, true, true);
            states = out * mask(&[rows, 1, 2 * self.state], recipe.dropout, rng);
        }
        let mut drop = |xs: Tensor| {
            let mask = mask(&xs.size(), recipe.dropout, rng);
            xs * mask
        };
        let entropy = |scores: Tensor, right: &[i64]| {
            let choices = scores.size().last().copied().unwrap_or(1);
            scores.view([-1, choices]).cross_entropy_for_logits(&Tensor::from_slice(right))
        };
        let tags = entropy(self.tag.apply(&states), &gather(|example| &example.tags));
        let root = self.root.view([1, 1, -1]).expand([rows, 1, -1], false);
        let with_root = Tensor::cat(&[&root, &states], 1);
        let governors = gather(|example| &example.governors);
        let dependent = self.form.apply(&drop(self.dependent.apply(&states).relu()));
        let governor = drop(self.governor.apply(&with_root).relu());
        let arcs = entropy(dependent.matmul(&governor.transpose(1, 2)), &governors);
        let above = Tensor::from_slice(&governors).view([rows, words, 1]);
        let label_governor = self.label_governor.apply(&with_root);
        let above = above.expand([-1, -1, label_governor.size()[2]], false);
        let both = self.label_dependent.apply(&states) + label_governor.gather(1, &above, false);
        let labels = entropy(self.label.apply(&drop(both.relu())), &gather(|example| &example.labels));
        tags + arcs + labels
    }

    fn rounded(&self, keys: Vec<u32>) -> Result<Network> {
        let size = self.embedding.size2()?.1 as usize;
        let vectors = numbers(&self.embedding)?;
        let (first, layers) = self.layers.split_first().context("a network has a layer")?;
        Ok(Network {
            embedding: Embedding::new(keys, vectors.get(size..).unwrap_or_default(), size),
            first: gru(first)?,
            layers: layers.iter().map(|layer| gru(layer)).collect::<Result<_>>()?,
            root: numbers(&self.root)?.iter().map(|&value| quantise(value, i8::ONE)).collect(),
            tag: self.tag.rounded()?,
            dependent: self.dependent.rounded()?,
            governor: self.governor.rounded()?,
            form: self.form.rounded()?,
            label_dependent: self.label_dependent.rounded()?,
            label_governor: self.label_governor.rounded()?,
            label: self.label.rounded()?,
        })
    }
}

/// A batch's loss and the gradients of all parameters. Each of [`PARTS`] of the batch has a thread.
fn gradients(
    batch: &[&Example],
    recipe: &Recipe,
    sizes: Sizes,
    parameters: &[Tensor],
    step: usize,
) -> (f64, Vec<Tensor>) {
    let of_part = |part: usize, examples: &[&Example], parameters: Vec<Tensor>| {
        let mut left = parameters.iter();
        let net = Net::new(recipe, sizes, |_, _| left.next().map(Tensor::shallow_clone).unwrap_or_default());
        let mut rng = Rng::new(&[recipe.seed, 2, step as u64, part as u64]);
        let share = examples.len() as f64 / batch.len() as f64;
        let loss = net.loss(examples, recipe, &mut rng) * share;
        (loss.double_value(&[]), Tensor::run_backward(&[loss], &parameters, false, false))
    };
    let shared = || parameters.iter().map(Tensor::shallow_clone).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let parts = (0..).zip(batch.chunks(batch.len().div_ceil(PARTS)));
        let workers: Vec<_> = parts
            .map(|(part, examples)| {
                let parameters = shared();
                scope.spawn(move || of_part(part, examples, parameters))
            })
            .collect();
        let mut parts = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let (mut loss, mut sums) = parts.next().unwrap_or_default();
        for (other, gradients) in parts {
            loss += other;
            sums.iter_mut().zip(&gradients).for_each(|(sum, gradient)| *sum += gradient);
        }
        (loss, sums)
    })
}

/// Features with a vector: words that occur twice, ends that two words have. Sorted.
fn known_features(graphs: &[Graph]) -> Vec<u32> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    graphs.iter().flat_map(|graph| &graph.words).for_each(|word| *counts.entry(&word.text).or_default() += 1);
    let mut features: BTreeMap<u32, usize> = BTreeMap::new();
    for (word, count) in counts {
        for (place, feature) in features::of(word).enumerate() {
            *features.entry(feature).or_default() += if place == 0 { count } else { 1 };
        }
    }
    features.into_iter().filter(|(_, count)| *count > 1).map(|(feature, _)| feature).collect()
}

/// Captions of one length together, in an order of the epoch's own.
fn batches<'e>(examples: &'e [Example], recipe: &Recipe, epoch: usize) -> Vec<Vec<&'e Example>> {
    let mut lengths: BTreeMap<usize, Vec<&Example>> = BTreeMap::new();
    examples.iter().for_each(|example| lengths.entry(example.tags.len()).or_default().push(example));
    let mut rng = Rng::new(&[recipe.seed, 1, epoch as u64]);
    let mut batches = Vec::new();
    for mut group in lengths.into_values() {
        rng.shuffle(&mut group);
        batches.extend(group.chunks(recipe.batch).map(<[_]>::to_vec));
    }
    rng.shuffle(&mut batches);
    batches
}

/// Trains an analyser; `on_epoch` learns of each epoch's number and mean loss.
///
/// # Errors
/// No parse to train on.
pub fn train(graphs: &[Graph], recipe: &Recipe, mut on_epoch: impl FnMut(usize, f64)) -> Result<Analyser> {
    let words = || graphs.iter().flat_map(|graph| &graph.words);
    let tags: Vec<String> = words().map(|word| word.tag.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let trees: Vec<Vec<convert::Arc>> = graphs.iter().map(convert::tree).collect();
    let labels: Vec<Label> = trees.iter().flatten().map(|arc| arc.1).collect::<BTreeSet<_>>().into_iter().collect();
    let keys = known_features(graphs);
    let example = |(graph, tree): (&Graph, &Vec<convert::Arc>)| {
        let features = graph.words.iter().flat_map(|word| {
            let mut slots = [0; SLOTS];
            for (slot, feature) in slots.iter_mut().zip(features::of(&word.text)) {
                *slot = keys.binary_search(&feature).map_or(0, |place| place as i64 + 1);
            }
            slots
        });
        Example {
            features: features.collect(),
            tags: graph.words.iter().map(|word| tags.partition_point(|tag| *tag < word.tag) as i64).collect(),
            governors: tree.iter().map(|arc| arc.0 as i64).collect(),
            labels: tree.iter().map(|arc| labels.partition_point(|label| *label < arc.1) as i64).collect(),
        }
    };
    let examples: Vec<Example> =
        graphs.iter().zip(&trees).filter(|(graph, _)| !graph.is_empty()).map(example).collect();
    if examples.is_empty() {
        bail!("there is no parse to train on");
    }
    tch::set_num_threads(1); // sums in one order, in each part of a batch
    let sizes = Sizes { features: keys.len() as i64, tags: tags.len() as i64, labels: labels.len() as i64 };
    let store = nn::VarStore::new(Device::Cpu);
    let mut parameters: Vec<Tensor> = Vec::new();
    let mut first = Rng::new(&[recipe.seed, 0]);
    let net = Net::new(recipe, sizes, |shape, bound| {
        let name = format!("w{}", parameters.len());
        parameters.push(store.root().var_copy(&name, &uniform(shape, bound, &mut first)));
        parameters.last().map(Tensor::shallow_clone).unwrap_or_default()
    });
    // Row 0 stands for a feature that is not there.
    tch::no_grad(|| {
        let _ = net.embedding.get(0).zero_();
    });
    let mut optimizer = nn::Adam { beta2: 0.95, ..nn::Adam::default() }.build(&store, recipe.rate)?;
    let steps = batches(&examples, recipe, 0).len();
    let (mut step, total) = (0, steps * recipe.epochs);
    for epoch in 0..recipe.epochs {
        let mut sum = 0.0;
        for batch in batches(&examples, recipe, epoch) {
            let done = step as f64 / total as f64;
            let fall = ((1.0 - done) / 0.7).clamp(0.01, 1.0);
            optimizer.set_lr(recipe.rate * fall * (f64::from(step as u32 + 1) / 100.0).min(1.0));
            let (loss, gradients) = gradients(&batch, recipe, sizes, &parameters, step);
            parameters.iter().zip(&gradients).for_each(|(parameter, gradient)| set_gradient(parameter, gradient));
            optimizer.clip_grad_norm(5.0);
            optimizer.step();
            sum += loss;
            step += 1;
        }
        on_epoch(epoch + 1, sum / steps.max(1) as f64);
    }
    let lemmas = Lemmas::train(words().map(|word| (word.text.as_str(), word.tag.as_str(), word.lemma.as_str())));
    Ok(Analyser { tags, labels, lemmas, network: net.rounded(keys)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_give_the_gradients_of_the_whole() {
        let recipe = Recipe { embedding: 4, state: 8, projection: 4, dropout: 0.0, forget: 0.0, ..Recipe::default() };
        let sizes = Sizes { features: 5, tags: 3, labels: 2 };
        let mut rng = Rng::new(&[7]);
        let mut parameters = Vec::new();
        let net = Net::new(&recipe, sizes, |shape, bound| {
            let parameter = uniform(shape, bound, &mut rng).set_requires_grad(true);
            parameters.push(parameter.shallow_clone());
            parameter
        });
        let example = |word: i64| Example {
            features: (0..2 * SLOTS as i64).map(|slot| (word + slot) % 6).collect(),
            tags: vec![word % 3, 2],
            governors: vec![2, 0],
            labels: vec![0, word % 2],
        };
        let examples: Vec<Example> = (0..3).map(example).collect();
        let batch: Vec<&Example> = examples.iter().collect();
        let whole = net.loss(&batch, &recipe, &mut rng);
        let (loss, gradients) = gradients(&batch, &recipe, sizes, &parameters, 0);
        assert!((loss - whole.double_value(&[])).abs() < 1e-6);
        for (sum, expected) in gradients.iter().zip(Tensor::run_backward(&[whole], &parameters, false, false)) {
            assert!(sum.allclose(&expected, 1e-5, 1e-7, false), "{sum} {expected}");
        }
    }
}
