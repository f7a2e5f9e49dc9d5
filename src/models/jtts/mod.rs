//! JTTS: attributes and caption trained jointly in two stages, with semantic gates between the LSTMs of an up-down
//! decoder.
//!
//! Paper: Ye, Wang, Gu, Wang, Wang, Hou, Giunchiglia, Jiao: "A Joint-Training Two-Stage Method for Remote Sensing Image
//! Captioning", IEEE TGRS 2022; Tables I to IX. No code of it is known. Where the text is silent (optimiser details,
//! dropout, beam), the settings of the same group's earlier program are taken, which builds on the up-down captioner of
//! `ImageCaptioning.pytorch`; but not its clamp of every gradient at 0.1, for the paper clips those of the logistic
//! sampler alone.
//!
//! Deviation: Table VIII's numbers of parameters settle what the text leaves open: both LSTMs have 1000 units, words
//! 100 and attributes 200 numbers, and the mean image vector has a layer of its own (`image_layer`), where the text
//! takes the mean of the regions' layer.
//!
//! Deviation: a ReLU and dropout follow Eq. (2), the image vector's layer and the word embedding, as in that program;
//! the paper has neither. Words and attributes have an embedding each, where Eqs. (15) and (25) call both `W_e`. `W_o`
//! of Eq. (30) gives the words of the vocabulary, where the paper prints the number of attributes.

mod blocks;
mod classify;
mod config;
mod losses;
mod recurrence;
mod sampler;

pub use classify::{ATTRIBUTE_NUMBERS, ATTRIBUTE_SCORES};
pub use config::{AttributeLoss, CaptionLoss, Config, Source, Term, Terms};
pub use losses::{attribute_cross_entropy, dynamic_contrast};
pub use sampler::{Sampler, Sampling};

use super::layers::{dropout, linear};
use super::losses::{Backward, Splices, token_cross_entropy};
use super::{Captioner, FirstStage, Inputs, Losses, State};
use crate::data::START;
use crate::data::batch::Batch;
use crate::eval::Scores;
use anyhow::Result;
use blocks::{Attention, Classifier, Decoder, Gate, Memory};
use recurrence::Known;
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Name of the attribute embedding among the parameters, `[A, E]`.
pub const ATTRIBUTE_EMBEDDING: &str = "attribute_embedding.weight";

/// Place of the attention's weights, `[R, H, W]`, among the tensors of a state.
const ATTENTION: usize = 5;

/// What leads from an image to the gates.
#[derive(Debug)]
struct Semantics {
    classifier: Classifier,
    /// The CNN's mean features to the classifier's input, where it is trained apart from the decoder.
    own_layer: Option<nn::Linear>,
    /// `[A, E]`.
    embedding: Tensor,
    /// The gate before the output; the other two are the decoder's.
    output: Gate,
    sampling: Sampling,
    loss: AttributeLoss,
    contrast: Option<f64>,
}

/// What is known of the images before the first word; `I` images, `P` regions.
struct Encoded {
    /// Regions through W_f, `[I, P, D]`, and their grid.
    regions: Tensor,
    grid: [i64; 2],
    /// The image vector, `[I, D]`.
    vector: Tensor,
    /// Attribute logits, `[I, A]`.
    attributes: Option<Tensor>,
    /// The attributes' parts of the two gates of the decoder and of that before the output, `[I, 2D]` each.
    gates: Vec<Tensor>,
}

impl Encoded {
    /// The same behind a cut of the graph: the losses and the decoder's own backward pass both lead into it.
    fn cut(self, splices: &mut Splices) -> Self {
        if splices.libtorch() {
            return self;
        }
        let Self { regions, grid, vector, attributes, gates } = self;
        let mut tensors = vec![regions, vector];
        tensors.extend(gates);
        let attributes_last = attributes.is_some();
        tensors.extend(attributes);
        let mut tensors = splices.cut(&tensors);
        let attributes = if attributes_last { tensors.pop() } else { None };
        let gates = tensors.split_off(2);
        let mut two = tensors.into_iter();
        match (two.next(), two.next()) {
            (Some(regions), Some(vector)) => Self { regions, grid, vector, attributes, gates },
            _ => unreachable!("a cut gives as many tensors as it takes"),
        }
    }
}

