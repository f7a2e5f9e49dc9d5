//! A small recurrent network that tags and parses a caption at once.
//!
//! Two layers of a [`Gru`] read the words in both directions; each word is then compared with each possible governor
//! (after Dozat and Manning, ICLR 2017: a bilinear form of two projections), and the best projective [`tree`] is taken.
//! Labels of arcs and tags come from the same states. All sums are integers and nothing else depends on the machine.
//!
//! Deviation: gated recurrent units in place of LSTMs, one shared encoder for tags and arcs, and labels from a sum of
//! projections in place of a bilinear form: a caption takes a thousandth of the reference's time.

use super::bytes::{shorts, take, take_shorts};
use super::dense::{Dense, ONE, Rows, quantise};
use super::features::Embedding;
use super::gru::Gru;
use super::tree;

/// What stands for 1 in the governor side of the bilinear form, whose numbers are greater.
const FORM: f32 = 256.0;

/// All weights.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Network {
    pub embedding: Embedding,
    pub layers: Vec<Gru>,
    /// The state of the root's governor.
    pub root: Vec<i16>,
    pub tag: Dense,
    pub dependent: Dense,
    pub governor: Dense,
    /// The bilinear form: from a dependent to what its governor is compared with.
    pub form: Dense,
    pub label_dependent: Dense,
    pub label_governor: Dense,
    pub label: Dense,
}

/// What the network says of a caption's words.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Analysed {
    /// The place of each word's tag.
    pub tags: Vec<usize>,
    /// Each word's governor; words count from 1, 0 is above the root.
    pub governors: Vec<usize>,
    /// The place of each word's label.
    pub labels: Vec<usize>,
}

/// The place of the greatest number, the first of equal ones.
fn greatest(numbers: &[f32]) -> usize {
    let mut best = 0;
    for (place, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = place;
        }
    }
    best
}

fn rectified(values: &[f32]) -> Vec<i16> {
    values.iter().map(|value| quantise(value.max(0.0), ONE)).collect()
}

impl Network {
    /// Tags and parses some words.
    pub fn analyse(&self, words: &[&str]) -> Analysed {
        let count = words.len();
        let mut states = self.embedding.apply(words);
        for layer in &self.layers {
            states = layer.apply(&states);
        }
        let mut with_root = self.root.clone();
        with_root.extend_from_slice(&states);
        let (states, with_root) =
            (Rows::new(&states, self.tag.inputs()), Rows::new(&with_root, self.governor.inputs()));
        let mut out = Vec::new();
        self.tag.apply(&states, &mut out);
        let tags = out.chunks_exact(self.tag.width()).map(|row| greatest(&row[..self.tag.outputs()])).collect();
        let governors = tree::best(&self.arcs(&states, &with_root), count);
        let (mut dependent, mut governor) = (Vec::new(), Vec::new());
        self.label_dependent.apply(&states, &mut dependent);
        self.label_governor.apply(&with_root, &mut governor);
        let width = self.label_dependent.width();
        for (row, &above) in dependent.chunks_exact_mut(width).zip(&governors) {
            row.iter_mut().zip(&governor[above * width..]).for_each(|(sum, part)| *sum += part);
        }
        self.label.apply(&Rows::new(&rectified(&dependent), width), &mut out);
        let labels = out.chunks_exact(self.label.width()).map(|row| greatest(&row[..self.label.outputs()])).collect();
        Analysed { tags, governors, labels }
    }

    /// Scores of each word with each governor, `[words, words + 1]`.
    fn arcs(&self, states: &Rows, with_root: &Rows) -> Vec<f32> {
        let mut out = Vec::new();
        self.dependent.apply(states, &mut out);
        let projected = Rows::new(&rectified(&out), self.dependent.width());
        self.form.apply(&projected, &mut out);
        let forms: Vec<i16> = out.iter().map(|&value| quantise(value, FORM)).collect();
        self.governor.apply(with_root, &mut out);
        let governors = rectified(&out);
        let width = self.governor.width();
        let mut scores = Vec::with_capacity(forms.len() / width * (governors.len() / width));
        for form in forms.chunks_exact(width) {
            scores.extend(governors.chunks_exact(width).map(|governor| {
                let sum: i64 = form.iter().zip(governor).map(|(&a, &b)| i64::from(i32::from(a) * i32::from(b))).sum();
                sum as f32
            }));
        }
        scores
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.embedding.write(out);
        out.push(self.layers.len() as u8);
        self.layers.iter().for_each(|layer| layer.write(out));
        shorts(out, &self.root);
        self.denses().iter().for_each(|dense| dense.write(out));
    }

    fn denses(&self) -> [&Dense; 7] {
        [
            &self.tag,
            &self.dependent,
            &self.governor,
            &self.form,
            &self.label_dependent,
            &self.label_governor,
            &self.label,
        ]
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged or does not fit.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let embedding = Embedding::read(from)?;
        let mut size = embedding.size();
        let mut layers = Vec::new();
        for _ in 0..take(from, 1)?[0] {
            let layer = Gru::read(from, size)?;
            size = layer.forward.size() * 2;
            layers.push(layer);
        }
        let root = take_shorts(from, size)?;
        let mut dense = |inputs: usize| Dense::read(from).filter(|dense| dense.inputs() == inputs);
        let (tag, dependent, governor) = (dense(size)?, dense(size)?, dense(size)?);
        let form = dense(dependent.width())?;
        let (label_dependent, label_governor) = (dense(size)?, dense(size)?);
        let label = dense(label_dependent.width())?;
        let fits = form.width() == governor.width() && label_dependent.width() == label_governor.width();
        fits.then_some(Self {
            embedding,
            layers,
            root,
            tag,
            dependent,
            governor,
            form,
            label_dependent,
            label_governor,
            label,
        })
    }
}
