//! The built-in scenes: fixed bytes, captions that tell what is drawn, files that others can read.

#![allow(clippy::unwrap_used)] // helpers outside the test functions fail the test just as well

use rayon::prelude::*;
use rsic::scenes::{CAPTIONS, KINDS, Object, Options, Scene, generate, mask_colour, render};
use rsic::util::fs::{sha256, sha256_file};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// `per_kind` scenes of every kind as class blocks of one set.
fn sample(per_kind: usize, size: u32) -> Vec<Scene> {
    let kinds = KINDS.iter().flat_map(|kind| std::iter::repeat_n(kind, per_kind));
    let kinds: Vec<_> = kinds.enumerate().collect();
    kinds.into_par_iter().map(|(index, kind)| render(kind, 5, index, size)).collect()
}

/// Scenes of the default size, made once.
static LARGE: LazyLock<Vec<Scene>> = LazyLock::new(|| sample(12, 256));

/// Hash of every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, sha256_file(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn pixels_and_words_of_a_tiny_set_never_change() {
    let mut bytes = Vec::new();
    for scene in sample(1, 64) {
        bytes.extend_from_slice(scene.image.as_raw());
        bytes.extend_from_slice(scene.mask().as_raw());
        bytes.extend_from_slice(scene.captions.join("\n").as_bytes());
    }
    let golden = include_str!("golden/scenes.sha256").trim();
    assert_eq!(sha256(&bytes), golden, "where a change is meant, raise VERSION in files.rs and set the new hash");
}

#[test]
fn equal_options_give_equal_files_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { count: 20, size: 48, seed: 3 };
    let make = |name: &str, threads: usize| {
        let out = folder.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| generate(&options, &out)).unwrap();
        files(&out)
    };
    let one = make("one", 1);
    assert_eq!(one, make("four", 4));
    assert_eq!(one.len(), 20 * 3 + 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside");
}

