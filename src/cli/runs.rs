//! Arguments of the commands over many runs: tables, sweeps, reports.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// A table name (table2, V, ...), all, or table files.
    #[arg(required = true)]
    pub tables: Vec<String>,
    /// Papers whose tables are meant, separated by commas: cssa, fe_lws, jtts, s2cpnet (default: all).
    #[arg(long, value_delimiter = ',')]
    pub paper: Vec<String>,
    /// Datasets, separated by commas (default: every one that a table of that name is on).
    #[arg(long, value_delimiter = ',')]
    pub datasets: Vec<String>,
    /// Folder of encoder weights (default: weights), or NAME=FILE for one encoder (repeatable).
    #[arg(long, value_name = "DIR|NAME=FILE")]
    pub weights: Vec<String>,
    /// Run every row with this encoder in place of its own (repeatable: they are fused); the table says so.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub encoder: Vec<String>,
    /// Seeds, separated by commas (default: those of the table).
    #[arg(long, value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Only these rows (substring of the method, repeatable).
    #[arg(long)]
    pub rows: Vec<String>,
    /// Settings to change in every run, as dotted key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder for runs, tables and pages.
    #[arg(short, long, default_value = "runs")]
    pub output: PathBuf,
    /// Folder that holds the table files, one folder a paper.
    #[arg(long, default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
    /// List the runs and stop.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run folders, or folders with runs below them; seeds of one experiment are taken together.
    #[arg(required = true)]
    pub runs: Vec<PathBuf>,
    /// Page to write (default: report.html, in the run folder where there is but one).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Folder with the papers' tables, in which the published rows of the runs are looked up.
    #[arg(long, default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Run folder, or file of captions as `rsic score` reads them.
    pub first: PathBuf,
    /// Another, of the same images.
    pub second: PathBuf,
    /// Decoding of run folders, by its name: "beam 3" (default: that of the experiment).
    #[arg(long)]
    pub decoding: Option<String>,
    /// References of files of captions, where those do not hold them.
    #[arg(long, num_args = 1..)]
    pub references: Vec<PathBuf>,
    /// Score by which single images are listed.
    #[arg(long, default_value = "CIDEr")]
    pub metric: String,
    /// Resamples of the images.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub bootstrap: usize,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the comparison, every image's too, here as JSON.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write a page with both runs' captions here.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Folder with the papers' tables, in which the published rows of the runs are looked up.
    #[arg(long, default_value = "experiments", env = "RSIC_EXPERIMENTS")]
    pub experiments: PathBuf,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Settings to change in every run, as dotted key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Folder below which the runs lie, in sweeps/<name>.
    #[arg(short, long, default_value = "runs")]
    pub output: PathBuf,
    /// Processes that work through the runs at the same time (with Slurm: tasks).
    #[arg(short, long, default_value_t = 1)]
    pub jobs: usize,
    /// Devices that the processes take in turn, separated by commas: cuda:0,cuda:1 (default: --device for all).
    #[arg(long, value_delimiter = ',')]
    pub devices: Vec<String>,
    /// What starts the processes: local, slurm, or a command in which {command} stands for one task's own.
    #[arg(long, default_value = "local")]
    pub launcher: String,
    /// An option for sbatch (repeatable): --sbatch=--gres=gpu:1
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Make one task alone, by its place in the order of runs and seeds, from 0.
    #[arg(long)]
    pub task: Option<usize>,
    /// List the runs and stop; with --launcher slurm, print the script.
    #[arg(long)]
    pub dry_run: bool,
    /// Make runs, but leave the table of the sweep to the process that started this one.
    #[arg(long, hide = true)]
    pub worker: bool,
}
