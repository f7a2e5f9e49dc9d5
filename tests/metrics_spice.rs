//! SPICE: equality with the reference from its own parses, and how close the native parses come.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use common::shared;
use rsic::eval::meteor::Resources;
use rsic::eval::spice::agreement::{Analysis, Correlation, is_held_out};
use rsic::eval::spice::cleanup::clean_up;
use rsic::eval::spice::learn::{Recipe, train};
use rsic::eval::spice::model::Analyser;
use rsic::eval::spice::parses::{self, Parsed};
use rsic::eval::spice::score::{Lists, SpiceStats};
use rsic::eval::spice::terms::Terms;
use rsic::eval::spice::tuples::{Tuple, tuples};
use rsic::eval::spice::{self, convert};
use rsic::eval::{MetricSet, References};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// METEOR's resources, which hold the synonyms; prints a note where there are none.
fn resources() -> Option<Arc<Resources>> {
    let resources = Resources::open_default().unwrap().map(Arc::new);
    if resources.is_none() {
        println!("skipped: 'make metrics-data' obtains the synonyms");
    }
    resources
}

fn tuples_of(parsed: &Parsed) -> Vec<Tuple> {
    let mut all = Vec::new();
    for sentence in &parsed.sentences {
        let mut graph = sentence.clone();
        clean_up(&mut graph);
        all.extend(tuples(&graph));
    }
    all
}

#[test]
fn the_references_parses_give_its_tuples_in_its_order() {
    for parsed in parses::read(&golden("spice_parses_rs.json")).unwrap() {
        assert_eq!(tuples_of(&parsed), parsed.tuples, "{}", parsed.caption);
    }
}

#[test]
fn almost_all_of_the_shared_parses_give_the_references_tuples() {
    for (name, least) in [("golden/coco_spice_parses.json.gz", 5781), ("golden/spice_train_parses.json.gz", 9514)] {
        let Some(path) = shared(name) else { continue };
        let equal = parses::read(&path).unwrap().iter().filter(|parsed| tuples_of(parsed) == parsed.tuples).count();
        assert!(equal >= least, "{name}: {equal}");
    }
}

#[test]
fn a_tree_gives_the_references_graph_back() {
    let parses = parses::read(&golden("spice_parses_rs.json")).unwrap();
    let sentences: Vec<_> = parses.iter().flat_map(|parsed| &parsed.sentences).collect();
    let same = |graph: &&&spice::graph::Graph| {
        let again = convert::graph(graph.words.clone(), &convert::tree(graph));
        let edges = |graph: &spice::graph::Graph| {
            let mut edges: Vec<_> = graph
                .edges
                .iter()
                .map(|edge| (edge.governor, edge.dependent, edge.label, edge.detail.clone()))
                .collect();
            edges.sort();
            edges.dedup();
            edges
        };
        edges(&again) == edges(graph)
    };
    assert_eq!(sentences.iter().filter(same).count(), sentences.len() - 1);
}

/// How many groups have the reference's score, and its counts of every kind, from the reference's parses.
fn equal_scores(scores: &Path, captions: &Path, resources: Arc<Resources>) -> (usize, usize, usize) {
    let terms = Terms::new(Some(resources));
    let lists = Lists::new(&terms);
    let tuples: HashMap<String, Vec<Tuple>> =
        parses::read(captions).unwrap().iter().map(|parsed| (parsed.caption.clone(), tuples_of(parsed))).collect();
    let (mut equal, mut counted, mut groups) = (0, 0, 0);
    for group in parses::read_scores(scores).unwrap() {
        let references = group.references.iter().map(|caption| tuples[caption].as_slice());
        let counts = spice::counts(&tuples[&group.hypothesis], references, &terms, &lists);
        groups += 1;
        equal += usize::from((SpiceStats::new(&counts).mean(0) - group.spice).abs() < 1e-12);
        let kinds = ["All", "Object", "Attribute", "Relation", "Color", "Cardinality", "Size"];
        let theirs = kinds.map(|kind| group.counts.get(kind).copied().unwrap_or_default());
        let ours = counts.0.map(|count| {
            let (found, caption, references) =
                (i64::from(count.found), i64::from(count.caption), i64::from(count.references));
            [found, caption - found, references - found]
        });
        counted += usize::from(ours == theirs);
    }
    (equal, counted, groups)
}

#[test]
fn scores_from_the_references_parses_are_the_references() {
    let Some(resources) = resources() else { return };
    let found = equal_scores(&golden("spice_rs.json"), &golden("spice_parses_rs.json"), resources);
    assert_eq!(found, (72, 72, 72));
}

