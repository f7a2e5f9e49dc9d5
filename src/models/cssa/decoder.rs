//! The text decoder, which without an image is the text encoder of the first stage.

use crate::data::START;
use crate::models::State;
use crate::models::layers::transformer::{DecoderLayer, Sizes};
use crate::models::layers::{ImageRows, KeyValues, PackedLayout, dense, dropout, linear, sinusoidal};
use tch::nn::{self, Init, Module};
use tch::{Device, Kind, Tensor};

/// Positions that are computed once; longer captions make their own.
const POSITIONS: i64 = 128;

#[derive(Debug)]
pub(super) struct Decoder {
    embedding: nn::Embedding,
    layers: Vec<DecoderLayer>,
    output: nn::Linear,
    /// `[POSITIONS, D]`, no parameter.
    positions: Tensor,
    /// Embeddings are scaled by `sqrt(D)`, as in the Transformer.
    scale: f64,
    dropout: f64,
}

impl Decoder {
    pub(super) fn new(path: &nn::Path, layers: usize, sizes: Sizes, vocabulary: i64) -> Self {
        let scale = (sizes.width as f64).sqrt();
        let ws_init = Init::Randn { mean: 0.0, stdev: 1.0 / scale };
        let config = nn::EmbeddingConfig { ws_init, ..Default::default() };
        Self {
            embedding: nn::embedding(path / "embedding", vocabulary, sizes.width, config),
            layers: (0..layers).map(|l| DecoderLayer::new(&(path / "layers" / l), sizes)).collect(),
            output: linear(path / "output", sizes.width, vocabulary),
            positions: sinusoidal(POSITIONS, sizes.width, path.device()),
            scale,
            dropout: sizes.dropout,
        }
    }

    /// Words `[N]` at times `[N]` below `length` -> `[N, D]`.
    fn embed(&self, words: &Tensor, times: &Tensor, length: i64) -> Tensor {
        let embedded = self.embedding.forward(words) * self.scale;
        if length <= POSITIONS {
            return embedded + self.positions.index_select(0, times);
        }
        let width = self.positions.size()[1];
        embedded + sinusoidal(length, width, words.device()).index_select(0, times)
    }

    /// Packed words `[N]` -> `[N, D]`. `image`: cells `[I, S, D]` and the image of each row, `[B]`; without it the
    /// words see each other alone.
    pub(super) fn words(
        &self,
        words: &Tensor,
        layout: &PackedLayout,
        image: Option<(&Tensor, &Tensor)>,
        train: bool,
    ) -> Tensor {
        let mut xs = dropout(&self.embed(words, &layout.times, layout.length), self.dropout, train);
        // Images with one caption each are brought into the rows' order once, others layer by layer, which saves the
        // projection of copies.
        let single = image.filter(|(cells, rows)| cells.size()[0] == rows.size()[0]);
        let ordered = single.map(|(cells, rows)| cells.index_select(0, rows));
        for layer in &self.layers {
            let memory = match (&ordered, image) {
                (Some(cells), _) => Some(layer.memory(cells)),
                (None, Some((cells, rows))) => Some(layer.memory(cells).select(rows)),
                (None, None) => None,
            };
            xs = layer.packed(&xs, layout, memory.as_ref(), train);
        }
        xs
    }

    /// `[.., D]` -> `[.., V]`.
    pub(super) fn logits(&self, outputs: &Tensor) -> Tensor {
        dense(outputs, &self.output.ws, self.output.bs.as_ref())
    }

    /// A search's state: keys and values of the images' cells are shared by the rows; row by row it holds the image's
    /// number and, after the first step, keys and values of the words.
    pub(super) fn start(&self, cells: &Tensor) -> State {
        let images = cells.size()[0];
        let mut state = State::new(vec![Tensor::arange(images, (Kind::Int64, cells.device()))]);
        for layer in &self.layers {
            let KeyValues { keys, values } = layer.memory(cells);
            state.shared.extend([keys.contiguous(), values.contiguous()]);
        }
        state
    }

    /// Words `[R]` -> logits `[R, V]`.
    pub(super) fn step(&self, words: &Tensor, state: &mut State) -> Tensor {
        let time = Tensor::full([1], state.length, (Kind::Int64, words.device()));
        let mut xs = self.embed(words, &time, state.length + 1);
        let images = ImageRows::new(&state.tensors[0], state.shared.first().map_or(0, |keys| keys.size()[0]));
        let mut caches = state.tensors.drain(1..).collect::<Vec<_>>().into_iter();
        for (layer, memory) in self.layers.iter().zip(state.shared.chunks_exact(2)) {
            let memory = KeyValues { keys: memory[0].shallow_clone(), values: memory[1].shallow_clone() };
            let mut before = match (caches.next(), caches.next()) {
                (Some(keys), Some(values)) => Some(KeyValues { keys, values }),
                _ => None,
            };
            xs = layer.step(&xs, &mut before, &memory, &images);
            if let Some(KeyValues { keys, values }) = before {
                state.tensors.extend([keys, values]);
            }
        }
        state.length += 1;
        self.logits(&xs)
    }

    /// How much each word of a caption of one image, and the end behind them, looks at each of its cells, `[1, S, D]`:
    /// the last layer's mean over its heads, `[T + 1, S]`.
    pub(super) fn looks(&self, cells: &Tensor, words: &[i64]) -> Tensor {
        let fed = Tensor::from_slice(&[&[START], words].concat()).to_device(cells.device());
        let length = words.len() as i64 + 1;
        let times = Tensor::arange(length, (Kind::Int64, cells.device()));
        let mut xs = self.embed(&fed, &times, length).unsqueeze(0);
        let mut looks = Tensor::zeros([length, cells.size()[1]], (Kind::Float, Device::Cpu));
        for layer in &self.layers {
            (looks, xs) = layer.looks(&xs, &layer.memory(cells));
        }
        looks
    }
}
