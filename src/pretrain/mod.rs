//! Scene-classification training of encoders: from nothing, from other weights, or of single stages; and linear probes.
//!
//! What comes out is a weight file with torchvision's tensor names, which captioning models take as any other.

mod augment;
mod config;
mod confusion;
mod data;
mod linear;
mod objective;
mod output;
mod probe;

pub use augment::{Crop, CropConfig};
pub use config::{ClassSource, ClassTraining, EncoderToTrain, Pretraining, SceneData, load};
pub use confusion::Confusion;
pub use data::{Labelled, Scenes};
pub use linear::{LogisticRegression, RegressionConfig};
pub use objective::SceneObjective;
pub use output::{Summary, WEIGHTS, write_results};
pub use probe::{Probe, probe};
