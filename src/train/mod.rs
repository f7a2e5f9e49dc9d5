//! The training loop, optimisers, checkpoints and early stopping.
