//! Greedy, beam and comparison-based beam search over any [`crate::models::Captioner`].

pub mod beam;
pub mod comparison;
pub mod neighbours;
mod settings;

pub use beam::{BeamOptions, Hypothesis, beam_search};
pub use comparison::Candidate;
pub use settings::{ComparisonConfig, ComparisonPool, DecodeConfig, DecodeMethod, DecodePrecision, Unfinished};
