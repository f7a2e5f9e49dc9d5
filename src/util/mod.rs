//! Small things that several modules share.

pub mod fs;
pub mod rng;
pub mod suggest;
