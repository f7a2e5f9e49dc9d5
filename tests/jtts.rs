//! JTTS through the real binary on a small set of built-in scenes: attributes, every variant, loading, captions with
//! attributes; and its shipped experiments.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

mod common;

use common::{by_heart, eight, rsic, shared, succeeds};
use rsic::data::DataConfig;
use rsic::data::Dataset;
use rsic::data::attributes::{Attributes, Rules};
use rsic::data::batch::{Batch, PackedCaptions};
use rsic::decode::{BeamOptions, beam_search};
use rsic::experiments::catalog::of_paper;
use rsic::experiments::encoders::Sources;
use rsic::experiments::plan::{Options, Plan};
use rsic::models::Captioner;
use rsic::models::jtts::{AttributeLoss, Config, Jtts};
use rsic::models::{Inputs, jtts};
use rsic::train::{Examples, OptimizerKind};
use rsic::train::{Optimizer, OptimizerConfig};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tch::{Device, Kind, Tensor, nn};

fn workplace() -> &'static Path {
    static PLACE: OnceLock<std::path::PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("jtts");
        let experiment = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {jtts: {words: {above: 10}, hidden: 48, embedding: 24, attribute_embedding: 16, attention: 32, \
                          classifier: [48, 32], dropout: 0.2}}
train: {examples: images, batch_size: 8, epochs: 2, optimizer: {kind: radam, lr: 2e-3}, early_stop: {metric: CIDEr}}
decode: {method: beam, beam: 3}
";
        fs::write(place.join("small.yaml"), experiment).unwrap();
        run(&place, &["features", "small.yaml"]);
        place
    })
}

/// Standard output of a command that must succeed.
fn run(place: &Path, arguments: &[&str]) -> String {
    succeeds(&rsic(place, arguments))
}

fn predictions_of(place: &Path, name: &str) -> usize {
    fs::read_to_string(place.join(name).join("predictions/test-beam-3.jsonl")).unwrap().lines().count()
}

const FIRST_STAGE: &str = "first_stage={examples: images, batch_size: 8, epochs: 3, \
                           optimizer: {kind: radam, lr: 2e-3}, early_stop: {metric: attribute_f1}}";

