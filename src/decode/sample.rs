//! Captions drawn from a model's own distribution, word by word.

use crate::data::{END, START};
use crate::models::Captioner;
use crate::runtime::libtorch::upload;
use tch::{Device, Kind, Tensor};

/// How captions are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleOptions {
    /// Captions an image.
    pub count: usize,
    /// Longest caption, words.
    pub max_length: usize,
    /// Divides the logits: below 1 likely words become likelier.
    pub temperature: f64,
}

/// A caption that was drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Word ids, without `<start>` and `<end>`.
    pub tokens: Vec<i64>,
    /// Whether `<end>` was drawn.
    pub finished: bool,
    /// Sum over the steps of the entropy, nats, of what each word was drawn from.
    pub entropy: f64,
}

impl Sample {
    /// Words drawn, `<end>` among them.
    pub fn steps(&self) -> usize {
        self.tokens.len() + usize::from(self.finished)
    }
}

/// Draws captions of images given their features, `count` of each, by LibTorch's random numbers and without a graph.
/// Every id can be drawn, so that the draws are the model's own.
pub fn sample(model: &dyn Captioner, features: &[Tensor], options: &SampleOptions) -> Vec<Vec<Sample>> {
    tch::no_grad(|| {
        let device = features.first().map_or(Device::Cpu, Tensor::device);
        let images = features.first().map_or(0, |features| features.size()[0]);
        let count = options.count.max(1);
        let mut state = model.start(features);
        let rows: Vec<i64> = (0..images).flat_map(|image| std::iter::repeat_n(image, count)).collect();
        state.reorder(&upload(&rows, device));
        let mut samples = vec![Sample::default(); rows.len()];
        let mut live: Vec<usize> = (0..rows.len()).collect();
        for _ in 0..options.max_length {
            if live.is_empty() {
                break;
            }
            let last: Vec<i64> = live.iter().map(|&row| samples[row].tokens.last().copied().unwrap_or(START)).collect();
            let logits = model.step(&upload(&last, device), &mut state);
            let (words, entropies) = draw(&logits, options.temperature);
            let mut kept = Vec::with_capacity(live.len());
            for (place, ((&row, word), entropy)) in live.iter().zip(words).zip(entropies).enumerate() {
                let sample = &mut samples[row];
                sample.entropy += entropy;
                sample.finished = word == END;
                if !sample.finished {
                    sample.tokens.push(word);
                    kept.push(place);
                }
            }
            if kept.len() < live.len() {
                live = kept.iter().map(|&place| live[place]).collect();
                let places: Vec<i64> = kept.into_iter().map(|place| place as i64).collect();
                state.reorder(&upload(&places, device));
            }
        }
        samples.chunks(count).map(<[Sample]>::to_vec).collect()
    })
}

/// A word of each row of logits, `[R, V]`, and the entropy of what it was drawn from.
fn draw(logits: &Tensor, temperature: f64) -> (Vec<i64>, Vec<f64>) {
    let likely = (logits.to_kind(Kind::Float) / temperature).softmax(-1, None);
    let words = likely.multinomial(1, false).squeeze_dim(1).to_kind(Kind::Double);
    let entropies = likely.special_entr().sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
    // One copy, for which the host waits once: a double holds either exactly.
    let rows = words.numel();
    let mut both = vec![0f64; 2 * rows];
    Tensor::stack(&[words, entropies], 0).to_device(Device::Cpu).contiguous().copy_data(&mut both, 2 * rows);
    let entropies = both.split_off(rows);
    (both.into_iter().map(|word| word as i64).collect(), entropies)
}
