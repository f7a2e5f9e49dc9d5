//! Datasets: caption files, splits, vocabulary, images.
//!
//! A caption file of any known format becomes [`captions::Record`]s; [`Dataset`] applies the settings to them (which
//! text, which words, which split) and finds the images on disk; [`Vocabulary`] gives the words their numbers;
//! [`image`] and [`loader`] turn files into pixels.

pub mod attributes;
pub mod augment;
pub mod batch;
mod dataset;
pub mod glove;
pub mod image;
pub mod loader;
mod locate;
pub mod masks;
pub mod nouns;
pub mod overlap;
pub mod pos;
pub mod published;
mod settings;
mod split;
pub mod stats;
pub mod stop_words;
pub mod verify;
mod vocabulary;
pub mod words;

pub use crate::captions::{self, Split, parse_captions};
pub use dataset::{Caption, Dataset, ImageEntry, Skipped};
pub use locate::{Fault, IMAGE_EXTENSIONS, is_image_name};
pub use settings::{DataConfig, MissingPolicy, SplitRule, TextField, VocabularyConfig};
pub use vocabulary::{END, PAD, START, UNK, Vocabulary};
