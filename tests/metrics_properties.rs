//! What must hold of the metrics for any captions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rsic::eval::{MetricSet, References, tokenize};
use rsic::util::rng::Rng;

const WORDS: [&str; 16] = [
    "a",
    "the",
    "plane",
    "planes",
    "parked",
    "parking",
    "near",
    "road",
    "green",
    "trees",
    "building's",
    "3.5",
    "well-made",
    "u.s.",
    "北京",
    "café",
];

fn caption(rng: &mut Rng) -> String {
    let words: Vec<&str> = (0..rng.range(1, 14)).filter_map(|_| rng.pick(&WORDS).copied()).collect();
    words.join(" ")
}

fn groups(rng: &mut Rng, images: usize) -> Vec<Vec<String>> {
    (0..images).map(|_| (0..rng.range(1, 5)).map(|_| caption(rng)).collect()).collect()
}

#[test]
fn permuting_the_images_permutes_their_scores() {
    let mut rng = Rng::new(&[1]);
    let groups = groups(&mut rng, 30);
    let hypotheses: Vec<String> = (0..30).map(|_| caption(&mut rng)).collect();
    let mut order: Vec<usize> = (0..30).collect();
    rng.shuffle(&mut order);
    let straight = References::new(&groups).score(&hypotheses, MetricSet::ALL).unwrap();
    let mixed_groups: Vec<Vec<String>> = order.iter().map(|&image| groups[image].clone()).collect();
    let mixed_hypotheses: Vec<String> = order.iter().map(|&image| hypotheses[image].clone()).collect();
    let mixed = References::new(&mixed_groups).score(&mixed_hypotheses, MetricSet::ALL).unwrap();
    for (place, &image) in order.iter().enumerate() {
        for ((name, ours), (_, theirs)) in mixed.images[place].0.iter().zip(&straight.images[image].0) {
            assert!((ours - theirs).abs() < 1e-12, "{name}: {ours} {theirs}");
        }
    }
    for ((name, ours), (_, theirs)) in mixed.corpus.0.iter().zip(&straight.corpus.0) {
        assert!((ours - theirs).abs() < 1e-12, "{name}: {ours} {theirs}");
    }
}

#[test]
fn a_caption_equal_to_its_only_reference_scores_the_maximum() {
    let captions: Vec<String> = (0..20).map(|i| format!("plane {i} is parked near the green road {i}")).collect();
    let groups: Vec<Vec<String>> = captions.iter().map(|caption| vec![caption.clone()]).collect();
    let evaluation = References::new(&groups).with_resources(None).score(&captions, MetricSet::ALL).unwrap();
    for scores in evaluation.images.iter().chain([&evaluation.corpus]) {
        for (name, value) in scores.0.iter().filter(|(name, _)| !name.starts_with("Sm")) {
            let maximum = if name == "CIDEr" { 10.0 } else { 1.0 };
            assert!((value - maximum).abs() < 1e-7, "{name}: {value}");
        }
    }
}

#[test]
fn a_caption_equal_to_one_of_its_references_is_perfect_but_for_cider() {
    let mut rng = Rng::new(&[2]);
    let groups = groups(&mut rng, 50);
    let hypotheses: Vec<String> = groups.iter().map(|group| group[0].clone()).collect();
    let evaluation = References::new(&groups).score(&hypotheses, MetricSet::ALL).unwrap();
    for scores in &evaluation.images {
        assert!((scores.get("BLEU-1").unwrap() - 1.0).abs() < 1e-6);
        assert!((scores.get("ROUGE_L").unwrap() - 1.0).abs() < 1e-12);
        let meteor = scores.0.iter().find(|(name, _)| name.starts_with("METEOR")).unwrap();
        assert!((meteor.1 - 1.0).abs() < 1e-12);
    }
}

#[test]
fn empty_huge_and_non_ascii_captions_give_finite_scores() {
    let huge = "a plane near the road ".repeat(400);
    let odd = [
        "",
        " ",
        "\u{0}\u{FFFD}\u{200B}",
        "....",
        "!!!",
        "图像中有许多飞机",
        "ﬁne ½ 🛩️ ﷽",
        "'",
        "''''",
        "-",
        "|||",
        &huge,
    ];
    let groups: Vec<Vec<String>> = odd.iter().map(|text| vec![(*text).to_owned(), "a road".to_owned()]).collect();
    let mut hypotheses: Vec<String> = odd.iter().map(|text| (*text).to_owned()).collect();
    for _ in 0..odd.len() {
        hypotheses.rotate_left(1);
        let evaluation = References::new(&groups).score(&hypotheses, MetricSet::ALL).unwrap();
        for scores in evaluation.images.iter().chain([&evaluation.corpus]) {
            assert!(scores.0.iter().all(|(_, value)| value.is_finite() && *value >= 0.0), "{scores:?}");
        }
    }
}

#[test]
fn no_references_and_no_images_give_zeros() {
    let none = References::new::<Vec<String>>(&[]).score(&[], MetricSet::ALL).unwrap();
    assert!(none.images.is_empty() && none.corpus.0.iter().all(|(_, value)| value.is_finite()));
    let empty_group = References::new(&[vec![]]).score(&["a road".into()], MetricSet::ALL).unwrap();
    assert_eq!(empty_group.corpus.get("ROUGE_L"), Some(0.0));
    let error = References::new(&[vec!["a".into()]]).score(&[], MetricSet::ALL).unwrap_err();
    assert_eq!(error.to_string(), "0 captions cannot be scored against the references of 1 images");
}

#[test]
fn scores_are_bit_equal_whatever_the_number_of_threads() {
    let mut rng = Rng::new(&[3]);
    let groups = groups(&mut rng, 200);
    let hypotheses: Vec<String> = (0..200).map(|_| caption(&mut rng)).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| References::new(&groups).score(&hypotheses, MetricSet::ALL).unwrap())
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(with(threads), one);
    }
}

#[test]
fn tokens_are_lower_case_and_parted_by_single_spaces() {
    let mut rng = Rng::new(&[4]);
    let characters: Vec<char> = "aB1 .,-'’“\"!?/&#$%@()[]{}<>:;=+*_~`|\\\u{A0}é½€北".chars().collect();
    for _ in 0..20_000 {
        let text: String = (0..rng.range(0, 24)).filter_map(|_| rng.pick(&characters)).collect();
        let tokens = tokenize(&text);
        assert!(!tokens.contains("  ") && tokens.trim_matches(' ') == tokens, "{text:?} -> {tokens:?}");
        assert_eq!(tokens, tokens.to_lowercase(), "{text:?}");
    }
}

#[test]
fn scores_of_random_characters_stay_between_zero_and_their_maximum() {
    let mut rng = Rng::new(&[6]);
    let characters: Vec<char> = "aab  ,.'-\u{A0}\u{2003}\t|é北½".chars().collect();
    for _ in 0..2000 {
        let mut text = || -> String { (0..rng.range(0, 16)).filter_map(|_| rng.pick(&characters)).collect() };
        let groups = [vec![text(), text()], vec![text()]];
        let hypotheses = [text(), text()];
        let evaluation = References::new(&groups).score(&hypotheses, MetricSet::ALL).unwrap();
        for (name, value) in evaluation.images.iter().flat_map(|scores| &scores.0) {
            let maximum = if name.starts_with("CIDEr") || name.starts_with("Sm") { 10.0 } else { 1.0 };
            assert!((0.0..=maximum + 1e-9).contains(value), "{name} {value}: {hypotheses:?} {groups:?}");
        }
    }
}
