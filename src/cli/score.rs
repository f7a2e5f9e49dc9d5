//! Arguments of the metrics' commands.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Captions to score: coco results JSON, predictions JSONL, or plain text, one line an item.
    pub hypotheses: PathBuf,
    /// References: coco annotations JSON, JSONL, or one plain text file per reference.
    #[arg(required = true)]
    pub references: Vec<PathBuf>,
    /// Metrics, separated by commas: BLEU, METEOR, ROUGE_L, CIDEr, SPICE (default: all, and Sm, the mean of
    /// BLEU-4, METEOR, ROUGE_L and CIDEr).
    #[arg(long, value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Write corpus and per-image scores here, as JSON.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Captions are word ids between spaces: score them as they are.
    #[arg(long)]
    pub ids: bool,
    /// Score the captions there are, though references name more images.
    #[arg(long)]
    pub subset: bool,
    /// Give 95 % confidence intervals from N resamples of the images.
    #[arg(long, value_name = "N")]
    pub bootstrap: Option<usize>,
    /// Compare with another system's captions of the same images, by paired bootstrap (1000 resamples).
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Give SPICE of objects, attributes, relations, colours, counts and sizes, too.
    #[arg(long)]
    pub spice_details: bool,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Subcommand)]
pub enum SpiceCommand {
    /// Train a model on the reference parser's output: rsic spice train parses.json.gz --output captions.model
    Train(SpiceTrainArgs),
    /// Compare a model's words, arcs, tuples and scores with the reference's: rsic spice eval parses.json.gz --held-out
    Eval(SpiceEvalArgs),
}

#[derive(Debug, Args)]
pub struct SpiceTrainArgs {
    /// Parses, JSON (.gz): captions with tokens, tags, lemmas, dependencies and trees (docs/spice.md).
    #[arg(required = true)]
    pub parses: Vec<PathBuf>,
    /// Model to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Train on every caption: none is held out to measure with.
    #[arg(long)]
    pub all: bool,
    /// How often each caption is seen (default: as for the model in the program).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub epochs: Option<u16>,
}

#[derive(Debug, Args)]
pub struct SpiceEvalArgs {
    /// Parses, JSON (.gz): captions with tokens, tags, lemmas, dependencies and tuples.
    pub parses: PathBuf,
    /// Model (default: the one in the program).
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Only the captions that training leaves out.
    #[arg(long)]
    pub held_out: bool,
    /// Groups of a caption and references with the reference's SPICE, JSON (.gz): scores are compared, too.
    #[arg(long)]
    pub scores: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct MetricsDataArgs {
    /// The wheel of pycocoevalcap 1.2.
    pub wheel: PathBuf,
    /// File to write (default: metrics-en.bin in the cache).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}
