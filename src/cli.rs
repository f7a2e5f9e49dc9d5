//! The command line: clap types only, one `*Args` struct per subcommand.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

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

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Experiment file.
    pub config: PathBuf,
    /// Settings to change, as dotted key=value: train.seed=2 model.fe_lws.layers=3
    pub overrides: Vec<String>,
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
    /// Parses, JSON (.gz): captions with tokens, tags, lemmas, dependencies and tuples.
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

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Render the built-in scenes: a small captioning dataset with masks and classes.
    Scenes(ScenesArgs),
    /// Counts per split, captions per image, vocabulary and lengths.
    Stats(DataArgs),
    /// Check captions, images and splits; exit 1 and name each fault where there are any.
    Verify(DataArgs),
    /// Make masks of the images that have none, by Segment Anything (--sam WEIGHTS), or by colour alone, a substitute.
    Masks(Box<MasksArgs>),
    /// Print the nouns of the captions with their counts, or the nouns of every caption.
    Nouns(NounsArgs),
    /// The frequent nouns and adjectives of the training captions, which JTTS predicts from images.
    Attributes(AttributesArgs),
    /// Check and merge files of paraphrases of training captions; exit 1 and name each fault where there are any.
    AugmentText(AugmentTextArgs),
}

/// A folder of images without captions will do for the dataset.
#[derive(Debug, Args)]
pub struct MasksArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder to write (default: masks/ in the dataset).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Make masks anew that are there.
    #[arg(long)]
    pub overwrite: bool,
    /// What a mask's picture shows: flat colours, which a model combines with the image as its settings say; or the colours
    /// over the image, or the outlines, for masks.mode=picture.
    #[arg(long, value_enum, default_value_t = MaskPicture::Solid)]
    pub picture: MaskPicture,
    /// Make every N-th mask alone, from the I-th on, for N machines: --shard 1/4
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// Without --sam: regions grow larger with it (default: 300).
    #[arg(long, conflicts_with = "sam")]
    pub scale: Option<f64>,
    /// Without --sam: width of the Gaussian that smooths the image first, pixels (default: 0.8).
    #[arg(long, conflicts_with = "sam")]
    pub sigma: Option<f64>,
    /// Without --sam: least part of an image that a region takes (default: 0.002).
    #[arg(long, conflicts_with = "sam")]
    pub min_area: Option<f64>,
    #[command(flatten)]
    pub sam: SamArgs,
}

/// Settings of Segment Anything's automatic mask generator, by their public names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Segment Anything")]
pub struct SamArgs {
    /// Weights: a file, or sam_vit_b, sam_vit_l or sam_vit_h for the public one in weights/. Records (JSON) are written
    /// beside the pictures.
    #[arg(long, value_name = "WEIGHTS")]
    pub sam: Option<PathBuf>,
    /// Points along a side of the grid that is asked at (default: 32).
    #[arg(long, requires = "sam")]
    pub points_per_side: Option<usize>,
    /// Points that are decoded at a time (default: 64).
    #[arg(long, requires = "sam")]
    pub points_per_batch: Option<usize>,
    /// Drop masks that the model expects to fit no better than this IoU; 0 drops none (default: 0.88).
    #[arg(long, requires = "sam")]
    pub pred_iou_thresh: Option<f64>,
    /// Drop masks less stable than this; 0 drops none (default: 0.95).
    #[arg(long, requires = "sam")]
    pub stability_score_thresh: Option<f64>,
    /// How far the threshold of the logits is moved to measure stability (default: 1).
    #[arg(long, requires = "sam")]
    pub stability_score_offset: Option<f64>,
    /// Of masks whose boxes overlap more than this IoU the best stays (default: 0.7).
    #[arg(long, requires = "sam")]
    pub box_nms_thresh: Option<f64>,
    /// Layers of crops that are looked at, too: layer L has 4^L (default: 0).
    #[arg(long, requires = "sam")]
    pub crop_n_layers: Option<usize>,
    /// As --box-nms-thresh, between crops (default: 0.7).
    #[arg(long, requires = "sam")]
    pub crop_nms_thresh: Option<f64>,
    /// How far crops overlap, part of the shorter side (default: 0.341).
    #[arg(long, requires = "sam")]
    pub crop_overlap_ratio: Option<f64>,
    /// The grid has fewer points in each layer, by this factor (default: 1).
    #[arg(long, requires = "sam")]
    pub crop_n_points_downscale_factor: Option<usize>,
    /// Remove islands and holes of fewer pixels (default: 0, none).
    #[arg(long, requires = "sam")]
    pub min_mask_region_area: Option<usize>,
    /// Write run lengths as lists of numbers, not in COCO's compressed form.
    #[arg(long, requires = "sam")]
    pub uncompressed: bool,
    /// Run the image encoder in bfloat16, for GPUs.
    #[arg(long, requires = "sam")]
    pub bf16: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MaskPicture {
    Solid,
    Overlay,
    Edges,
}

/// `2/4`: the second of four.
fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, all)| Some((part.parse().ok()?, all.parse().ok()?)));
    match parts {
        Some((part, all)) if part >= 1 && part <= all => Ok((part, all)),
        _ => Err("write I/N with 1 <= I <= N, such as 1/4".into()),
    }
}

