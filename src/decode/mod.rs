//! Greedy, beam and comparison-based beam search over any [`crate::models::Captioner`].
