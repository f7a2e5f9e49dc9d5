//! Parts of speech by an averaged perceptron, with NLTK's features and rules.
//!
//! Method: Collins 2002, "Discriminative Training Methods for Hidden Markov Models"; the program that the papers' lists
//! of nouns and attributes were made with is NLTK's `averaged_perceptron_tagger_eng`. With its tables
//! ([`Tagger::load`]) the tags equal NLTK's; without them small tables of our own ([`Tagger::builtin`]) serve, which
//! learnt from NLTK's tags of remote-sensing captions and are for such text alone.

mod features;
mod tables;
mod tag;
mod tagger;
mod train;

pub use tables::Tables;
pub use tag::Tag;
pub use tagger::Tagger;
pub use train::train;
