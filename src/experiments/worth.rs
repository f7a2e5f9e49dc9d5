//! What measured scores are worth: the part that may be memory of the training captions, and what they were computed
//! with.

use super::compare::Measured;
use crate::decode::DecodeConfig;
use crate::eval::memory::{Memory, Part};
use crate::runs::result::{Baseline, DecodingResult, RunResult};

/// Footnotes of a decoding: copies, different captions and words by seed, the scores of images with and without
/// references that training had, and the signature.
pub(super) fn notes(decode: &DecodeConfig, results: &[&RunResult]) -> Vec<String> {
    let decodings: Vec<&DecodingResult> = results.iter().filter_map(|result| result.decoding(decode)).collect();
    let memories: Vec<&Memory> = decodings.iter().filter_map(|decoding| decoding.memory.as_ref()).collect();
    let signatures = decodings.iter().filter_map(|decoding| decoding.signature.as_deref());
    texts(&decode.label(), &memories, signatures)
}

/// The same of captions that no model made.
pub(super) fn of_baseline(baseline: &Baseline) -> Vec<String> {
    let memories: Vec<&Memory> = baseline.memory.iter().collect();
    texts(&baseline.name, &memories, baseline.signature.as_deref().into_iter())
}

fn texts<'s>(name: &str, memories: &[&Memory], signatures: impl Iterator<Item = &'s str>) -> Vec<String> {
    let mut notes: Vec<String> = memory(name, memories).into_iter().collect();
    let mut signatures: Vec<&str> = signatures.collect();
    signatures.dedup();
    notes.extend(signatures.into_iter().map(|signature| format!("scored as {signature}")));
    notes
}

fn memory(name: &str, memories: &[&Memory]) -> Option<String> {
    let first = memories.first()?;
    let each =
        |count: fn(&Memory) -> usize| memories.iter().map(|m| count(m).to_string()).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "{name}: {} of {} captions are training captions, {} are different, with {} of {} training words",
        each(|memory| memory.copies),
        first.images(),
        each(|memory| memory.distinct),
        each(|memory| memory.words),
        first.training_words,
    );
    if let (Some(seen), Some(unseen)) = (mean(memories, |m| &m.seen), mean(memories, |m| &m.unseen)) {
        text += &format!(
            "; CIDEr {seen:.4} on the {} images with a reference among the training captions, {unseen:.4} on the {} \
             without",
            first.seen.images, first.unseen.images
        );
    }
    Some(text)
}

/// The mean CIDEr of some of the images over the seeds.
fn mean(memories: &[&Memory], part: fn(&Memory) -> &Part) -> Option<f64> {
    let values: Vec<f64> = memories.iter().filter_map(|memory| part(memory).scores.get("CIDEr")).collect();
    Measured::of(&values).map(|measured| measured.mean)
}
