//! Arguments of `rsic data`.

use super::{LogFormat, MasksArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Render the built-in scenes: a small captioning dataset with masks and classes.
    Scenes(ScenesArgs),
    /// Counts per split, captions per image, vocabulary and lengths.
    Stats(DataArgs),
    /// Check captions, images and splits; exit 1 and name each fault where there are any.
    Verify(DataArgs),
    /// Make masks of the images that have none, by Segment Anything (--sam WEIGHTS), or by colour alone, a substitute.
    Masks(Box<MasksArgs>),
    /// Print the nouns of the captions with their counts, or the nouns of every caption.
    Nouns(NounsArgs),
    /// The frequent nouns and adjectives of the training captions, which JTTS predicts from images.
    Attributes(AttributesArgs),
    /// Check and merge files of paraphrases of training captions; exit 1 and name each fault where there are any.
    AugmentText(AugmentTextArgs),
}

#[derive(Debug, Args)]
pub struct NounsArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Leave out nouns that are seen fewer times (default: 5).
    #[arg(long)]
    pub min_count: Option<usize>,
    /// Count the captions of every split, not of train alone.
    #[arg(long)]
    pub all_splits: bool,
    /// Folder of NLTK's tagger tables (default: the built-in tables).
    #[arg(long)]
    pub tagger: Option<PathBuf>,
    /// Print the nouns of every caption, a line each.
    #[arg(long)]
    pub captions: bool,
}

/// A file of paraphrases holds one pair a line: a caption, a tab, another wording of it. Any translation model can make
/// one: list the captions with --list, translate them there and back, join the two with `paste`.
#[derive(Debug, Args)]
pub struct AugmentTextArgs {
    /// Dataset folder, caption file, or experiment file.
    pub dataset: PathBuf,
    /// Files of paraphrases.
    #[arg(required_unless_present = "list")]
    pub files: Vec<PathBuf>,
    /// Print the distinct training captions, one a line, and stop.
    #[arg(long, conflicts_with_all = ["files", "output"])]
    pub list: bool,
    /// Write the right lines of all files here, captions in alphabetical order, each pair once.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ScenesArgs {
    /// Folder to write (dataset.json, imgs/, masks/).
    pub output: PathBuf,
    /// Images in all.
    #[arg(long, default_value_t = 240)]
    pub count: usize,
    /// Side of the square images, pixels.
    #[arg(long, default_value_t = 256)]
    pub size: u32,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct DataArgs {
    /// Dataset folder, caption file, or experiment file.
    pub dataset: PathBuf,
    /// Image folder, where it is not imgs/ or images/ beside the caption file.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// Which field of a sentence is the caption (default: tokens, where the file has them).
    #[arg(long, value_enum)]
    pub text: Option<CaptionField>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = LogFormat::Text)]
    pub format: LogFormat,
}

#[derive(Debug, Args)]
pub struct AttributesArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Words seen more often than this (default: the experiment's, else 100).
    #[arg(long)]
    pub above: Option<usize>,
    /// Folder with the JSON tables of NLTK's averaged_perceptron_tagger_eng (default: built-in tables).
    #[arg(long)]
    pub tagger: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionField {
    Tokens,
    Raw,
}
