//! Greedy, beam and comparison-based beam search over any [`crate::models::Captioner`].

pub mod beam;
pub mod comparison;

pub use beam::{BeamOptions, Hypothesis, beam_search};
pub use comparison::Candidate;
