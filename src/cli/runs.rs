//! Arguments of the commands over many runs: tables, sweeps, reports.

use super::up_to;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Table names (table2, V, ...), table files, or all.
    #[arg(value_name = "TABLE", required = true)]
    pub tables: Vec<String>,
    /// Comma-separated papers: cssa, fe_lws, jtts, s2cpnet (default: all).
    #[arg(long, value_name = "PAPERS", value_delimiter = ',')]
    pub paper: Vec<String>,
    /// Comma-separated datasets (default: every dataset of the selected tables).
    #[arg(long, value_delimiter = ',')]
    pub datasets: Vec<String>,
    /// Folder of encoder weights (default: weights), or NAME=FILE for one encoder (repeatable).
    #[arg(long, value_name = "DIR|NAME=FILE")]
    pub weights: Vec<String>,
    /// Replace the encoders of every row with this one, noted in the table (repeatable: features are fused).
    #[arg(long, value_name = "NAME[=FILE]")]
    pub encoder: Vec<String>,
    /// Comma-separated seeds (default: the table's).
    #[arg(long, value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Run only rows whose method contains this text (repeatable).
    #[arg(long, value_name = "TEXT")]
    pub rows: Vec<String>,
    /// Override a setting in every run (repeatable).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Output folder for runs, tables and pages.
    #[arg(short, long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,
    /// Folder of the table files, with one subfolder per paper.
    #[arg(long, value_name = "DIR", default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
    /// List the runs without starting them.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run folders, or folders that contain runs; seeds of one experiment are averaged.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// HTML file to write (default: report.html, inside the run folder if there is only one).
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder of the papers' tables, used to look up published scores.
    #[arg(long, value_name = "DIR", default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Run folder, or caption file in a format that `rsic score` reads.
    pub first: PathBuf,
    /// Run folder or caption file to compare with, on the same images.
    pub second: PathBuf,
    /// Decoding to compare in run folders, e.g. "beam 3" (default: the experiment's).
    #[arg(long, value_name = "NAME")]
    pub decoding: Option<String>,
    /// Reference files, for caption files that do not contain references.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub references: Vec<PathBuf>,
    /// Metric that ranks the listed images.
    #[arg(long, default_value = "CIDEr")]
    pub metric: String,
    /// Number of bootstrap resamples of the images.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = up_to::<1_000_000, usize>)]
    pub bootstrap: usize,
    /// Random seed of the bootstrap.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the comparison, including per-image scores, to this JSON file.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write an HTML page with the captions of both runs.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Folder of the papers' tables, used to look up published scores.
    #[arg(long, value_name = "DIR", default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Override a setting in every run (repeatable).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Output folder; runs are written to sweeps/<name> inside it.
    #[arg(short, long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,
    /// Number of parallel processes (with --launcher slurm: simultaneous tasks).
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Comma-separated devices, assigned to the processes in turn, e.g. cuda:0,cuda:1 (default: --device).
    #[arg(long, value_delimiter = ',')]
    pub devices: Vec<String>,
    /// How to start the processes: local, slurm, or a command line in which {command} is replaced by that of one task.
    #[arg(long, default_value = "local")]
    pub launcher: String,
    /// Option passed to sbatch, e.g. --sbatch=--gres=gpu:1 (repeatable).
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Run a single task, by its index in the list of runs and seeds (from 0).
    #[arg(long, value_name = "INDEX")]
    pub task: Option<usize>,
    /// List the runs without starting them; with --launcher slurm, print the batch script.
    #[arg(long)]
    pub dry_run: bool,
    /// Run as a worker of another process, which writes the sweep's table.
    #[arg(long, hide = true)]
    pub worker: bool,
}
