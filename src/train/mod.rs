//! The training loop, optimisers, checkpoints and early stopping.

pub mod adam;

pub use adam::Adam;