#[test]
fn every_variant_of_table_v_trains_and_captions() {
    let place = workplace();
    let variants: [(&str, &[&str]); 5] = [
        ("b", &["model.jtts.attributes=none"]),
        ("sg_s", &["model.jtts.attributes=separate", "train.parts=[{prefix: classifier, freeze: true}]", FIRST_STAGE]),
        ("ls", &["model.jtts.sampler=logistic", "model.jtts.contrast=false", "train.clip_value=1.0"]),
        ("mso", &["model.jtts.contrast=false"]),
        ("full", &[]),
    ];
    for (name, settings) in variants {
        let mut arguments = vec!["train", "small.yaml", "--output", name];
        arguments.extend(settings);
        run(place, &arguments);
        let attributes = place.join(name).join("checkpoints/best/attributes.json");
        assert_eq!(attributes.exists(), name != "b", "{name}");
        let predictions = fs::read_to_string(place.join(name).join("predictions/test-beam-3.jsonl")).unwrap();
        assert!(predictions.lines().count() > 2, "{name}");
    }
    // What each epoch tells of the loss's terms and of the attributes.
    let epochs = |name: &str| -> Vec<serde_json::Value> {
        let lines = fs::read_to_string(place.join(name).join("metrics.jsonl")).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for epoch in epochs("full") {
        let terms = epoch["terms"].as_object().unwrap();
        assert_eq!(terms.keys().collect::<Vec<_>>(), ["cross_entropy", "attributes", "contrast"]);
        let sum: f64 = terms.values().map(|term| term.as_f64().unwrap()).sum();
        assert!((sum - epoch["train_loss"].as_f64().unwrap()).abs() < 1e-4, "{epoch}");
        let found = jtts::ATTRIBUTE_NUMBERS.map(|name| epoch["validation"][name].as_f64().unwrap());
        assert!(found[3] >= 1.0 && (0.0..=1.0).contains(&found[4]), "{epoch}");
    }
    let plain = &epochs("b")[0];
    assert!(plain.get("terms").is_none() && plain["validation"].get("attribute_f1").is_none(), "{plain}");
    let events = fs::read(place.join("full/tensorboard/events.out.tfevents.0.rsic")).unwrap();
    for tag in ["train/loss_contrast", "validation/attributes_per_image"] {
        assert!(events.windows(tag.len()).any(|bytes| bytes == tag.as_bytes()), "{tag}");
    }
    let page = place.join("full.html");
    run(place, &["report", "full", "--output", page.to_str().unwrap()]);
    let page = fs::read_to_string(page).unwrap();
    for title in ["training loss: contrast", "validation images_above_20_attributes"] {
        assert!(page.contains(title), "{title}");
    }
    let scores = fs::read_to_string(place.join("sg_s/first_stage/scores.json")).unwrap();
    let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
    assert!(scores["after"]["val"]["attribute_f1"].as_f64().unwrap() > 0.0, "{scores}");
    // The classifier is in the captioning stage what the first stage made of it.
    let classifier = |folder: &str| {
        let tensors = tch::Tensor::read_safetensors(place.join(folder).join("model.safetensors")).unwrap();
        tensors.into_iter().find(|(name, _)| name == "classifier.fc1.weight").unwrap().1
    };
    assert_eq!(classifier("sg_s/first_stage/checkpoints/best"), classifier("sg_s/checkpoints/best"));
    // The attributes of the references in place of the sampled ones: a diagnostic beside the run's own result.
    let result = fs::read(place.join("full/result.json")).unwrap();
    let printed = run(place, &["eval", "full", "--oracle-attributes"]);
    assert!(printed.contains("beam 3, true attributes"), "{printed}");
    let told = fs::read_to_string(place.join("full/predictions/test-beam-3-true-attributes.jsonl")).unwrap();
    assert_eq!(told.lines().count(), predictions_of(place, "full"));
    assert_eq!(fs::read(place.join("full/result.json")).unwrap(), result);
    let refused = rsic(place, &["eval", "b", "--oracle-attributes"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no attributes"));
    let missing = rsic(place, &["train", "small.yaml", "model.jtts.attributes=separate", "--output", "never"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("first_stage"));
}

/// It says what it learnt, the model in memory and the saved one, greedily and by a beam of one, and from pixels, with
/// attributes and attention.
#[test]
fn it_learns_eight_images_by_heart_and_says_the_same_after_loading_by_every_way() {
    let place = workplace();
    eight(place, 6);
    let settings = [
        "name=eight",
        "data.root=eight",
        "data.images=../scenes/imgs",
        "data.vocabulary.min_count=1",
        "model.jtts.dropout=0",
        "model.jtts.words.above=1",
        "train.epochs=400",
        "train.batch_size=8",
        "train.optimizer.lr=0.01",
        "train.schedule=constant",
        "train.early_stop.metric=ROUGE_L",
        "train.early_stop.patience=400",
        "decode.method=greedy",
        "--output",
        "eight_run",
    ];
    run(place, &[&["train", "small.yaml"], &settings[..]].concat());
    let predictions = fs::read_to_string(place.join("eight_run/predictions/test-greedy.jsonl")).unwrap();
    let lines = by_heart(&predictions);
    run(place, &["eval", "eight_run", "--output", "again"]);
    assert_eq!(fs::read_to_string(place.join("again/predictions/test-greedy.jsonl")).unwrap(), predictions);
    run(place, &["eval", "eight_run", "decode.method=beam", "decode.beam=1", "--output", "one"]);
    let one = fs::read_to_string(place.join("one/predictions/test-beam-1.jsonl")).unwrap();
    for (line, one) in lines.iter().zip(one.lines()) {
        let one: serde_json::Value = serde_json::from_str(one).unwrap();
        assert_eq!(line["caption"], one["caption"]);
    }
    let mut arguments = vec!["caption".to_owned(), "--model".into(), "eight_run".into(), "--attributes".into()];
    arguments.extend(lines.iter().map(|line| format!("scenes/imgs/{}", line["file"].as_str().unwrap())));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for (printed, line) in run(place, &arguments).lines().zip(&lines) {
        let fields: Vec<&str> = printed.split('\t').collect();
        assert_eq!(fields.len(), 3, "{printed}");
        assert_eq!(fields[1], line["caption"].as_str().unwrap());
        assert!(fields[2].contains('*'), "one attribute at least is sampled: {printed}");
    }
    let jsonl = run(place, &[&arguments[..], &["-f", "jsonl"]].concat());
    for line in jsonl.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let words = line["caption"].as_str().unwrap().split(' ').count();
        let attention = line["attention"].as_array().unwrap();
        assert_eq!(attention.len(), words + 1);
        assert_eq!(attention[0]["weights"].as_array().unwrap().len(), 2, "a map of 64 pixels is 2x2");
        let likeliest = line["attributes"][0][1].as_f64().unwrap();
        assert_eq!(line["sampled"][0], line["attributes"][0][0], "the likeliest is sampled");
        assert!(likeliest > 0.0 && likeliest <= 1.0, "{likeliest}");
    }
}

#[test]
fn attributes_of_a_dataset_are_printed_and_a_word_vector_file_of_another_width_is_refused() {
    let place = workplace();
    let printed = run(place, &["data", "attributes", "small.yaml"]);
    assert!(printed.contains("more than 10 times") && printed.contains("built-in tables"), "{printed}");
    let json = run(place, &["data", "attributes", "scenes", "--above", "30", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let counts: Vec<u64> = serde_json::from_value(json["counts"].clone()).unwrap();
    assert!(!counts.is_empty() && counts.iter().all(|&count| count > 30), "{counts:?}");
    fs::write(place.join("glove.txt"), "the 1 2 3\n").unwrap();
    let refused = rsic(place, &["train", "small.yaml", "model.jtts.glove=glove.txt", "--output", "never"]);
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("line 1 has vectors of 3 values, but the model expects 16"), "{error}");
}

#[test]
fn attributes_start_from_the_word_vectors_of_a_file() {
    let place = workplace();
    let settings =
        ["train", "small.yaml", "model.jtts.glove=vectors.txt", "train.epochs=1", "train.optimizer.lr=1e-12"];
    let words: serde_json::Value =
        serde_json::from_str(&run(place, &["data", "attributes", "small.yaml", "--format", "json"])).unwrap();
    let words: Vec<&str> = words["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    // All but the first word, the last word first, among words that are no attributes.
    let vector = |row: usize| (0..16).map(|column| (row * 16 + column) as f32 / 1024.0).collect::<Vec<f32>>();
    let line = |row: usize, word: &str| {
        let numbers: Vec<String> = vector(row).iter().map(f32::to_string).collect();
        format!("{word} {}\n", numbers.join(" "))
    };
    let lines = words.iter().enumerate().skip(1).rev().map(|(row, word)| line(row, word) + &line(row + 1, "zebu"));
    fs::write(place.join("vectors.txt"), lines.collect::<String>()).unwrap();
    let told = rsic(place, &[&settings[..], &["--output", "worded"]].concat());
    let (count, all) = (words.len() - 1, words.len());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains(&format!("{count} of {all} attribute embeddings initialised from 'vectors.txt'")), "{told}");
    let tensors = tch::Tensor::read_safetensors(place.join("worded/checkpoints/last/model.safetensors")).unwrap();
    let (_, embedding) = tensors.iter().find(|(name, _)| name == jtts::ATTRIBUTE_EMBEDDING).unwrap();
    assert_eq!(embedding.size(), [all as i64, 16]);
    for (row, word) in words.iter().enumerate() {
        let found = Vec::<f32>::try_from(embedding.get(row as i64)).unwrap();
        let off = found.iter().zip(vector(row)).map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f32::max);
        assert_eq!(off < 1e-6, row > 0, "row {row} ({word}): {off}");
    }
}

/// Parameters of the variants in millions, with 265 ids and 72 attributes; the frozen classifier of sg/s apart, as
/// Table VIII counts.
#[test]
fn parameters_are_those_of_table_viii() {
    let count = |attributes: jtts::Source| {
        let store = tch::nn::VarStore::new(tch::Device::Cpu);
        let inputs = Inputs { features: vec![2048], vocabulary: 265, attributes: 72 };
        let _model = Jtts::new(&store.root(), &Config { attributes, ..Config::default() }, &inputs);
        let all = store.variables();
        let frozen = |name: &str| attributes == jtts::Source::Separate && name.starts_with("classifier.");
        all.iter().filter(|(name, _)| !frozen(name)).map(|(_, tensor)| tensor.numel()).sum::<usize>() as f64 / 1e6
    };
    for (source, published) in [(jtts::Source::None, 30.7), (jtts::Source::Separate, 42.0), (jtts::Source::Joint, 43.3)]
    {
        let ours = count(source);
        eprintln!("{source:?}: {ours:.2} M, published {published} M");
        assert!((ours - published).abs() <= 0.2, "{source:?}: {ours}");
    }
}

#[test]
fn the_experiments_have_the_settings_of_the_paper() {
    for (dataset, above) in [("ucm", 100), ("sydney", 50), ("rsicd", 200)] {
        let file = format!("experiments/jtts/{dataset}.yaml");
        let experiment = rsic::experiment::load(Path::new(&file), &[]).unwrap().experiment;
        let model = experiment.model.get::<Config>().unwrap_or_else(|| panic!("{file} is of another model"));
        assert_eq!(*model, Config { words: Rules { above, ..Rules::default() }, ..Config::default() });
        let train = &experiment.train;
        assert_eq!((train.examples, train.batch_size, train.epochs), (Examples::Images, 10, 30));
        assert_eq!((train.optimizer.kind, train.optimizer.lr, train.clip_value), (OptimizerKind::Radam, 5e-4, None));
        assert_eq!((experiment.decode.beam, experiment.decode.max_length), (3, Some(20)));
    }
}

#[test]
fn the_summed_attribute_loss_is_an_experiment_of_its_own_name() {
    let load = |name: &str| rsic::experiment::load(Path::new(&format!("experiments/jtts/{name}.yaml")), &[]).unwrap();
    let (published, sum) = (load("ucm").experiment, load("ucm_sum").experiment);
    let model = sum.model.get::<Config>().unwrap();
    assert_eq!(model.attribute_loss, AttributeLoss::Sum);
    assert_eq!(Config { attribute_loss: AttributeLoss::Mean, ..model.clone() }, *published.model.get().unwrap());
    assert_ne!(published.identity().unwrap(), sum.identity().unwrap());
    assert_ne!(published.model.variant(false), sum.model.variant(false));
    assert_ne!(published.name, sum.name);
}

#[test]
fn a_term_of_the_loss_counts_by_its_weight_from_its_epoch_on_and_one_must_from_the_first() {
    let load = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        rsic::experiment::load(Path::new("experiments/jtts/ucm.yaml"), &settings)
    };
    let found = load(&["model.jtts.terms={attributes: {weight: 0.5}, contrast: {from: 3}}"]).unwrap();
    let weights = |epoch| ["cross_entropy", "attributes", "contrast"].map(|t| found.experiment.model.weight(t, epoch));
    assert_eq!((weights(2), weights(3)), ([1.0, 0.5, 0.0], [1.0, 0.5, 1.0]));
    for (settings, says) in [
        (&["model.jtts.terms.contrast.from=0"][..], "model.jtts.terms.contrast.from"),
        (&["model.jtts.attributes=none", "model.jtts.terms.cross_entropy.from=2"], "no term of the loss counts"),
    ] {
        let error = format!("{:#}", load(settings).err().unwrap());
        assert!(error.contains(says), "{error}");
    }
}

/// Equal settings are one run: own rows of II to IV, ResNet-101 of I, ours of V, 0.2 of VI, 0.5 of VII, ImageNet of IX
/// are the same; 20 runs a dataset.
#[test]
fn the_tables_plan_twenty_runs_a_dataset_and_share_what_is_equal() {
    let tables = of_paper(Path::new("experiments"), "jtts").unwrap();
    let names: Vec<&str> = tables.iter().map(|found| found.table.table.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "V").count(), 3);
    let options =
        Options { sources: Sources::new(&[], &[]).unwrap(), seeds: vec![1], overrides: vec![], output: "runs".into() };
    let load = |path: &Path, overrides: &[String]| Ok(rsic::experiment::load(path, overrides)?.experiment);
    let plan = Plan::new(tables, &options, &load).unwrap();
    for dataset in ["ucm", "sydney", "rsicd"] {
        let runs = plan.runs.iter().filter(|run| run.experiment.data.root.ends_with(dataset)).count();
        assert_eq!(runs, 20, "{dataset}");
    }
    let own = |row: &rsic::experiments::table::Row| row.run.is_some();
    let shared: Vec<_> = plan
        .tables
        .iter()
        .filter(|planned| planned.table.dataset == "ucm")
        .flat_map(|planned| planned.table.rows.iter().zip(&planned.rows))
        .filter(|(row, _)| own(row) && row.published.get("CIDEr") == Some(&Some(3.7102)))
        .map(|(_, planned)| planned.run)
        .collect();
    assert_eq!(shared.len(), 6, "one row each of I, II, V, VI, VII and IX");
    assert!(shared.iter().all(|run| *run == shared[0]), "{shared:?}");
}

/// Bounds: all words of any part of speech above the threshold in the training captions. Both taggers must mostly
/// agree.
#[test]
fn real_datasets_have_attributes_within_the_known_bounds() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    for (name, file, above, most) in [
        ("ucm", "dataset.json", 100, 122),
        ("sydney", "dataset.json", 50, 81),
        ("rsicd", "dataset_rsicd.json", 200, 177),
    ] {
        let root = shared.join("datasets").join(name);
        if !root.join(file).is_file() {
            eprintln!("skipped: there is no '{}'", root.join(file).display());
            continue;
        }
        let config = DataConfig { captions: file.into(), ..DataConfig::of_folder(root) };
        let dataset = Dataset::load_captions(&config).unwrap();
        let build = |tagger| Attributes::build(&dataset, &Rules { above, tagger, ..Rules::default() }).unwrap();
        let own = build(None);
        let theirs = build(Some(shared.join("nltk")));
        let both = own.words().iter().filter(|word| theirs.words().contains(word)).count();
        eprintln!("{name}: {} attributes built-in, {} by NLTK's tables, {both} in both", own.len(), theirs.len());
        assert!(theirs.len() < most && own.len() < most && theirs.len() > most / 4);
        assert!(both as f64 > 0.9 * theirs.len() as f64);
        assert!(theirs.words().iter().any(|word| word == "many"), "an attribute of the paper's Fig. 7");
    }
}

