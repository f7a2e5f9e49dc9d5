//! The command line: one `*Args` struct per subcommand, exit codes, and [`scoring`], which needs no LibTorch.

mod data;
mod files;
mod map;
mod masks;
mod parsing;
mod runs;
mod score;
pub mod scoring;
mod status;
mod train;

pub use data::*;
pub use files::*;
pub use map::*;
pub use masks::*;
pub use parsing::parse;
pub use runs::*;
pub use score::*;
pub use status::{ExitStatus, report_error};
pub use train::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use parsing::up_to;
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
    /// Increase verbosity (repeat for more).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only errors to standard error.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Format of the messages on standard error.
    #[arg(long, value_name = "FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    #[arg(env = "RSIC_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Device: auto, cpu, cuda or cuda:N.
    #[arg(long, global = true, default_value = "auto", env = "RSIC_DEVICE")]
    pub device: String,
    /// CPU threads for tensor operations (default: all cores).
    #[arg(long, value_name = "N", global = true, env = "RSIC_THREADS", value_parser = up_to::<1024, usize>)]
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
    /// Train a captioning model.
    #[command(after_help = "Example: rsic train experiments/fe_lws/ucm.yaml train.seed=2")]
    Train(TrainArgs),
    /// Average the weights of several checkpoints into one.
    #[command(after_help = "Example: rsic average runs/fe_lws/ucm --last 5 --output runs/fe_lws/ucm_average")]
    Average(AverageArgs),
    /// Caption a split with a trained model and score the captions.
    #[command(after_help = "Example: rsic eval runs/fe_lws/ucm decode.method=greedy")]
    Eval(EvalArgs),
    /// Caption images or folders of images.
    #[command(after_help = "Example: rsic caption --model runs/fe_lws/ucm photos/ --format jsonl")]
    Caption(CaptionArgs),
    /// Caption the tiles of georeferenced scenes, as a map layer.
    #[command(after_help = "Example: rsic map --model runs/fe_lws/ucm scene.tif --output captions.gpkg")]
    Map(MapArgs),
    /// Score captions against references, as coco-caption does.
    #[command(after_help = "Example: rsic score hyps.json refs.json --bootstrap 1000")]
    Score(ScoreArgs),
    /// Reproduce published tables: train, score and compare with the published scores.
    #[command(after_help = "Example: rsic reproduce table2 --paper fe_lws --datasets ucm")]
    Reproduce(ReproduceArgs),
    /// Train one experiment with many combinations of settings.
    #[command(after_help = "Example: rsic sweep experiments/sweeps/fe_lws_ucm.yaml --jobs 2 --devices cuda:0,cuda:1")]
    Sweep(SweepArgs),
    /// Write an HTML page of finished runs: scores, training curves, captions and attention maps.
    #[command(after_help = "Example: rsic report runs/fe_lws/ucm runs/jtts/ucm --output report.html")]
    Report(ReportArgs),
    /// Compare two runs or caption files on the same images by paired bootstrap.
    #[command(after_help = "Example: rsic compare runs/fe_lws/ucm runs/jtts/ucm --html differences.html")]
    Compare(CompareArgs),
    /// Inspect, check and prepare datasets.
    #[command(subcommand, after_help = "Example: rsic data verify datasets/ucm")]
    Data(DataCommand),
    /// Extract the features of an experiment's frozen encoders into the feature cache.
    #[command(after_help = "Example: rsic features experiments/fe_lws/ucm.yaml")]
    Features(FeaturesArgs),
    /// Pre-train an encoder on scene classification.
    #[command(after_help = "Example: rsic pretrain experiments/pretrain/ucm_densenet169.yaml train.epochs=5")]
    Pretrain(PretrainArgs),
    /// Download, inspect, convert and verify weight files.
    #[command(subcommand, after_help = "Example: rsic weights fetch resnet101 densenet169")]
    Weights(WeightsCommand),
    /// Show and validate experiment files.
    #[command(subcommand, after_help = "Example: rsic config show experiments/fe_lws/ucm.yaml")]
    Config(ConfigCommand),
    /// Compile METEOR's synonyms and paraphrases into the cache.
    #[command(after_help = "Example: rsic metrics-data pycocoevalcap-1.2-py3-none-any.whl")]
    MetricsData(MetricsDataArgs),
    /// Train SPICE's caption parser and measure its agreement with the reference implementation.
    #[command(subcommand, after_help = "Example: rsic spice eval parses.json.gz")]
    Spice(SpiceCommand),
    /// Print versions, devices and missing dependencies.
    #[command(after_help = "Example: rsic doctor")]
    Doctor,
    /// Print a shell completion script.
    #[command(after_help = "Example: rsic completions bash")]
    Completions {
        /// Shell to generate completions for.
        shell: clap_complete::Shell,
    },
}
