//! Arguments of the commands that train models and use them.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Experiment file.
    pub config: PathBuf,
    /// Settings to change, as dotted key=value: train.seed=2 model.fe_lws.layers=3
    pub overrides: Vec<String>,
    #[command(flatten)]
    pub run: RunArgs,
}

/// Where a training goes, and what becomes of what is there.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Continue the run in the output folder from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Replace a finished run in the output folder.
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Run folder (default: runs/<name>).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Check everything, print what would run, and stop.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Run folder or checkpoint folder.
    pub run: PathBuf,
    /// Settings to change, as dotted key=value: decode.beam=3
    pub overrides: Vec<String>,
    /// Split to caption and score.
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Write captions and scores to this folder (default: the run folder).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CaptionArgs {
    /// Images, folders of images, or - for a list of paths on standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Run folder or checkpoint folder.
    #[arg(short, long)]
    pub model: PathBuf,
    /// Settings to change, as dotted key=value: decode.beam=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Form of the output, one line an image.
    #[arg(short, long, value_enum, default_value_t = CaptionFormat::Text)]
    pub format: CaptionFormat,
    /// Add the attribute words of each image with their probabilities, and in jsonl where the model looked at each word.
    #[arg(long)]
    pub attributes: bool,
    /// Write here instead of standard output.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Images already captioned in the output file are kept and skipped.
    #[arg(long, requires = "output")]
    pub skip_existing: bool,
    /// Search folders below the given ones too.
    #[arg(short, long)]
    pub recursive: bool,
    /// Weights of Segment Anything, which makes the masks of images without one for models that look at masks (default: they
    /// are segmented by colour alone).
    #[arg(long, value_name = "WEIGHTS")]
    pub sam: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionFormat {
    Text,
    Jsonl,
    Csv,
}

#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Experiment file.
    pub config: PathBuf,
    /// Settings to change, as dotted key=value.
    pub overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Pre-training file; without it, --data and --encoder say what to train.
    pub config: Option<PathBuf>,
    /// Settings to change, as dotted key=value: train.epochs=5 encoder.trainable=[layer4,fc]
    pub overrides: Vec<String>,
    /// Folder with a folder of images for each class, UC Merced's numbered images, or a dataset whose captions name classes.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Encoder to train.
    #[arg(long, value_name = "NAME")]
    pub encoder: Option<String>,
    /// Weight file to start from; none starts from nothing.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Train nothing but a logistic regression on the frozen encoder's pooled features.
    #[arg(long)]
    pub linear_probe: bool,
    #[command(flatten)]
    pub run: RunArgs,
}
