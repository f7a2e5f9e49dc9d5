//! Greedy, beam and comparison-based beam search, and draws, over any [`crate::models::Captioner`].

pub mod beam;
pub mod comparison;
pub mod neighbours;
pub mod sample;
mod settings;

pub use beam::{BeamOptions, Hypothesis, beam_search};
pub use comparison::Candidate;
pub use settings::{ComparisonConfig, ComparisonPool, DecodeConfig, DecodeMethod, DecodePrecision, Unfinished};
