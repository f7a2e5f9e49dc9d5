//! The command line: one `*Args` struct per subcommand, exit codes, and [`scoring`], which needs no LibTorch.

mod data;
mod files;
mod masks;
mod parsing;
mod runs;
mod score;
pub mod scoring;
mod status;
mod train;

pub use data::*;
pub use files::*;
pub use masks::*;
pub use parsing::parse;
pub use runs::*;
pub use score::*;
pub use status::{ExitStatus, report_error};
pub use train::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rsic_util::logging::Messages;

/// Remote-sensing image captioning: train, caption, score and reproduce published tables.
#[derive(Debug, Parser)]
#[command(name = "rsic", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Say more on standard error (repeat for more).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only errors on standard error.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Form of the messages on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "RSIC_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, global = true, default_value = "auto", env = "RSIC_DEVICE")]
    pub device: String,
    /// CPU threads for tensor operations (default: all cores).
    #[arg(long, global = true, env = "RSIC_THREADS")]
    pub threads: Option<usize>,
}

impl GlobalArgs {
    /// What they say of messages.
    pub fn messages(&self) -> Messages {
        Messages { quiet: self.quiet, verbose: self.verbose, json: self.log_format == LogFormat::Json }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model: rsic train experiments/fe_lws/ucm.yaml train.seed=2
    Train(TrainArgs),
    /// Decode a split with a trained run and score it: rsic eval runs/fe_lws/ucm
    Eval(EvalArgs),
    /// Caption images or folders: rsic caption --model runs/fe_lws/ucm photos/
    Caption(CaptionArgs),
    /// Score captions against references, as coco-caption does: rsic score hyps.json refs.json
    Score(ScoreArgs),
    /// Train, score and print a published table: rsic reproduce table2 --paper fe_lws
    Reproduce(ReproduceArgs),
    /// Train one experiment under many settings: rsic sweep experiments/sweeps/fe_lws_layers.yaml
    Sweep(SweepArgs),
    /// One page about finished runs, with scores, curves, captions and what the models saw: rsic report runs/demo/cssa
    Report(ReportArgs),
    /// Two runs, or files of captions, on the same images, by paired bootstrap: rsic compare runs/a runs/b
    Compare(CompareArgs),
    /// Inspect, check and make datasets: rsic data verify datasets/ucm
    #[command(subcommand)]
    Data(DataCommand),
    /// Run frozen encoders over a dataset into the feature cache: rsic features experiments/fe_lws/ucm.yaml
    Features(FeaturesArgs),
    /// Train an encoder on scene classes: rsic pretrain experiments/pretrain/ucm_densenet169.yaml
    Pretrain(PretrainArgs),
    /// List, convert and check weight files: rsic weights info weights/resnet101-63fe2227.pth
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Show and check experiment files: rsic config show experiments/fe_lws/ucm.yaml
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Compile METEOR's synonyms and paraphrases into the cache: rsic metrics-data pycocoevalcap-1.2-py3-none-any.whl
    MetricsData(MetricsDataArgs),
    /// Train SPICE's caption parser, and measure how well it agrees with the reference's: rsic spice eval parses.json.gz
    #[command(subcommand)]
    Spice(SpiceCommand),
    /// Print versions, device and threads, what is missing and how to mend it.
    Doctor,
    /// Print a completion script for a shell: rsic completions bash
    Completions { shell: clap_complete::Shell },
}