#[test]
fn published_numbers_equal_the_papers() {
    let Some(tables) = shared("specs/tables") else { return };
    let (mut rows, mut numbers) = (0, 0);
    for found in of_paper(Path::new("experiments"), "jtts").unwrap() {
        let table = found.table;
        let text = fs::read_to_string(tables.join(format!("jtts_{}.yaml", table.table))).unwrap();
        let theirs: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let of_dataset = |row: &&serde_yaml::Value| {
            row["dataset"].as_str().is_none_or(|dataset| dataset.eq_ignore_ascii_case(&table.dataset))
        };
        let theirs: Vec<_> = theirs["rows"].as_sequence().unwrap().iter().filter(of_dataset).collect();
        assert_eq!(theirs.len(), table.rows.len(), "{}", table.label());
        for (theirs, ours) in theirs.into_iter().zip(&table.rows) {
            let method = theirs["method"].as_str().unwrap();
            assert!(ours.method.ends_with(method), "{}: {} {method}", table.label(), ours.method);
            assert_eq!(ours.run.is_some(), theirs["own"].as_bool().unwrap(), "{}: {method}", table.label());
            for column in &table.columns {
                assert_eq!(ours.published[column], theirs[column.as_str()].as_f64(), "{}: {method}", table.label());
                numbers += 1;
            }
            rows += 1;
        }
    }
    eprintln!("{rows} rows, {numbers} numbers");
    assert_eq!(rows, 15 + 18 + 18 + 18 + 18 + 18 + 15 + 3 + 6);
}

