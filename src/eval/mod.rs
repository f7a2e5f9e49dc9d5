//! Caption metrics. Knows no tensors.

pub mod scores;

pub use scores::Scores;
