//! Layers that several models share.

pub mod attention;
pub mod dropout;
pub mod gru;
pub mod linear;
pub mod lstm;
pub mod packed;
pub mod positions;
pub mod pre_norm;
pub mod rows;
pub mod transformer;

pub use attention::{KeyValues, Mask, MultiHeadAttention};
pub use dropout::dropout;
pub use gru::Gru;
pub use linear::{dense, linear};
pub use packed::PackedLayout;
pub use positions::sinusoidal;
pub use pre_norm::{Activation, PreNormBlock};
pub use rows::ImageRows;
