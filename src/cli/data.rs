//! Arguments of `rsic data`.

use super::{LogFormat, MasksArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Render the built-in scenes: a small captioning dataset with masks and classes.
    #[command(after_help = "Example: rsic data scenes datasets/scenes --count 480")]
    Scenes(ScenesArgs),
    /// Print images per split, captions per image, vocabulary size and caption lengths.
    #[command(after_help = "Example: rsic data stats datasets/ucm")]
    Stats(DataArgs),
    /// Check captions, images and splits; report every fault and exit with code 1 if there are any.
    #[command(after_help = "Example: rsic data verify datasets/ucm")]
    Verify(DataArgs),
    /// Generate missing masks with Segment Anything (--sam WEIGHTS) or, as a substitute, colour segmentation.
    #[command(after_help = "Example: rsic data masks datasets/ucm --sam sam_vit_b --shard 1/4")]
    Masks(Box<MasksArgs>),
    /// Print the nouns of the captions with their counts, or the nouns of every caption.
    #[command(after_help = "Example: rsic data nouns datasets/ucm --min-count 10")]
    Nouns(NounsArgs),
    /// Print the attributes that JTTS predicts: frequent nouns and adjectives of the training captions.
    #[command(after_help = "Example: rsic data attributes datasets/rsicd --above 100")]
    Attributes(AttributesArgs),
    /// Check and merge paraphrases of training captions; report every fault and exit with code 1 if there are any.
    ///
    /// Each line holds a caption, a tab and its paraphrase. To create a file by back-translation, print the captions
    /// with --list, translate them into another language and back, and join both with `paste`.
    #[command(
        after_help = "Example: rsic data augment-text datasets/ucm german.tsv french.tsv --output paraphrases.tsv"
    )]
    AugmentText(AugmentTextArgs),
}

#[derive(Debug, Args)]
pub struct NounsArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Minimum number of occurrences of a noun (default: 5).
    #[arg(long, value_name = "N")]
    pub min_count: Option<usize>,
    /// Count the captions of all splits instead of the training split only.
    #[arg(long)]
    pub all_splits: bool,
    /// Folder with NLTK's tagger tables (default: built-in tables).
    #[arg(long, value_name = "DIR")]
    pub tagger: Option<PathBuf>,
    /// Print the nouns of each caption, one caption per line.
    #[arg(long)]
    pub captions: bool,
    /// Print the nouns that the stop list leaves out instead.
    #[arg(long, conflicts_with = "captions")]
    pub stopped: bool,
}

#[derive(Debug, Args)]
pub struct AugmentTextArgs {
    /// Dataset folder, caption file or experiment file.
    pub dataset: PathBuf,
    /// Paraphrase files.
    #[arg(value_name = "FILE", required_unless_present = "list")]
    pub files: Vec<PathBuf>,
    /// Print the distinct training captions, one per line, and exit.
    #[arg(long, conflicts_with_all = ["files", "output"])]
    pub list: bool,
    /// Write the valid pairs of all files to this file, sorted by caption and without duplicates.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ScenesArgs {
    /// Output folder (receives dataset.json, imgs/ and masks/).
    pub output: PathBuf,
    /// Total number of images.
    #[arg(long, value_name = "N", default_value_t = 240)]
    pub count: usize,
    /// Side length of the square images in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    pub size: u32,
    /// Random seed of the scenes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct DataArgs {
    /// Dataset folder, caption file or experiment file.
    pub dataset: PathBuf,
    /// Image folder (default: imgs/ or images/ next to the caption file).
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Caption field to read (default: tokens if the file has them, otherwise raw).
    #[arg(long, value_enum, value_name = "FIELD")]
    pub text: Option<CaptionField>,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = LogFormat::Text)]
    pub format: LogFormat,
}

#[derive(Debug, Args)]
pub struct AttributesArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Keep words that occur more than N times (default: the experiment's threshold, otherwise 100).
    #[arg(long, value_name = "N")]
    pub above: Option<usize>,
    /// Folder with the JSON tables of NLTK's averaged_perceptron_tagger_eng (default: built-in tables).
    #[arg(long, value_name = "DIR")]
    pub tagger: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionField {
    /// Tokenised captions, as in Karpathy's files.
    Tokens,
    /// Caption text as written.
    Raw,
}
