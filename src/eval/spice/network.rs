//! A small recurrent network that tags and parses a caption at once.
//!
//! Two layers of a [`Gru`] read the words in both directions; each word is then compared with each possible governor
//! (after Dozat and Manning, ICLR 2017: a bilinear form of two projections), and the best projective [`tree`] is taken.
//! Labels of arcs and tags come from the same states. All sums are integers and nothing else depends on the machine.
//!
//! Deviation: gated recurrent units in place of LSTMs, one shared encoder for tags and arcs, and labels from a sum of
//! projections in place of a bilinear form, for speed (`docs/spice.md` has the figures).

use super::bytes::take;
use super::dense::{Dense, Fixed, ROWS, Rows, quantise};
use super::features::Embedding;
use super::gru::Gru;
use super::tree;

/// What stands for 1 in the governor side of the bilinear form, whose numbers are greater.
const FORM: f32 = 256.0;

/// All weights.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Network {
    pub embedding: Embedding,
    pub first: Gru<i16>,
    /// The layers above the first.
    pub layers: Vec<Gru<i8>>,
    /// The state of the root's governor.
    pub root: Vec<i8>,
    pub tag: Dense<i8>,
    pub dependent: Dense<i8>,
    pub governor: Dense<i8>,
    /// The bilinear form: from a dependent to what its governor is compared with.
    pub form: Dense<i16>,
    pub label_dependent: Dense<i8>,
    pub label_governor: Dense<i8>,
    pub label: Dense<i16>,
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
    values.iter().map(|value| quantise(value.max(0.0), i16::ONE)).collect()
}

/// Scores of each word with the root and each word, `[words, words + 1]`.
fn arcs(forms: &[i16], root: &[i16], governors: &[i16]) -> Vec<f32> {
    let side = root.len().max(1);
    let mut scores = Vec::with_capacity(forms.len() / side * (governors.len() / side + 1));
    for form in forms.chunks_exact(side) {
        scores.extend(std::iter::once(root).chain(governors.chunks_exact(side)).map(|governor| {
            let sum: i64 = form.iter().zip(governor).map(|(&a, &b)| i64::from(i32::from(a) * i32::from(b))).sum();
            sum as f32
        }));
    }
    scores
}

impl Network {
    /// Tags and parses captions. Of each the result is the same, whichever others there are.
    pub fn analyse(&self, captions: &[Vec<&str>]) -> Vec<Analysed> {
        captions.chunks(ROWS).flat_map(|some| self.analyse_some(some)).collect()
    }

    /// A few captions, which share each pass over the weights.
    fn analyse_some(&self, captions: &[Vec<&str>]) -> Vec<Analysed> {
        let lengths: Vec<usize> = captions.iter().map(Vec::len).collect();
        let mut states = self.first.apply(&self.embedding.apply(&captions.concat()), &lengths);
        for layer in &self.layers {
            states = layer.apply(&states, &lengths);
        }
        let mut with_root = self.root.clone();
        with_root.extend_from_slice(&states);
        let states = Rows::new(&states, self.tag.inputs());
        let with_root = Rows::new(&with_root, self.governor.inputs());
        let (forms, governors) = self.projections(&states, &with_root);
        let (mut dependent, mut above, mut out) = (Vec::new(), Vec::new(), Vec::new());
        self.label_dependent.apply(&states, &mut dependent);
        self.label_governor.apply(&with_root, &mut above);
        let (side, width) = (self.governor.width(), self.label_dependent.width());
        let mut all = Vec::with_capacity(captions.len());
        let mut start = 0;
        for &length in &lengths {
            let end = start + length;
            let own = &governors[(start + 1) * side..(end + 1) * side];
            let scores = arcs(&forms[start * side..end * side], &governors[..side], own);
            let governors = tree::best(&scores, length);
            for (row, &governor) in dependent[start * width..end * width].chunks_exact_mut(width).zip(&governors) {
                let place = if governor == 0 { 0 } else { start + governor };
                row.iter_mut().zip(&above[place * width..]).for_each(|(sum, part)| *sum += part);
            }
            all.push(Analysed { governors, ..Analysed::default() });
            start = end;
        }
        self.label.apply(&Rows::new(&rectified(&dependent), width), &mut out);
        let mut labels = out.chunks_exact(self.label.width()).map(|row| greatest(&row[..self.label.outputs()]));
        for (analysed, &length) in all.iter_mut().zip(&lengths) {
            analysed.labels = labels.by_ref().take(length).collect();
        }
        drop(labels);
        self.tag.apply(&states, &mut out);
        let mut tags = out.chunks_exact(self.tag.width()).map(|row| greatest(&row[..self.tag.outputs()]));
        for (analysed, &length) in all.iter_mut().zip(&lengths) {
            analysed.tags = tags.by_ref().take(length).collect();
        }
        all
    }

    /// Both sides of the bilinear form: of each word, and of the root and each word.
    fn projections(&self, states: &Rows<i8>, with_root: &Rows<i8>) -> (Vec<i16>, Vec<i16>) {
        let mut out = Vec::new();
        self.dependent.apply(states, &mut out);
        let projected = Rows::new(&rectified(&out), self.dependent.width());
        self.form.apply(&projected, &mut out);
        let forms = out.iter().map(|&value| quantise(value, FORM)).collect();
        self.governor.apply(with_root, &mut out);
        (forms, rectified(&out))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.embedding.write(out);
        self.first.write(out);
        out.push(self.layers.len() as u8);
        self.layers.iter().for_each(|layer| layer.write(out));
        out.extend(self.root.iter().map(|&number| number as u8));
        for dense in [&self.tag, &self.dependent, &self.governor, &self.label_dependent, &self.label_governor] {
            dense.write(out);
        }
        self.form.write(out);
        self.label.write(out);
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged or does not fit.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let embedding = Embedding::read(from)?;
        let first = Gru::read(from, embedding.size())?;
        let mut size = first.forward.size() * 2;
        let mut layers = Vec::new();
        for _ in 0..take(from, 1)?[0] {
            let layer = Gru::read(from, size)?;
            size = layer.forward.size() * 2;
            layers.push(layer);
        }
        let root = take(from, size)?.iter().map(|&byte| byte as i8).collect();
        let mut of_states = || Dense::read(from).filter(|dense| dense.inputs() == size);
        let (tag, dependent, governor) = (of_states()?, of_states()?, of_states()?);
        let (label_dependent, label_governor) = (of_states()?, of_states()?);
        let form = Dense::read(from).filter(|form| form.inputs() == dependent.width())?;
        let label = Dense::read(from).filter(|label| label.inputs() == label_dependent.width())?;
        let fits = form.width() == governor.width() && label_dependent.width() == label_governor.width();
        fits.then_some(Self {
            embedding,
            first,
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