#[test]
fn seeds_differ_and_no_two_images_are_alike() {
    let mut seen = BTreeSet::new();
    for seed in 0..3 {
        for (index, kind) in KINDS.iter().enumerate() {
            assert!(seen.insert(render(kind, seed, index, 32).image.into_raw()));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scenes");
    generate(&Options { count: 170, size: 32, seed: 1 }, &out).unwrap();
    let images: BTreeSet<String> =
        files(&out).into_iter().filter(|(name, _)| name.starts_with("imgs")).map(|(_, hash)| hash).collect();
    assert_eq!(images.len(), 170);
}

/// The form of the Karpathy files, as any reader of UCM-Captions expects it.
#[derive(serde::Deserialize)]
struct Dataset {
    images: Vec<Image>,
}

#[derive(serde::Deserialize)]
struct Image {
    filename: String,
    imgid: usize,
    split: String,
    sentids: Vec<usize>,
    class: String,
    sentences: Vec<Sentence>,
}

#[derive(serde::Deserialize)]
struct Sentence {
    tokens: Vec<String>,
    raw: String,
    imgid: usize,
    sentid: usize,
}

#[test]
fn the_folder_reads_as_a_karpathy_dataset_with_all_kinds_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/scenes");
    let summary = generate(&Options { count: 240, size: 32, seed: 1 }, &out).unwrap();
    let dataset: Dataset = serde_json::from_str(&fs::read_to_string(out.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(dataset.images.len(), 240);
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_class: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut sentences = 0;
    for (index, image) in dataset.images.iter().enumerate() {
        assert_eq!((image.imgid, image.filename.as_str()), (index, format!("{}.png", index + 1).as_str()));
        *splits.entry(&image.split).or_default() += 1;
        by_class.entry(&image.class).or_default().insert(&image.split);
        assert_eq!(image.sentences.len(), CAPTIONS);
        for sentence in &image.sentences {
            assert_eq!(format!("{} .", sentence.tokens.join(" ")), sentence.raw);
            assert_eq!((sentence.imgid, sentence.sentid), (index, sentences));
            assert!(image.sentids.contains(&sentences));
            sentences += 1;
        }
        let picture = image::open(out.join("imgs").join(&image.filename)).unwrap();
        assert_eq!((picture.width(), picture.height()), (32, 32));
    }
    assert_eq!(splits, summary.splits.iter().map(|(&name, &count)| (name, count)).collect());
    assert!((22..=26).contains(&splits["val"]) && (22..=26).contains(&splits["test"]), "{splits:?}");
    assert_eq!(by_class.keys().copied().collect::<Vec<_>>(), KINDS.iter().map(|kind| kind.class).collect::<Vec<_>>());
    assert!(by_class.values().all(|splits| splits.len() == 3), "{by_class:?}");
}

#[test]
fn masks_have_the_size_of_the_image_and_exactly_the_objects_listed() {
    for scene in sample(2, 96) {
        let mask = scene.mask();
        assert_eq!(mask.dimensions(), scene.image.dimensions());
        let mut seen: BTreeMap<[u8; 3], (u32, [u32; 4])> = BTreeMap::new();
        for (x, y, pixel) in mask.enumerate_pixels() {
            let (area, [left, top, right, bottom]) = seen.entry(pixel.0).or_insert((0, [x, y, x, y]));
            *area += 1;
            (*left, *top, *right, *bottom) = ((*left).min(x), (*top).min(y), (*right).max(x), (*bottom).max(y));
        }
        seen.remove(&[0; 3]);
        assert_eq!(seen.len(), scene.objects.len(), "{}", scene.class);
        for (object, rank) in scene.objects.iter().zip(1..) {
            let (area, [left, top, right, bottom]) = seen[&mask_colour(rank)];
            assert_eq!((area, [left, top, right + 1 - left, bottom + 1 - top]), (object.area, object.bbox));
        }
        assert!(scene.objects.is_sorted_by(|a, b| a.area >= b.area));
    }
}

#[test]
fn mask_colours_are_distinct_and_never_black() {
    let colours: BTreeSet<[u8; 3]> = (0..2000).map(mask_colour).collect();
    assert_eq!(colours.len(), 2000);
}

/// What a counted noun is called among the objects.
fn category(noun: &str, class: &str) -> Option<&'static str> {
    Some(match noun.strip_suffix('s').unwrap_or(noun) {
        "airplane" | "plane" => "airplane",
        "diamond" => "baseball field",
        "field" if class == "baseball field" => "baseball field",
        "field" => "field",
        "umbrella" => "umbrella",
        "bridge" => "bridge",
        "car" => "car",
        "pool" => "pool",
        "house" => "house",
        "bunker" => "bunker",
        "boat" => "boat",
        "pier" => "pier",
        "tank" => "tank",
        "court" => "tennis court",
        "train" => "train",
        "track" if class == "railway" => "track",
        "tree" if class == "meadow" => "tree",
        _ => return None,
    })
}

fn bounds(word: &str) -> Option<(usize, usize)> {
    const NUMBERS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];
    match word {
        "a" | "an" => Some((1, 1)),
        "several" => Some((7, 9)),
        "many" | "lots" => Some((10, usize::MAX)),
        _ => NUMBERS.iter().position(|&number| number == word).map(|n| (n, n)),
    }
}

/// Checks each "NUMBER ADJECTIVES NOUN" of a caption against the objects; gives how many it found.
fn check_counts(caption: &str, scene: &Scene, wrong: &mut Vec<String>) -> usize {
    const COLOURS: [&str; 9] = ["red", "green", "blue", "white", "gray", "brown", "yellow", "orange", "dark"];
    const STOPS: [&str; 14] =
        ["next", "with", "on", "in", "of", "at", "is", "are", "beside", "near", "over", "where", "parked", "docked"];
    let words: Vec<&str> = caption.split(' ').collect();
    let mut checked = 0;
    for (at, word) in words.iter().enumerate() {
        let Some((least, most)) = bounds(word) else { continue };
        let start = at + if words.get(at + 1) == Some(&"of") { 2 } else { 1 };
        let phrase = words[start..].iter().copied().take(6);
        let phrase: Vec<&str> = phrase.take_while(|word| !STOPS.contains(word) && bounds(word).is_none()).collect();
        let Some(noun_at) = phrase.iter().position(|noun| category(noun, scene.class).is_some()) else { continue };
        let Some(category) = category(phrase[noun_at], scene.class) else { continue };
        let among = |list: &[&'static str]| -> Vec<&str> {
            phrase[..noun_at].iter().copied().filter(|word| list.contains(word)).collect()
        };
        let (colours, sizes) = (among(&COLOURS), among(&["large", "small"]));
        let fits = |said: &[&str], is: Option<&str>| said.is_empty() || is.is_none_or(|is| said.contains(&is));
        let counted = |object: &&Object| {
            object.category == category && fits(&colours, object.colour) && fits(&sizes, object.size)
        };
        let n = scene.objects.iter().filter(counted).count();
        if !(least..=most).contains(&n) || (least > 0 && phrase[noun_at].ends_with('s') != (least > 1)) {
            wrong.push(format!("'{caption}' ({}): {n} {category} drawn", scene.class));
        }
        checked += 1;
    }
    checked
}

#[test]
fn counts_in_the_captions_are_counts_in_the_picture() {
    let (mut checked, mut wrong): (BTreeMap<&str, usize>, _) = (BTreeMap::new(), Vec::new());
    for scene in LARGE.iter() {
        for caption in &scene.captions {
            *checked.entry(scene.class).or_default() += check_counts(caption, scene, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let uncounted = ["beach", "dense residential", "desert", "forest", "meadow"];
    for (class, count) in checked {
        assert!(count >= 20 || uncounted.contains(&class), "{class}: only {count} counts in 60 captions");
    }
}

#[test]
fn things_named_in_the_captions_are_in_the_picture() {
    let things = [
        ("trees", "tree", 2),
        ("road", "road", 1),
        ("buildings", "building", 2),
        ("building", "building", 1),
        ("pond", "pond", 1),
        ("river", "river", 1),
        ("path", "path", 1),
        ("houses", "house", 2),
        ("bushes", "bush", 5),
        ("rocks", "rock", 5),
        ("runway", "runway", 1),
        ("terminal", "building", 1),
        ("platform", "platform", 1),
        ("pool", "pool", 1),
    ];
    let mut wrong = Vec::new();
    for scene in LARGE.iter() {
        for caption in &scene.captions {
            let words: Vec<&str> = caption.split(' ').collect();
            for (word, category, least) in things {
                let said = words.iter().enumerate().any(|(at, w)| *w == word && (at == 0 || words[at - 1] != "no"));
                let n = scene.objects.iter().filter(|object| object.category == category).count();
                if said && n < least {
                    wrong.push(format!("'{caption}' ({}): {n} {category}", scene.class));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn captions_are_short_lower_case_distinct_and_grammatical() {
    let (mut vocabulary, mut wrong) = (BTreeSet::new(), Vec::new());
    let (mut long, mut sentences) = (0, 0);
    for scene in sample(40, 64) {
        assert_eq!(scene.captions.iter().collect::<BTreeSet<_>>().len(), CAPTIONS, "{:?}", scene.captions);
        for caption in &scene.captions {
            let words: Vec<&str> = caption.split(' ').collect();
            long += usize::from(words.len() > 16);
            sentences += 1;
            if !(6..=18).contains(&words.len()) {
                wrong.push(format!("{} words: '{caption}' ({})", words.len(), scene.class));
            }
            assert!(caption.chars().all(|c| c.is_ascii_lowercase() || " -".contains(c)), "'{caption}'");
            vocabulary.extend(words.iter().map(|word| word.to_string()));
            for pair in words.windows(2) {
                let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']);
                if pair[0] == if vowel { "a" } else { "an" } || pair[0] == pair[1] {
                    wrong.push(format!("'{caption}'"));
                }
            }
            if let ["there", verb, number, noun, ..] = words[..] {
                let one = ["a", "an", "one"].contains(&number) || (number, noun) == ("no", "train") || verb == "is";
                if verb != if one { "is" } else { "are" } {
                    wrong.push(format!("'{caption}'"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(long * 100 <= sentences, "{long} of {sentences} have more than 16 words");
    assert!((150..=260).contains(&vocabulary.len()), "{}", vocabulary.len());
}

#[test]
fn captions_of_one_kind_differ_from_image_to_image() {
    let mut by_class: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for scene in sample(12, 64) {
        by_class.entry(scene.class).or_default().extend(scene.captions);
    }
    // Twelve images have 60 captions: who knows the class only cannot guess many of them.
    for (class, captions) in by_class {
        assert!(captions.len() >= 30, "{class}: {}", captions.len());
    }
}

#[test]
fn a_complete_folder_is_left_alone_another_set_replaced_and_foreign_content_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scenes");
    let options = Options { count: 4, size: 32, seed: 1 };
    assert!(generate(&options, &out).unwrap().written);
    assert!(!generate(&options, &out).unwrap().written);
    fs::remove_file(out.join("imgs/2.png")).unwrap();
    assert!(generate(&options, &out).unwrap().written, "a damaged folder is made anew");
    assert!(generate(&Options { count: 3, ..options }, &out).unwrap().written);
    assert_eq!(fs::read_dir(out.join("imgs")).unwrap().count(), 3);

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(generate(&options, &empty).unwrap().written, "an empty folder may be filled");
    let precious = folder.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.txt"), "x").unwrap();
    let error = format!("{:#}", generate(&options, &precious).unwrap_err());
    assert!(error.contains("precious") && error.contains("another folder"), "{error}");
    let error = format!("{:#}", generate(&options, &precious.join("thesis.txt")).unwrap_err());
    assert!(error.contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_to_string(precious.join("thesis.txt")).unwrap(), "x");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside");
}

#[test]
fn options_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |count, size| {
        format!("{:#}", generate(&Options { count, size, seed: 1 }, &folder.path().join("x")).unwrap_err())
    };
    assert!(fails(0, 64).contains("--count is 0"));
    assert!(fails(5, 8).contains("--size is 8"));
    assert!(!folder.path().join("x").exists());
}