/// The JTTS captioner over grid features of one encoder (several are put together by channel).
#[derive(Debug)]
pub struct Jtts {
    regions: nn::Linear,
    image: Option<nn::Linear>,
    semantics: Option<Semantics>,
    embedding: nn::Embedding,
    decoder: Decoder,
    output: nn::Linear,
    grid: Option<i64>,
    dropout: f64,
    caption_loss: CaptionLoss,
}

impl Jtts {
    pub fn new(path: &nn::Path, config: &Config, inputs: &Inputs) -> Self {
        let (hidden, embedding) = (config.hidden as i64, config.embedding as i64);
        let (channels, semantic) = (inputs.features.iter().sum(), config.attribute_embedding as i64);
        let gated = config.attributes != Source::None;
        let gates = gated.then(|| ["gate1", "gate2"].map(|name| Gate::new(&(path / name), hidden, semantic)));
        let semantics = gated.then(|| Semantics {
            classifier: Classifier::new(
                &(path / "classifier"),
                hidden,
                config.classifier,
                inputs.attributes,
                config.dropout,
            ),
            own_layer: (config.attributes == Source::Separate)
                .then(|| linear(path / "classifier" / "image", channels, hidden)),
            embedding: (path / "attribute_embedding").var(
                "weight",
                &[inputs.attributes, semantic],
                nn::Init::Randn { mean: 0.0, stdev: 0.1 },
            ),
            output: Gate::new(&(path / "gate_output"), hidden, semantic),
            sampling: Sampling {
                sampler: if config.attributes == Source::Separate { Sampler::Threshold } else { config.sampler },
                beta: config.beta,
                reach: config.lambda * config.margin,
            },
            loss: config.attribute_loss,
            contrast: (config.contrast && config.attributes == Source::Joint).then_some(config.margin),
        });
        Self {
            regions: linear(path / "regions", channels, hidden),
            image: config.image_layer.then(|| linear(path / "image", channels, hidden)),
            semantics,
            embedding: nn::embedding(path / "embedding", inputs.vocabulary, embedding, Default::default()),
            decoder: Decoder {
                first: super::layers::lstm::LstmCell::new(&(path / "att_lstm"), 2 * hidden + embedding, hidden),
                second: super::layers::lstm::LstmCell::new(
                    &(path / "lang_lstm"),
                    if gated { 3 } else { 2 } * hidden,
                    hidden,
                ),
                attention: Attention::new(&(path / "attention"), hidden, config.attention as i64),
                gates,
                hidden,
            },
            output: linear(path / "output", hidden, inputs.vocabulary),
            grid: config.grid.map(|side| side as i64),
            dropout: config.dropout,
            caption_loss: config.caption_loss,
        }
    }

    /// Whether the classifier is trained with the decoder.
    fn is_joint(&self) -> bool {
        self.semantics.as_ref().is_some_and(|semantics| semantics.own_layer.is_none())
    }

    /// Feature maps, `[I, C, H, W]` an encoder -> what the decoder and the losses need of the images. `train` switches
    /// dropout on, `classify` that of the classifier: one that is not trained evaluates.
    fn encode(&self, features: &[Tensor], train: bool, classify: bool) -> Encoded {
        self.encode_with(features, train, classify, None)
    }