#[test]
fn coco_scores_from_the_references_parses_are_the_references_but_for_one() {
    // The one differs between runs of the reference, too: it depends on the order of Java's identity hashes.
    let (Some(scores), Some(captions)) =
        (shared("golden/coco_fakecap.json.gz"), shared("golden/coco_spice_parses.json.gz"))
    else {
        return;
    };
    let Some(resources) = resources() else { return };
    let (equal, counted, groups) = equal_scores(&scores, &captions, resources);
    assert!(equal >= 999 && counted >= 999 && groups == 1000, "{equal} {counted} of {groups}");
}

#[test]
fn training_twice_gives_the_same_model_and_its_file_gives_it_back() {
    let parsed = parses::read(&golden("spice_trees_rs.json")).unwrap();
    let recipe = Recipe { epochs: 8, ..Recipe::default() };
    let learn = || train(&parsed, &recipe, |_, _| {}).unwrap().to_bytes();
    let bytes = learn();
    assert_eq!(bytes, learn());
    let model = Analyser::from_bytes(&bytes).unwrap();
    assert_eq!(model.to_bytes(), bytes);
    assert!(Analyser::from_bytes(&bytes[..bytes.len() / 2]).is_none() && Analyser::from_bytes(b"RSICSPC4").is_none());
    // What it learnt from it knows by heart.
    let known = Analysis::new(&model, &parsed);
    assert!(known.tuples.f1() > 0.98, "{known:?}");
}

#[test]
fn parses_without_trees_are_one_sentence() {
    let parsed = parses::read(&golden("spice_parses_rs.json")).unwrap();
    let error = train(&parsed, &Recipe::default(), |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("no parse has a tree"), "{error}");
}

#[test]
fn scores_do_not_depend_on_the_number_of_threads() {
    let groups = parses::read_scores(&golden("spice_rs.json")).unwrap();
    let references: Vec<Vec<String>> = groups.iter().map(|group| group.references.clone()).collect();
    let hypotheses: Vec<String> = groups.iter().map(|group| group.hypothesis.clone()).collect();
    let metrics = MetricSet { spice_details: true, ..MetricSet::SPICE };
    let score = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| References::from_tokenized(&references).score_tokenized(&hypotheses, metrics).unwrap())
    };
    let bits = |evaluation: rsic::eval::Evaluation| -> Vec<u64> {
        let all = evaluation.images.iter().chain([&evaluation.corpus]);
        all.flat_map(|scores| scores.0.iter().map(|(_, value)| value.to_bits())).collect()
    };
    assert_eq!(bits(score(1)), bits(score(3)));
}

#[test]
fn captions_have_the_same_tuples_alone_and_together() {
    let analyser = Analyser::built_in().unwrap();
    let parsed = parses::read(&golden("spice_parses_rs.json")).unwrap();
    let mut captions: Vec<&str> = parsed.iter().map(|parsed| parsed.caption.as_str()).collect();
    captions.extend(["", "house", "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a"]);
    let alone: Vec<Vec<Tuple>> = captions.iter().map(|caption| analyser.tuples(caption)).collect();
    assert_eq!(analyser.all_tuples(&captions), alone);
    assert!(analyser.all_tuples(&[]).is_empty());
}

#[test]
fn the_native_parses_are_as_close_as_the_documentation_says() {
    let analyser = Analyser::built_in().unwrap();
    let own = Analysis::new(analyser, &parses::read(&golden("spice_parses_rs.json")).unwrap());
    assert!(own.tuples.f1() >= OWN_F1, "{own:?}");
    let Some(path) = shared("golden/spice_train_parses.json.gz") else { return };
    let mut parsed = parses::read(&path).unwrap();
    parsed.retain(|parsed| is_held_out(&parsed.caption));
    let held_out = Analysis::new(analyser, &parsed);
    assert!(held_out.tuples.f1() >= HELD_OUT_F1, "{held_out:?}");
}

#[test]
fn the_native_scores_are_as_close_as_the_documentation_says() {
    let Some(resources) = resources() else { return };
    let groups = parses::read_scores(&golden("spice_rs.json")).unwrap();
    let analyser = Analyser::built_in().unwrap();
    let correlation = Correlation::of_groups(analyser, &groups, &Terms::new(Some(resources)));
    let difference = (correlation.native - correlation.reference).abs();
    assert!(correlation.pearson >= PEARSON && difference <= DIFFERENCE, "{correlation:?}");
}

/// What docs/spice.md measures, rounded to the worse side.
const OWN_F1: f64 = 0.948;
const HELD_OUT_F1: f64 = 0.979;
const PEARSON: f64 = 0.977;
const DIFFERENCE: f64 = 0.0036;
