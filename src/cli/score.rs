//! Arguments of the metrics' commands.

use super::up_to;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Captions to score: COCO results JSON, predictions JSONL, CSV, or plain text with one caption per line.
    pub hypotheses: PathBuf,
    /// References: a dataset folder or its caption file (as for training), COCO annotations JSON, JSONL, or one plain
    /// text file per reference (default: the references in the hypotheses' own file).
    pub references: Vec<PathBuf>,
    /// Score against the images of this split of the references: train, val or test.
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<String>,
    /// Comma-separated metrics: BLEU, METEOR, ROUGE_L, CIDEr, SPICE, Sm (mean of BLEU-4, METEOR, ROUGE_L and CIDEr)
    /// (default: these), CIDEr-original, SPIDEr, Sm-SPICE (mean of Sm's four and SPICE).
    #[arg(long, value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Output format: text, or jsonl with one line per image and a last line for the corpus.
    #[arg(short, long, value_enum, default_value_t = ScoreFormat::Text)]
    pub format: ScoreFormat,
    /// Write corpus and per-image scores to this JSON file.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Program whose scores to compute: coco, coco-no-ptb, ids, nltk, mean-over-references, or all, side by side
    /// (docs/scoring.md defines each).
    #[arg(long, value_name = "NAME", default_value = "coco", conflicts_with = "ids")]
    pub protocol: String,
    /// BLEU smoothing of --protocol nltk: method0 (none) to method4.
    #[arg(long, value_name = "METHOD", default_value = "method0")]
    pub smoothing: String,
    /// Treat captions as space-separated word ids and skip tokenisation (--protocol ids).
    #[arg(long)]
    pub ids: bool,
    /// Compare with the scores and the signature in this file, which --out wrote; exit code 1 if they differ.
    #[arg(long, value_name = "FILE")]
    pub verify: Option<PathBuf>,
    /// Training captions, a caption file or dataset folder (its train split, where it names splits): split the scores
    /// into images with a reference that stands there word for word and those without, and count copied captions.
    #[arg(long, value_name = "CAPTIONS")]
    pub train: Option<PathBuf>,
    /// Score the images that have both a caption and references, even if some lack one of them.
    #[arg(long, visible_alias = "subset")]
    pub partial: bool,
    /// Print 95 % confidence intervals from N bootstrap resamples of the images.
    #[arg(long, value_name = "N", value_parser = up_to::<1_000_000, usize>)]
    pub bootstrap: Option<usize>,
    /// Compare with another system's captions of the same images by paired bootstrap (1000 resamples by default).
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Also print SPICE by category: objects, attributes, relations, colours, counts and sizes.
    #[arg(long)]
    pub spice_details: bool,
    /// Random seed of the bootstrap.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub semantic: SemanticArgs,
    /// Folder with the images of the captions, for --clip.
    #[arg(long, value_name = "FOLDER", requires = "clip", help_heading = SEMANTIC)]
    pub images: Option<PathBuf>,
}

const SEMANTIC: &str = "Scores by meaning";

/// Scores by meaning, which need LibTorch.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = SEMANTIC)]
pub struct SemanticArgs {
    /// CLIPScore and RefCLIPScore by this CLIP (ViT-B/32, B/16 or L/14 of OpenAI, OpenCLIP or Hugging Face; RemoteCLIP,
    /// GeoRSCLIP): a weight file, or a folder with one.
    #[arg(long, value_name = "WEIGHTS")]
    pub clip: Option<PathBuf>,
    /// CLIP's vocabulary: tokenizer.json, merges.txt or bpe_simple_vocab_16e6.txt.gz (default: beside the weights).
    #[arg(long, value_name = "FILE", requires = "clip")]
    pub clip_tokenizer: Option<PathBuf>,
    /// CLIP's activation (default: told from the file; docs/scoring.md).
    #[arg(long, value_name = "NAME", requires = "clip", value_enum)]
    pub clip_activation: Option<ClipActivation>,
    /// Similarity of sentence embeddings by the encoder of this folder (MiniLM and other BERTs with mean pooling).
    #[arg(long, value_name = "FOLDER")]
    pub sentence: Option<PathBuf>,
}

impl SemanticArgs {
    /// Whether any is asked for.
    pub fn asked(&self) -> bool {
        self.clip.is_some() || self.sentence.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ClipActivation {
    /// OpenAI's.
    QuickGelu,
    /// OpenCLIP's.
    Gelu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScoreFormat {
    Text,
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub enum SpiceCommand {
    /// Train a caption parser on the output of the reference parser.
    #[command(after_help = "Example: rsic spice train parses.json.gz --output captions.model")]
    Train(SpiceTrainArgs),
    /// Compare a model's tokens, dependencies, tuples and scores with the reference's.
    #[command(after_help = "Example: rsic spice eval parses.json.gz --held-out")]
    Eval(SpiceEvalArgs),
}

#[derive(Debug, Args)]
pub struct SpiceTrainArgs {
    /// Parsed captions, JSON or JSON.gz, with tokens, tags, lemmas, dependencies and trees (see docs/spice.md).
    #[arg(required = true)]
    pub parses: Vec<PathBuf>,
    /// Model file to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Train on all captions, without a held-out part.
    #[arg(long)]
    pub all: bool,
    /// Number of training epochs (default: that of the built-in model).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub epochs: Option<u16>,
}

#[derive(Debug, Args)]
pub struct SpiceEvalArgs {
    /// Parsed captions, JSON or JSON.gz, with tokens, tags, lemmas, dependencies and tuples.
    pub parses: PathBuf,
    /// Model file (default: the built-in model).
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Evaluate only the captions that training holds out.
    #[arg(long)]
    pub held_out: bool,
    /// Also compare scores: captions, references and the reference implementation's SPICE, JSON or JSON.gz.
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct MetricsDataArgs {
    /// Wheel of pycocoevalcap 1.2.
    pub wheel: PathBuf,
    /// File to write (default: metrics-en.bin in the cache folder).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
