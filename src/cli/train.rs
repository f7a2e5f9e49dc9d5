//! Arguments of the commands that train models and use them.

use super::SemanticArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Experiment file.
    #[arg(value_name = "EXPERIMENT")]
    pub config: PathBuf,
    /// Override settings, e.g. train.seed=2 model.fe_lws.layers=3.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    pub run: RunArgs,
}

/// Where a training goes, and what becomes of what is there.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Resume the run in the output folder from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Replace an existing run in the output folder.
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Run folder (default: runs/<name>).
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Check the settings and data and print what would run, without training.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Run folder or checkpoint folder.
    pub run: PathBuf,
    /// Further runs, whose models find each word together with the first one's (an ensemble); overrides of settings,
    /// e.g. decode.beam=3.
    #[arg(value_name = "RUN|KEY=VALUE")]
    pub more: Vec<String>,
    /// Split to caption and score: train, val or test.
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Give the decoder the attributes of the references in place of those it predicts: what better ones would be
    /// worth.
    #[arg(long)]
    pub oracle_attributes: bool,
    /// What an ensemble averages: the models' probabilities of the next word, or their logarithms.
    #[arg(long, value_enum, default_value_t)]
    pub mean: EnsembleMean,
    /// Comma-separated weights of the ensemble's models (default: equal).
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',')]
    pub member_weights: Vec<f64>,
    /// Output folder for captions and scores (default: the run folder; required for an ensemble).
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub semantic: SemanticArgs,
}

/// What an ensemble averages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EnsembleMean {
    #[default]
    Probabilities,
    LogProbabilities,
}

impl EvalArgs {
    /// The runs after the first, and the overrides: what contains `=` and is no file or folder.
    pub fn further_runs_and_overrides(&self) -> (Vec<PathBuf>, Vec<String>) {
        let (overrides, runs): (Vec<String>, Vec<String>) =
            self.more.iter().cloned().partition(|argument| argument.contains('=') && !PathBuf::from(argument).exists());
        (runs.into_iter().map(PathBuf::from).collect(), overrides)
    }
}

#[derive(Debug, Args)]
pub struct AverageArgs {
    /// Checkpoint or run folders of one model; one run folder with --last or --best.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Average the last N epochs that the run has kept (train.keep_last).
    #[arg(long, value_name = "N", conflicts_with = "best")]
    pub last: Option<usize>,
    /// Average the N best of the epochs that the run has kept (train.keep_last).
    #[arg(long, value_name = "N")]
    pub best: Option<usize>,
    /// Checkpoint folder to write.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct CaptionArgs {
    /// Images or folders of images, or - to read a list of paths from standard input.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Run folder or checkpoint folder.
    #[arg(short, long, value_name = "RUN")]
    pub model: PathBuf,
    /// Override a setting, e.g. decode.beam=3 (repeatable).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Keep no features: for images that are captioned once (always so for more than 10,000 images where the encoders
    /// are frozen and the model takes no masks).
    #[arg(long)]
    pub no_cache: bool,
    /// Output format, one line per image.
    #[arg(short, long, value_enum, default_value_t = CaptionFormat::Text)]
    pub format: CaptionFormat,
    /// Include each image's predicted attributes with their probabilities, those that the decoder is given marked by *,
    /// and, in jsonl, the attention of each word.
    #[arg(long)]
    pub attributes: bool,
    /// Include the nouns that the model predicts of each image (jsonl has them anyway).
    #[arg(long)]
    pub nouns: bool,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Keep captions already in the output file, or left by an interrupted command, and skip their images.
    #[arg(long, requires = "output")]
    pub skip_existing: bool,
    /// Search subfolders too.
    #[arg(short, long)]
    pub recursive: bool,
    /// Segment Anything weights for images without masks, if the model needs masks (default: colour segmentation).
    #[arg(long, value_name = "WEIGHTS")]
    pub sam: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionFormat {
    Text,
    Jsonl,
    Csv,
}

/// How images of more than three bands or more than 8 bits are read.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Bands shown as red, green and blue, or one as gray, counted from 1, e.g. 4,3,2 (default: as the run was trained;
    /// the first three).
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    pub bands: Vec<usize>,
    /// How samples become 8 bits: none, percent (2%-98% of each image), other percentiles, or values such as 0-10000
    /// (default: as the run was trained; none for 8 bits, otherwise percent).
    #[arg(long, value_name = "STRETCH", allow_hyphen_values = true)]
    pub stretch: Option<String>,
}

impl ReadingArgs {
    /// These arguments as settings behind `overrides`.
    pub fn settings(&self, overrides: &[String]) -> Vec<String> {
        let bands = (!self.bands.is_empty()).then(|| format!("data.bands={:?}", self.bands));
        let stretch = self.stretch.as_ref().map(|stretch| format!("data.stretch={stretch}"));
        overrides.iter().cloned().chain(bands).chain(stretch).collect()
    }
}

#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Experiment file.
    #[arg(value_name = "EXPERIMENT")]
    pub config: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Override settings.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Pre-training file (default: use --data and --encoder, which settings may follow, too).
    pub config: Option<PathBuf>,
    /// Override settings, e.g. train.epochs=5 encoder.trainable=[layer4,fc].
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Dataset: one folder of images per class, UC Merced's numbered images, or a caption file with classes.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Encoder to train.
    #[arg(long, value_name = "NAME")]
    pub encoder: Option<String>,
    /// Initial weights: a training such as imagenet, a file, or none for random initialisation.
    #[arg(long, value_name = "WEIGHTS")]
    pub weights: Option<String>,
    /// Number of training epochs.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Train only a logistic regression on the pooled features of the frozen encoder.
    #[arg(long)]
    pub linear_probe: bool,
    #[command(flatten)]
    pub run: RunArgs,
}