/// Eight images with a caption each: after training, greedy search and a beam of one say them word by word.
#[test]
fn it_learns_eight_images_by_heart() {
    let config = Config {
        hidden: 64,
        embedding: 48,
        attribute_embedding: 16,
        attention: 32,
        classifier: [8, 6],
        dropout: 0.0,
        ..Config::default()
    };
    tch::manual_seed(5);
    let store = nn::VarStore::new(Device::Cpu);
    let inputs = Inputs { features: vec![64], vocabulary: 20, attributes: 5 };
    let model = Jtts::new(&store.root(), &config, &inputs);
    let captions: Vec<Vec<i64>> = (0..8)
        .map(|i| [1].into_iter().chain((0..5).map(|k| 4 + (i * (k + 2) + 3 * k) % 16)).chain([2]).collect())
        .collect();
    let packed = PackedCaptions::new(&captions.iter().map(Vec::as_slice).collect::<Vec<_>>(), Device::Cpu);
    let rows: Vec<i64> = packed.order.iter().map(|&i| i as i64).collect();
    let features = vec![Tensor::randn([8, 64, 2, 2], (Kind::Float, Device::Cpu)).relu() * 2.0];
    let attributes = Tensor::from_slice2(&std::array::from_fn::<[f32; 5], 8, _>(|i| {
        std::array::from_fn(|k| f32::from(u8::from(i % 5 == k || i / 5 == k)))
    }));
    let batch = Batch {
        captions: packed,
        image_rows: Tensor::from_slice(&rows),
        features,
        attributes: Some(attributes),
        augmented: None,
        nouns: None,
    };
    let settings = OptimizerConfig { kind: OptimizerKind::Radam, lr: 5e-3, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(store.variables().into_iter().collect(), &settings, &[]).unwrap();
    let mut loss = f64::INFINITY;
    for _ in 0..600 {
        let losses = Captioner::losses(&model, &batch, true);
        loss = losses.total().double_value(&[]);
        if loss < 0.03 {
            break;
        }
        optimizer.zero_grad();
        losses.backward(1.0);
        optimizer.step();
    }
    for width in [1, 3] {
        let options = BeamOptions { width, max_length: 8, ..BeamOptions::default() };
        for (found, caption) in beam_search(&model, &batch.features, &options).iter().zip(&captions) {
            assert_eq!(found[0].tokens, caption[1..caption.len() - 1], "beam {width}, loss {loss}");
        }
    }
}
