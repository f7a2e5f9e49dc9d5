//! The captioning models. A model is one file: paper, `Config`, private blocks bottom-up, the public struct last.

pub mod captioner;
pub mod encoders;
pub mod fe_lws;
pub mod layers;
pub mod losses;
pub mod weights;

pub use captioner::{Captioner, State};
pub use losses::Losses;
