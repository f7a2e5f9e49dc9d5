//! Caption metrics. Knows no tensors.
//!
//! [`References`] prepares the captions of a set of images once; [`References::score`] scores one caption an image,
//! in parallel and bit-equal whatever the number of threads. Values follow coco-caption's scorers (pycocoevalcap 1.2).
//! [`Scorer`] takes captions one by one; [`protocol`] has other programs' scores; [`readers`] reads files of captions.

mod bleu;
pub mod bootstrap;
mod cider;
mod distinct;
pub mod memory;
pub mod meteor;
mod metric_set;
mod ngrams;
pub mod protocol;
pub mod readers;
mod references;
pub mod retrieval;
mod rouge;
mod scorer;
pub mod scores;
mod signature;
pub mod spice;
pub mod tokenizer;

pub use distinct::tokenize_all;
pub use metric_set::MetricSet;
pub use protocol::Protocol;
pub use references::{Evaluation, References, Segment};
pub use rsic_captions::Split;
pub use scorer::{Scored, Scorer};
pub use scores::Scores;
pub use signature::{Signature, Tables};
pub use tokenizer::tokenize;