    /// [`Self::encode`]; `given`: attributes in place of the sampled ones, `[I, A]`.
    fn encode_with(&self, features: &[Tensor], train: bool, classify: bool, given: Option<&Tensor>) -> Encoded {
        let pooled = |map: &Tensor| match self.grid {
            Some(side) => map.adaptive_avg_pool2d([side, side]),
            None => map.shallow_clone(),
        };
        let map = Tensor::cat(&features.iter().map(pooled).collect::<Vec<_>>(), 1);
        let grid = [map.size()[2], map.size()[3]];
        let map = map.flatten(2, 3).transpose(1, 2); // [I, P, C]
        let layer = |layer: &nn::Linear, xs: &Tensor| dropout(&layer.forward(xs).relu(), self.dropout, train);
        let mean = |xs: &Tensor| xs.mean_dim([1i64].as_slice(), false, Kind::Float);
        let regions = layer(&self.regions, &map);
        let vector = self.image.as_ref().map_or_else(|| mean(&regions), |image| layer(image, &mean(&map)));
        let (mut attributes, mut gates) = (None, Vec::new());
        if let Some(semantics) = &self.semantics {
            let input = semantics.own_layer.as_ref().map_or_else(
                || vector.shallow_clone(),
                |own| dropout(&own.forward(&mean(&map)).relu(), self.dropout, classify),
            );
            let logits = semantics.classifier.forward(&input, classify);
            let (sampled, least) = match given {
                None => (semantics.sampling.sample(&logits.sigmoid()), 0.0),
                Some(given) => (given.shallow_clone(), 1.0), // an image may have none
            };
            let total = sampled.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float);
            let fs = sampled.matmul(&semantics.embedding) / total.clamp_min(least);
            gates.extend(self.decoder.gates.iter().flatten().map(|gate| gate.semantics(&fs)));
            gates.push(semantics.output.semantics(&fs));
            attributes = Some(logits);
        }
        Encoded { regions, grid, vector, attributes, gates }
    }

    /// Att-LSTM's product with words, biases included: ids `[N]` -> `[N, 4D]`.
    fn of_words(&self, tokens: &Tensor, train: bool) -> Tensor {
        let words = dropout(&self.embedding.forward(tokens).relu(), self.dropout, train);
        let weight = self.decoder.first_known().narrow(1, self.decoder.hidden, words.size()[1]);
        words.linear(&weight, Some(&self.decoder.first.bias()))
    }

    /// Att-LSTM's product with image vectors: `[I, D]` -> `[I, 4D]`.
    fn of_images(&self, vectors: &Tensor) -> Tensor {
        vectors.matmul(&self.decoder.first_known().narrow(1, 0, self.decoder.hidden).tr())
    }

    /// `h2` `[N, D]` and the attributes' part of the last gate `[N, 2D]` -> logits `[N, V]`.
    fn predict(&self, h2: &Tensor, semantics: Option<&Tensor>, train: bool) -> Tensor {
        let gated = match (&self.semantics, semantics) {
            (Some(own), Some(semantics)) => own.output.forward(h2, semantics),
            _ => h2.shallow_clone(),
        };
        self.output.forward(&dropout(&gated, self.dropout, train))
    }

    /// Losses on the attributes, in the order of the paper.
    fn attribute_losses(&self, logits: &Tensor, targets: &Tensor) -> Vec<(&'static str, Tensor)> {
        let Some(semantics) = &self.semantics else { return Vec::new() };
        let mut terms = vec![("attributes", attribute_cross_entropy(logits, targets, semantics.loss))];
        if let Some(margin) = semantics.contrast {
            terms.push(("contrast", dynamic_contrast(&logits.sigmoid(), targets, margin)));
        }
        terms
    }

    /// [`Captioner::start`]; `given`: attributes in place of the sampled ones, `[I, A]`.
    fn start_with(&self, features: &[Tensor], given: Option<&Tensor>) -> State {
        let Encoded { regions, grid: [height, width], vector, gates, .. } =
            self.encode_with(features, false, false, given);
        let images = vector.size()[0];
        let options = (vector.kind(), vector.device());
        let zero = || Tensor::zeros([images, self.decoder.hidden], options);
        let rows = Tensor::arange(images, (Kind::Int64, vector.device()));
        let weights = Tensor::zeros([images, height, width], options);
        let mut state = State::new(vec![zero(), zero(), zero(), zero(), rows, weights]);
        state.shared = vec![self.decoder.attention.regions.forward(&regions), regions, self.of_images(&vector)];
        state.shared.extend(gates);
        state
    }

    /// [`Captioner::losses`] by either backward pass of the decoder.
    pub fn losses_by(&self, backward: Backward, batch: &Batch, train: bool) -> Losses {
        Losses::spliced(backward, |splices| self.terms(batch, train, splices))
    }

    fn terms(&self, batch: &Batch, train: bool, splices: &mut Splices) -> Vec<(&'static str, Tensor)> {
        let captions = &batch.captions;
        let encoded = self.encode(&batch.features, train, train && self.is_joint()).cut(splices);
        let token_images = batch.image_rows.index_select(0, &captions.rows);
        let of_rows = |t: &Tensor| t.index_select(0, &batch.image_rows);
        let mut gates = encoded.gates;
        let last = gates.pop().map(|semantics| semantics.index_select(0, &token_images));
        let known = Known {
            first: self.of_words(&captions.inputs, train)
                + self.of_images(&encoded.vector).index_select(0, &token_images),
            semantics: gates.iter().map(of_rows).collect(),
            keys: of_rows(&self.decoder.attention.regions.forward(&encoded.regions)),
            values: of_rows(&encoded.regions),
        };
        let h2 = recurrence::run(&self.decoder, known, &captions.batch_sizes, splices);
        let logits = self.predict(&h2, last.as_ref(), train);
        let words = token_cross_entropy(&logits, captions);
        let words = match self.caption_loss {
            CaptionLoss::Mean => words,
            CaptionLoss::Sum => words * (captions.tokens() as f64 / captions.order.len().max(1) as f64),
        };
        let mut terms = vec![("cross_entropy", words)];
        if let (true, Some(logits), Some(targets)) = (self.is_joint(), &encoded.attributes, &batch.attributes) {
            terms.extend(self.attribute_losses(logits, targets));
        }
        terms
    }
}

