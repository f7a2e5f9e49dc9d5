//! Arguments of `rsic weights` and `rsic config`.

use super::up_to;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Print the format, architecture and tensors of a weight file.
    #[command(after_help = "Example: rsic weights info weights/resnet101-63fe2227.pth")]
    Info {
        /// Weight file (PyTorch, NumPy or safetensors).
        file: PathBuf,
    },
    /// Convert a weight file (PyTorch, NumPy or safetensors) to safetensors.
    #[command(after_help = "Example: rsic weights convert weights/resnet101-63fe2227.pth resnet101.safetensors")]
    Convert {
        /// Weight file to read.
        file: PathBuf,
        /// File to write, ending in .safetensors.
        output: PathBuf,
    },
    /// Download public weights and verify their checksums.
    #[command(after_help = "Example: rsic weights fetch resnet101 resnet101:V2 sam_vit_b")]
    Fetch(FetchArgs),
    /// Verify the checksums of the weight files in a folder; exit with code 1 if any file is faulty.
    #[command(after_help = "Example: rsic weights verify weights")]
    Verify {
        /// Folder of weight files.
        #[arg(default_value = "weights")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Weights to download: an encoder, ENCODER:VERSION for another than its first version, sam_vit_b, sam_vit_l,
    /// sam_vit_h, mobile_sam or glove.6B (default: list everything available).
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Download the first version of every encoder, GloVe and Segment Anything.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Output folder.
    #[arg(short, long, value_name = "DIR", default_value = "weights")]
    pub output: PathBuf,
    /// Base URL of a mirror that serves the files by name.
    #[arg(long, value_name = "URL", env = "RSIC_MIRROR")]
    pub mirror: Option<String>,
    /// Abort a download after this many seconds without data.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = up_to::<86_400, u64>)]
    pub timeout: u64,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the resolved experiment and where each value was set.
    #[command(after_help = "Example: rsic config show experiments/fe_lws/ucm.yaml train.seed=2")]
    Show(ConfigShowArgs),
    /// Validate experiment files and report every error with its line.
    #[command(after_help = "Example: rsic config check experiments/fe_lws/ucm.yaml experiments/jtts/ucm.yaml")]
    Check {
        /// Experiment files.
        #[arg(value_name = "EXPERIMENT", required = true)]
        configs: Vec<PathBuf>,
    },
    /// List the experiment files in a folder and its subfolders.
    #[command(after_help = "Example: rsic config list experiments/jtts")]
    List {
        /// Folder to search.
        #[arg(default_value = "experiments")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// Experiment file.
    #[arg(value_name = "EXPERIMENT")]
    pub config: PathBuf,
    /// Override settings, e.g. train.seed=2.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Print the parameter count of each part of the model instead.
    #[arg(long)]
    pub params: bool,
}
