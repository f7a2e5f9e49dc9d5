//! Layers that several models share.

pub mod dropout;
pub mod gru;
pub mod linear;

pub use dropout::dropout;
pub use gru::Gru;
pub use linear::linear;