impl Captioner for Jtts {
    /// Cross-entropy of the words, by [`CaptionLoss`]; of the attributes; dynamic contrast. Weights: [`Terms`].
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        self.losses_by(Backward::Own, batch, train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.start_with(features, None)
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let [h1, c1, h2, c2, rows, weights] = state.tensors.as_slice() else {
            unreachable!("the state is that of `start`")
        };
        let of_rows: Vec<Tensor> = state.shared.iter().map(|t| t.index_select(0, rows)).collect();
        let [keys, values, of_images, gates @ ..] = of_rows.as_slice() else {
            unreachable!("the state is that of `start`")
        };
        let grid = weights.size();
        let copy = |t: &Tensor| t.shallow_clone();
        let before = Memory { h1: copy(h1), c1: copy(c1), h2: copy(h2), c2: copy(c2) };
        let decoding = gates.get(..gates.len().saturating_sub(1)).unwrap_or_default();
        let (memory, weights) =
            self.decoder.step(&(self.of_words(tokens, false) + of_images), decoding, keys, values, &before);
        let logits = self.predict(&memory.h2, gates.last(), false);
        let rows = rows.shallow_clone();
        let weights = weights.view([-1, grid[1], grid[2]]);
        state.tensors = vec![memory.h1, memory.c1, memory.h2, memory.c2, rows, weights];
        state.length += 1;
        logits
    }

    fn attention(&self, features: &[Tensor], tokens: &[i64]) -> Option<Tensor> {
        let mut state = self.start(features);
        let mut weights = Vec::with_capacity(tokens.len() + 1);
        for token in std::iter::once(&START).chain(tokens) {
            let _ = self.step(&Tensor::from_slice(&[*token]).to_device(self.embedding.ws.device()), &mut state);
            weights.push(state.tensors.get(ATTENTION)?.narrow(0, 0, 1));
        }
        Some(Tensor::cat(&weights, 0))
    }

    fn first_stage(&self) -> Option<&dyn FirstStage> {
        self.semantics.as_ref().filter(|semantics| semantics.own_layer.is_some()).map(|_| self as &dyn FirstStage)
    }

    fn attribute_scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Option<Scores>> {
        classify::attribute_scores(self, batches)
    }

    fn sampled_attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        Some(self.semantics.as_ref()?.sampling.sample(&self.attributes(features)?))
    }

    fn told_attributes(&self) -> Option<Box<dyn Captioner + '_>> {
        self.semantics.as_ref().map(|_| Box::new(Told(self)) as Box<dyn Captioner>)
    }

    fn attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        self.encode(features, false, false).attributes.map(|logits| logits.sigmoid())
    }
}

/// The model told the attributes, `[I, A]` behind the features.
struct Told<'a>(&'a Jtts);

