//! Arguments of `rsic weights` and `rsic config`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Print the format of a weight file, whose weights they are, and every tensor.
    Info { file: PathBuf },
    /// Write the tensors of a weight file (PyTorch, NumPy, safetensors) as safetensors.
    Convert { file: PathBuf, output: PathBuf },
    /// Download public weights and check them: rsic weights fetch resnet101 resnet101:V2
    Fetch(FetchArgs),
    /// Check the weight files of a folder against the checksums of the public ones; exit 1 where there are faults.
    Verify {
        #[arg(default_value = "weights")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// An encoder, NAME:VERSION for another than its first version, sam_vit_b (.._l, .._h), mobile_sam or glove.6B (default: list what there is).
    pub names: Vec<String>,
    /// The first version of every encoder, the word vectors and Segment Anything.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Folder to write.
    #[arg(short, long, default_value = "weights")]
    pub output: PathBuf,
    /// Address below which the files lie by their names, in place of the public ones.
    #[arg(long, value_name = "URL", env = "RSIC_MIRROR")]
    pub mirror: Option<String>,
    /// Seconds without an answer or a byte after which a server is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the resolved experiment, with the origin of each value.
    Show(ConfigShowArgs),
    /// Check experiment files, naming every error with its place: rsic config check experiments/*/*.yaml
    Check {
        #[arg(required = true)]
        configs: Vec<PathBuf>,
    },
    /// List the experiment files below a folder.
    List {
        #[arg(default_value = "experiments")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// Experiment file.
    pub config: PathBuf,
    /// Settings to change, as dotted key=value.
    pub overrides: Vec<String>,
    /// Print the parameters of the model by part instead.
    #[arg(long)]
    pub params: bool,
}