#[derive(Debug, Args)]
pub struct NounsArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Leave out nouns that are seen fewer times (default: 5).
    #[arg(long)]
    pub min_count: Option<usize>,
    /// Count the captions of every split, not of train alone.
    #[arg(long)]
    pub all_splits: bool,
    /// Folder of NLTK's tagger tables (default: the built-in tables).
    #[arg(long)]
    pub tagger: Option<PathBuf>,
    /// Print the nouns of every caption, a line each.
    #[arg(long)]
    pub captions: bool,
}

/// A file of paraphrases holds one pair a line: a caption, a tab, another wording of it. Any translation model can make
/// one: list the captions with --list, translate them there and back, join the two with `paste`.
#[derive(Debug, Args)]
pub struct AugmentTextArgs {
    /// Dataset folder, caption file, or experiment file.
    pub dataset: PathBuf,
    /// Files of paraphrases.
    #[arg(required_unless_present = "list")]
    pub files: Vec<PathBuf>,
    /// Print the distinct training captions, one a line, and stop.
    #[arg(long, conflicts_with_all = ["files", "output"])]
    pub list: bool,
    /// Write the right lines of all files here, captions in alphabetical order, each pair once.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ScenesArgs {
    /// Folder to write (dataset.json, imgs/, masks/).
    pub output: PathBuf,
    /// Images in all.
    #[arg(long, default_value_t = 240)]
    pub count: usize,
    /// Side of the square images, pixels.
    #[arg(long, default_value_t = 256)]
    pub size: u32,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct DataArgs {
    /// Dataset folder, caption file, or experiment file.
    pub dataset: PathBuf,
    /// Image folder, where it is not imgs/ or images/ beside the caption file.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// Which field of a sentence is the caption (default: tokens, where the file has them).
    #[arg(long, value_enum)]
    pub text: Option<CaptionField>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = LogFormat::Text)]
    pub format: LogFormat,
}

#[derive(Debug, Args)]
pub struct AttributesArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Words seen more often than this (default: the experiment's, else 100).
    #[arg(long)]
    pub above: Option<usize>,
    /// Folder with the JSON tables of NLTK's averaged_perceptron_tagger_eng (default: built-in tables).
    #[arg(long)]
    pub tagger: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptionField {
    Tokens,
    Raw,
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
    /// Continue the run in the output folder from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Replace a run in the output folder.
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Run folder (default: runs/<name>).
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Check everything, print what would be trained, and stop.
    #[arg(long)]
    pub dry_run: bool,
}

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
    /// An encoder, NAME:VERSION for another than its first version, sam_vit_b (.._l, .._h) or glove.6B (default: list what there is).
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