impl Captioner for Told<'_> {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        Captioner::losses(self.0, batch, train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        match features.split_last() {
            Some((attributes, features)) => self.0.start_with(features, Some(attributes)),
            None => self.0.start(features),
        }
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.0.step(tokens, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::attributes::Rules;
    use crate::data::batch::PackedCaptions;
    use std::collections::BTreeMap;
    use tch::Device;

    fn small(attributes: Source) -> Config {
        let words = Rules::default();
        Config {
            attributes,
            hidden: 6,
            embedding: 5,
            attribute_embedding: 4,
            attention: 7,
            classifier: [8, 6],
            dropout: 0.0,
            words,
            ..Config::default()
        }
    }

    fn model(config: &Config) -> (nn::VarStore, Jtts) {
        tch::manual_seed(3);
        let store = nn::VarStore::new(Device::Cpu);
        let inputs = Inputs { features: vec![9], vocabulary: 11, attributes: 5 };
        let model = Jtts::new(&store.root(), config, &inputs);
        (store, model)
    }

    /// Four captions of two images.
    fn batch() -> Batch {
        let captions: [&[i64]; 4] = [&[1, 4, 5, 6, 2], &[1, 7, 2], &[1, 8, 9, 2], &[1, 10, 2]];
        let images = [1i64, 0, 0, 1];
        let captions = PackedCaptions::new(&captions, Device::Cpu);
        let rows: Vec<i64> = captions.order.iter().map(|&i| images[i]).collect();
        Batch {
            captions,
            image_rows: Tensor::from_slice(&rows),
            augmented: None,
            nouns: None,
            features: vec![Tensor::randn([2, 9, 2, 3], (Kind::Float, Device::Cpu))],
            attributes: Some(Tensor::from_slice2(&[[1f32, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]])),
        }
    }

    fn gradients(store: &nn::VarStore) -> BTreeMap<String, Tensor> {
        let of = |(name, variable): (String, Tensor)| {
            let gradient = variable.grad();
            (name, if gradient.defined() { gradient.copy() } else { variable.zeros_like() })
        };
        store.variables().into_iter().map(of).collect()
    }

    /// The loss word by word through [`Captioner::step`], whose backward pass is LibTorch's.
    fn stepwise(model: &Jtts, batch: &Batch) -> Tensor {
        let encoded = model.encode(&batch.features, false, false);
        let mut state = model.start(&batch.features);
        state.reorder(&batch.image_rows);
        let mut logits = Vec::new();
        let mut at = 0;
        for &rows in &batch.captions.batch_sizes {
            state.reorder(&Tensor::arange(rows, (Kind::Int64, Device::Cpu)));
            logits.push(model.step(&batch.captions.inputs.narrow(0, at, rows), &mut state));
            at += rows;
        }
        let mut loss = Tensor::cat(&logits, 0).cross_entropy_for_logits(&batch.captions.targets);
        if let (Some(logits), Some(targets), true) = (&encoded.attributes, &batch.attributes, model.is_joint()) {
            loss = model.attribute_losses(logits, targets).into_iter().fold(loss, |sum, (_, term)| sum + term);
        }
        loss
    }

    #[test]
    fn the_packed_pass_and_its_gradients_equal_those_of_single_steps() {
        for attributes in [Source::None, Source::Separate, Source::Joint] {
            let (store, model) = model(&small(attributes));
            let batch = batch();
            let reference = stepwise(&model, &batch);
            reference.backward();
            let expected = gradients(&store);
            // Twice: the first pass makes the gradients, later ones add to them in place.
            for (round, backward) in [(1, Backward::Own), (2, Backward::Own), (1, Backward::LibTorch)] {
                if round == 1 {
                    store.variables().into_values().for_each(|mut v| v.zero_grad());
                }
                let losses = model.losses_by(backward, &batch, true);
                let difference = (losses.total() - &reference).abs().double_value(&[]);
                assert!(difference < 1e-5, "{attributes:?}: loss differs by {difference}");
                losses.backward(1.0);
                for (name, gradient) in gradients(&store) {
                    let difference = (gradient - &expected[&name] * round).abs().max().double_value(&[]);
                    assert!(difference < 1e-5, "{attributes:?} {backward:?} {name}, round {round}: {difference}");
                }
            }
        }
    }

    /// With dropout in the classifier, two training images in three had other attributes in each epoch.
    #[test]
    fn a_classifier_that_is_not_trained_evaluates_while_the_rest_trains() {
        let (_store, separate) = model(&Config { dropout: 0.5, ..small(Source::Separate) });
        let batch = batch();
        let logits = |encoded: Encoded| encoded.attributes.unwrap();
        let (training, evaluating) = (
            separate.encode(&batch.features, true, separate.is_joint()),
            separate.encode(&batch.features, false, false),
        );
        assert_ne!(training.regions, evaluating.regions, "the decoder's own layers drop units out");
        assert_eq!(logits(training), logits(evaluating));
        let first_stage = || FirstStage::losses(&separate, &batch, true).total().double_value(&[]);
        assert_ne!(first_stage(), first_stage(), "the classifier's own stage trains it");

        let (store, joint) = model(&Config { dropout: 0.5, ..small(Source::Joint) });
        let classifier = &joint.semantics.as_ref().unwrap().classifier;
        let vectors = Tensor::randn([4, 6], (Kind::Float, Device::Cpu));
        assert_ne!(classifier.forward(&vectors, true), classifier.forward(&vectors, true));
        let frozen = |(name, _): &(String, Tensor)| name.starts_with("classifier.");
        store.variables().into_iter().filter(frozen).for_each(|(_, variable)| drop(variable.set_requires_grad(false)));
        assert_eq!(classifier.forward(&vectors, true), classifier.forward(&vectors, false), "frozen by train.parts");
    }

    #[test]
    fn given_attributes_take_the_place_of_the_sampled_ones_and_of_nothing_else() {
        let (_store, joint) = model(&small(Source::Joint));
        let features = batch().features;
        let start = Tensor::from_slice(&[START, START]);
        let first = |model: &dyn Captioner| model.step(&start, &mut model.start(&features));
        let given = |attributes: Tensor| {
            let told = joint.told_attributes().unwrap();
            told.step(&start, &mut told.start(&[features[0].shallow_clone(), attributes]))
        };
        let sampled = joint.sampled_attributes(&features).unwrap();
        let same = (given(sampled.shallow_clone()) - first(&joint)).abs().max().double_value(&[]);
        assert!(same < 1e-6, "{same}");
        let one = Tensor::from_slice2(&[[0f32, 0.0, 1.0, 0.0, 0.0]; 2]);
        assert!((given(one) - first(&joint)).abs().max().double_value(&[]) > 1e-4);
        assert!(given(sampled.zeros_like()).isfinite().all().int64_value(&[]) == 1, "an image without attributes");
        assert!(model(&small(Source::None)).1.told_attributes().is_none());
    }

    #[test]
    fn the_summed_caption_loss_is_that_of_a_caption_s_tokens_and_a_mean_over_captions() {
        let of = |caption_loss| {
            let (_store, model) = model(&Config { caption_loss, ..small(Source::None) });
            Captioner::losses(&model, &batch(), false).total().double_value(&[])
        };
        // Four captions of 4 + 2 + 3 + 2 tokens.
        let (mean, sum) = (of(CaptionLoss::Mean), of(CaptionLoss::Sum));
        assert!((sum - mean * 11.0 / 4.0).abs() < 1e-5, "{sum} {mean}");
    }

    #[test]
    fn every_parameter_of_the_joint_model_gets_a_gradient() {
        for sampler in [Sampler::Mso, Sampler::Logistic] {
            let (store, model) = model(&Config { sampler, ..small(Source::Joint) });
            Captioner::losses(&model, &batch(), true).backward(1.0);
            for (name, gradient) in gradients(&store) {
                assert!(gradient.abs().max().double_value(&[]) > 0.0, "{sampler:?}: {name}");
            }
        }
    }

    #[test]
    fn attention_sums_to_one_over_the_grid_and_attributes_are_probabilities() {
        let (_store, model) = model(&small(Source::Joint));
        let features = batch().features;
        let mut state = model.start(&features);
        let logits = model.step(&Tensor::from_slice(&[1i64, 1]), &mut state);
        assert_eq!(logits.size(), [2, 11]);
        let weights = model.attention(&[features[0].narrow(0, 0, 1)], &[4, 5]).unwrap();
        assert_eq!(weights.size(), [3, 2, 3]);
        let difference = (weights.get(0) - state.tensors[ATTENTION].get(0)).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
        let sums = weights.flatten(1, 2).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-6);
        let probabilities = model.attributes(&features).unwrap();
        assert_eq!(probabilities.size(), [2, 5]);
        let range = probabilities.min().double_value(&[])..=probabilities.max().double_value(&[]);
        assert!(*range.start() > 0.0 && *range.end() < 1.0);
    }
}
