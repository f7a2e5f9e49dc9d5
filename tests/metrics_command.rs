//! `rsic score` as its users see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const HYPOTHESES: &str =
    r#"[{"image_id": 5, "caption": "a plane on the runway"}, {"image_id": 9, "caption": "green trees"}]"#;
const REFERENCES: &str = r#"{"images": [{"id": 9}, {"id": 5}], "annotations": [
    {"image_id": 9, "id": 1, "caption": "Many green trees."}, {"image_id": 5, "id": 2, "caption": "A plane is on the runway."},
    {"image_id": 9, "id": 3, "caption": "Some trees"}, {"image_id": 5, "id": 4, "caption": "One plane"}]}"#;

/// A folder with files, in which the command runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_cache(arguments, &self.path("cache"))
    }

    fn run_with_cache(&self, arguments: &[&str], cache: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
        command.arg("score").args(arguments).current_dir(self.0.path()).env("RSIC_CACHE", cache).output().unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    /// Runs what must fail, and gives its one line.
    fn fault(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(output.stdout.is_empty());
        message
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn coco_files_give_a_table_and_a_file_in_input_order() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let output = folder.run(&["h.json", "r.json", "--out", "o.json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("METEOR (exact+stem)") && table.contains("CIDEr-D") && table.contains("2 references each"));
    assert!(text(&output.stderr).contains("make metrics-data"));
    let scores = folder.json("o.json");
    let names: Vec<&String> = scores["corpus"].as_object().unwrap().keys().collect();
    let expected = [
        "BLEU-1",
        "BLEU-2",
        "BLEU-3",
        "BLEU-4",
        "METEOR (exact+stem)",
        "ROUGE_L",
        "CIDEr",
        "SPICE (native, no synonyms)",
        "Sm (exact+stem)",
    ];
    assert_eq!(names, expected);
    assert_eq!(scores["images"][0]["id"], json!(5));
    assert_eq!(scores["images"][1]["id"], json!(9));
    assert_eq!(scores.as_object().unwrap().keys().collect::<Vec<_>>(), ["signature", "corpus", "images"]);
}

#[test]
fn json_lines_and_plain_text_score_as_coco_files_do() {
    let lines = "{\"image\": \"5\", \"caption\": \"a plane on the runway\"}\n{\"image\": \"9\", \"caption\": \"green trees\"}\n";
    let folder = Folder::new(&[
        ("h.json", HYPOTHESES),
        ("r.json", REFERENCES),
        ("h.jsonl", lines),
        ("h.txt", "a plane on the runway\ngreen trees\n"),
        ("r1.txt", "A plane is on the runway.\nMany green trees.\n"),
        ("r2.txt", "One plane\nSome trees\n"),
    ]);
    let corpus = |arguments: &[&str]| {
        let output = folder.run(&[arguments, &["--out", "o.json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        folder.json("o.json")["corpus"].clone()
    };
    let coco = corpus(&["h.json", "r.json"]);
    assert_eq!(corpus(&["h.jsonl", "r.json"]), coco);
    assert_eq!(corpus(&["h.txt", "r1.txt", "r2.txt"]), coco);
}

#[test]
fn metrics_are_chosen_by_name() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let output = folder.run(&["h.json", "r.json", "--metrics", "ROUGE_L,CIDEr"]);
    let table = text(&output.stdout);
    assert!(table.starts_with("ROUGE_L") && table.contains("CIDEr") && !table.contains("BLEU"), "{table}");
    assert!(folder.fault(&["h.json", "r.json", "--metrics", "ROUGE"]).contains("unknown metric 'ROUGE'"));
}

#[test]
fn spice_gives_its_kinds_where_they_are_asked_for() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let output = folder.run(&["h.json", "r.json", "--metrics", "SPICE", "--spice-details", "--out", "o.json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let corpus = folder.json("o.json")["corpus"].clone();
    let names: Vec<&String> = corpus.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 7);
    assert!(names[0] == "SPICE (native, no synonyms)" && names[4] == "SPICE colour (native, no synonyms)", "{names:?}");
    assert!(corpus[names[1]].as_f64().unwrap() > 0.0, "{corpus}");
    let fault = folder.fault(&["h.json", "r.json", "--metrics", "BLEU", "--spice-details"]);
    assert!(fault.contains("--spice-details needs SPICE"), "{fault}");
}

#[test]
fn faults_in_the_files_are_one_clear_sentence_and_exit_code_2() {
    let folder = Folder::new(&[
        ("h.json", HYPOTHESES),
        ("r.json", REFERENCES),
        ("twice.json", r#"[{"image_id": 5, "caption": "a"}, {"image_id": 5, "caption": "b"}]"#),
        ("other.json", r#"[{"image_id": 77, "caption": "a"}]"#),
        ("one.json", r#"[{"image_id": 5, "caption": "a"}]"#),
        ("broken.json", "[{\"image_id\": 5,\n \"caption\": ]"),
        ("empty.json", "[]"),
        ("two.txt", "a\nb\n"),
        ("one.txt", "a\n"),
        ("gap.txt", "a\n\n"),
    ]);
    let fault = |arguments: &[&str], part: &str| {
        let message = folder.fault(arguments);
        assert!(message.contains(part), "{message}");
    };
    fault(&["twice.json", "r.json"], "image '5' has 2 captions in 'twice.json'");
    fault(&["other.json", "r.json"], "image '77' of 'other.json' has no references");
    fault(&["one.json", "r.json"], "image '9' has references but no caption in 'one.json'");
    fault(&["broken.json", "r.json"], "cannot use 'broken.json': it is not JSON: expected value at line 2 column 13");
    fault(&["empty.json", "r.json"], "no captions in 'empty.json'");
    fault(&["absent.json", "r.json"], "cannot read 'absent.json'");
    fault(&["two.txt", "two.txt", "one.txt"], "one line per item");
    fault(&["two.txt", "gap.txt"], "image '2' of 'two.txt' has no references");
    fault(&["h.json", "r.json", "--ids"], "is not a word id");
    fault(&["h.json", "r.json", "--compare", "one.json"], "image '9' has references but no caption in 'one.json'");
    assert!(folder.run(&["one.json", "r.json", "--subset"]).status.success());
}

/// Captions and references of one image, which bring a warning and a note.
fn one_image() -> Folder {
    Folder::new(&[
        ("h.json", r#"[{"image_id": 5, "caption": "a plane"}]"#),
        ("r.json", r#"[{"image_id": 5, "caption": "a plane on the runway"}]"#),
    ])
}

#[test]
fn quiet_scores_bring_no_warnings() {
    let folder = one_image();
    let loud = folder.run(&["h.json", "r.json"]);
    assert!(text(&loud.stderr).contains("warning: CIDEr of a single image"), "{}", text(&loud.stderr));
    let quiet = folder.run(&["h.json", "r.json", "-q"]);
    assert!(quiet.status.success());
    assert_eq!((text(&quiet.stderr), quiet.stdout), (String::new(), loud.stdout));
}

/// The level and text of each message, all of which must be JSON lines.
fn json_messages(output: &Output) -> Vec<(String, String)> {
    let message = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let field = |name: &str| json[name].as_str().unwrap().to_owned();
        (field("level"), field("message"))
    };
    text(&output.stderr).lines().map(message).collect()
}

#[test]
fn messages_as_json_are_json_lines_alone_also_where_they_end_the_program() {
    let folder = one_image();
    let warned = json_messages(&folder.run(&["h.json", "r.json", "--log-format", "json"]));
    assert!(warned.iter().any(|(level, text)| level == "WARN" && text.starts_with("CIDEr of a single")), "{warned:?}");
    assert!(warned.iter().any(|(level, text)| level == "INFO" && text.contains("make metrics-data")), "{warned:?}");
    for (arguments, part) in [
        (&["gone.json", "r.json", "-q", "--log-format", "json"][..], "gone.json"),
        (&["h.json", "r.json", "--nonsense", "--log-format=json"][..], "unexpected argument '--nonsense'"),
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let messages = json_messages(&output);
        let [(level, text)] = messages.as_slice() else { panic!("{messages:?}") };
        assert!(level == "ERROR" && text.contains(part), "{messages:?}");
    }
}

#[test]
fn what_ends_the_program_is_said_whatever_the_levels() {
    let folder = one_image();
    for levels in ["off", "rsic::train=debug", "no=such=level"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
        command.args(["score", "gone.json", "r.json"]).current_dir(folder.0.path()).env("RSIC_LOG", levels);
        let output = command.output().unwrap();
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
        assert!(message.starts_with("error: "), "{message}");
    }
}

#[test]
fn a_single_image_brings_a_warning_about_cider() {
    let folder = Folder::new(&[("h.txt", "a plane\n"), ("r.txt", "a plane\n")]);
    let output = folder.run(&["h.txt", "r.txt"]);
    assert!(text(&output.stderr).contains("CIDEr of a single image is 0"));
}

#[test]
fn word_ids_are_scored_as_they_are() {
    let folder = Folder::new(&[("h.txt", "12 7 7 30\n5\n"), ("r.txt", "12 7 9 30\n5\n")]);
    let output = folder.run(&["h.txt", "r.txt", "--ids", "--metrics", "BLEU", "--out", "o.json"]);
    assert!(output.status.success());
    assert!((folder.json("o.json")["images"][0]["BLEU-1"].as_f64().unwrap() - 0.75).abs() < 1e-8);
}

#[test]
fn the_same_captions_are_scored_as_other_programs_do_and_side_by_side() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let output = folder.run(&["h.json", "r.json", "--protocol", "all", "--metrics", "BLEU,METEOR,ROUGE_L"]);
    let table = text(&output.stdout);
    let columns: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["coco", "coco-no-ptb", "nltk", "mean-over-references"]);
    assert!(table.contains("ROUGE_1") && table.contains("nltk: words between white space"), "{table}");
    let nltk = ["h.json", "r.json", "--protocol", "nltk", "--smoothing", "method1", "--out", "o.json"];
    let output = folder.run(&nltk);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let signature = folder.json("o.json")["signature"].as_str().unwrap().to_owned();
    assert!(text(&output.stdout).contains(&signature) && signature.contains("|smoothing:method1"), "{signature}");
    for arguments in [
        &["h.json", "r.json", "--protocol", "nltk", "--bootstrap", "9"][..],
        &["h.json", "r.json", "--smoothing", "method1"],
        &["h.json", "r.json", "--protocol", "all", "--out", "o.json"],
        &["h.json", "r.json", "--protocol", "bleu"],
        &["h.json", "r.json", "--protocol", "nltk", "--metrics", "CIDEr"],
    ] {
        let output = folder.run(arguments);
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
    }
}

#[test]
fn written_scores_are_verified_and_a_difference_is_exit_code_1() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    assert!(folder.run(&["h.json", "r.json", "--metrics", "BLEU,CIDEr", "--out", "o.json"]).status.success());
    let verify = |file: &str| folder.run(&["h.json", "r.json", "--metrics", "BLEU,CIDEr", "--verify", file]);
    assert!(verify("o.json").status.success());
    let mut other = folder.json("o.json");
    other["corpus"]["CIDEr"] = json!(0.25);
    fs::write(folder.path("p.json"), other.to_string()).unwrap();
    let output = verify("p.json");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("CIDEr 0.250000 there"), "{}", text(&output.stderr));
    assert_eq!(verify("h.json").status.code(), Some(2));
}

#[test]
fn intervals_and_a_comparison_are_printed_and_written_and_repeat() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let run = |threads: &str| {
        let arguments = ["h.json", "r.json", "--bootstrap", "50", "--compare", "h.json", "--out", "o.json"];
        let output = folder.run(&[&arguments[..], &["--threads", threads]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), folder.json("o.json"))
    };
    let (table, scores) = run("1");
    assert!(table.contains("paired bootstrap of 50") && table.contains("p = 1.0000"), "{table}");
    assert_eq!(scores["bootstrap"]["resamples"], json!(50));
    assert_eq!(scores["compare"]["differences"][0]["difference"], json!(0.0));
    assert_eq!(run("2"), (table, scores));
}

#[test]
fn damaged_or_foreign_resources_are_one_clear_sentence() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    fs::create_dir(folder.path("cache")).unwrap();
    let resources = folder.path("cache").join("metrics-en.bin");
    let header = |version: u32| {
        let mut header = b"RSICMTR\0".to_vec();
        header.extend(version.to_le_bytes());
        header.extend(19u32.to_le_bytes());
        header
    };
    for (content, part) in [
        (Vec::new(), "is not a file of METEOR resources"),
        (b"something else altogether".to_vec(), "is not a file of METEOR resources"),
        (header(99), "was made for another version of rsic"),
        (header(1), "is damaged"),
    ] {
        fs::write(&resources, content).unwrap();
        let message = folder.fault(&["h.json", "r.json"]);
        assert!(message.contains(part) && message.contains("make metrics-data"), "{message}");
        assert!(folder.run(&["h.json", "r.json", "--metrics", "BLEU,CIDEr"]).status.success());
    }
}

#[test]
fn references_of_one_line_through_a_pipe_score_as_from_their_file() {
    let one_line = REFERENCES.replace('\n', " ");
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", &one_line), ("r.txt", &one_line)]);
    let plain = folder.run(&["h.json", "r.json"]);
    assert!(plain.status.success(), "{}", text(&plain.stderr));
    assert_eq!(text(&folder.run(&["h.json", "r.txt"]).stdout), text(&plain.stdout));
    let piped = format!("'{}' score h.json <(cat r.json)", env!("CARGO_BIN_EXE_rsic"));
    let mut shell = Command::new("bash");
    let piped = shell.args(["-c", &piped]).current_dir(folder.0.path()).env("RSIC_CACHE", folder.path("cache"));
    assert_eq!(text(&piped.output().unwrap().stdout), text(&plain.stdout));
}

#[test]
fn what_the_reference_tokeniser_drops_ids_as_fractions_and_nan_beside_captions_cost_nothing() {
    let hypotheses = "[{\"image_id\": 1.0, \"caption\": \"a plane is on the runway \u{1F6EB}\", \"perplexity\": NaN}, \
                      {\"image_id\": 2, \"caption\": \"a lake \u{2014} with \u{FE0F}trees\"}]";
    let references = r#"{"annotations": [{"image_id": 1, "id": 1, "caption": "a plane is on the runway"},
        {"image_id": 2, "id": 2, "caption": "a lake with trees"}]}"#;
    let folder = Folder::new(&[("h.json", hypotheses), ("r.json", references)]);
    let scored = folder.run(&["h.json", "r.json", "--metrics", "BLEU,ROUGE_L"]);
    let scored = text(&scored.stdout) + &text(&scored.stderr);
    for metric in ["BLEU-1", "BLEU-4", "ROUGE_L"] {
        let line = scored.lines().find(|line| line.starts_with(metric)).unwrap_or_else(|| panic!("{scored}"));
        assert!(line.ends_with("1.0000"), "{scored}");
    }
}

#[test]
fn a_dataset_of_karpathys_form_serves_as_references() {
    let dataset = r#"{"images": [{"imgid": 5, "filename": "5.tif", "sentences": [{"raw": "A plane ."}]},
        {"imgid": 9, "filename": "9.tif", "sentences": [{"raw": "Green trees ."}]}]}"#;
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("dataset.json", dataset)]);
    let scored = folder.run(&["h.json", "dataset.json", "--metrics", "BLEU"]);
    assert!(scored.status.success(), "{}", text(&scored.stderr));
}

/// One dataset in the forms that training reads: test images 5.tif and 9.tif, and one of training.
const FORMS: [(&str, &str); 5] = [
    (
        "karpathy.json",
        r#"{"images": [
            {"imgid": 0, "filename": "1.tif", "split": "train", "sentences": [{"raw": "A plane is on the runway."}]},
            {"imgid": 4, "filename": "5.tif", "split": "test",
             "sentences": [{"raw": "A plane is on the runway."}, {"raw": "One plane"}]},
            {"imgid": 8, "filename": "9.tif", "split": "test",
             "sentences": [{"raw": "Many green trees."}, {"raw": "Some trees"}]}]}"#,
    ),
    (
        "nwpu.json",
        r#"{"airplane": [
            {"filename": "1.tif", "imgid": 0, "split": "train", "raw": "A plane is on the runway."},
            {"filename": "5.tif", "imgid": 4, "split": "test", "raw": "A plane is on the runway.", "raw_1": "One plane"}],
            "forest": [
            {"filename": "9.tif", "imgid": 8, "split": "test", "raw": "Many green trees.", "raw_1": "Some trees"}]}"#,
    ),
    (
        "rows.csv",
        "image,caption,split\n1.tif,A plane is on the runway.,train\n5.tif,A plane is on the runway.,test\n\
         9.tif,Many green trees.,test\n5.tif,One plane,test\n9.tif,Some trees,test\n",
    ),
    (
        "rows.jsonl",
        "{\"image\": \"1.tif\", \"caption\": \"A plane is on the runway.\", \"split\": \"train\"}\n\
         {\"image\": \"5.tif\", \"captions\": [\"A plane is on the runway.\", \"One plane\"], \"split\": \"test\"}\n\
         {\"image\": \"9.tif\", \"captions\": [\"Many green trees.\", \"Some trees\"], \"split\": \"test\"}\n",
    ),
    (
        "coco.json",
        r#"{"images": [{"id": 0, "file_name": "1.tif", "split": "train"}, {"id": 4, "file_name": "5.tif", "split": "test"},
            {"id": 8, "file_name": "9.tif", "split": "test"}], "annotations": [
            {"image_id": 0, "caption": "A plane is on the runway."}, {"image_id": 4, "caption": "A plane is on the runway."},
            {"image_id": 4, "caption": "One plane"}, {"image_id": 8, "caption": "Many green trees."},
            {"image_id": 8, "caption": "Some trees"}]}"#,
    ),
];
const NAMED: &str = r#"[{"image_id": "test/5.jpg", "caption": "a plane on the runway"},
    {"image_id": "test/9.jpg", "caption": "green trees"}]"#;

#[test]
fn a_datasets_own_file_scores_as_the_same_captions_in_coco_form() {
    let mut files = vec![("h.json", HYPOTHESES), ("r.json", REFERENCES), ("n.json", NAMED)];
    files.extend(FORMS);
    let flickr =
        "5.tif#0\tA plane is on the runway.\n5.tif#1\tOne plane\n9.tif#0\tMany green trees.\n9.tif#1\tSome trees\n";
    files.push(("flickr.token.txt", flickr));
    let folder = Folder::new(&files);
    fs::create_dir(folder.path("dataset")).unwrap();
    fs::copy(folder.path("nwpu.json"), folder.path("dataset/dataset_nwpu.json")).unwrap();
    let corpus = |arguments: &[&str]| {
        let output = folder.run(&[arguments, &["--out", "o.json"]].concat());
        assert!(output.status.success(), "{arguments:?} {}", text(&output.stderr));
        (folder.json("o.json")["corpus"].clone(), text(&output.stdout))
    };
    let (coco, table) = corpus(&["h.json", "r.json"]);
    assert!(table.contains("images matched by id"), "{table}");
    for (file, _) in FORMS.iter().chain(&[("dataset", "")]) {
        let (scores, table) = corpus(&["n.json", file, "--split", "test"]);
        assert_eq!(scores, coco, "{file}");
        assert!(table.contains("images matched by file name without its ending"), "{table}");
    }
    assert_eq!(corpus(&["n.json", "flickr.token.txt"]).0, coco);
    let fault = folder.fault(&["h.json", "r.json", "--split", "test"]);
    assert!(fault.contains("the references name no splits; omit --split"), "{fault}");
}

#[test]
fn captions_of_a_part_of_the_split_are_counted_and_need_partial() {
    let (name, dataset) = FORMS[0];
    let folder = Folder::new(&[
        (name, dataset),
        ("one.json", r#"[{"image_id": "9.tif", "caption": "green trees"}]"#),
        (
            "more.json",
            r#"[{"image_id": "9.tif", "caption": "green trees"}, {"image_id": "1.tif", "caption": "a lake"}]"#,
        ),
    ]);
    let fault = folder.fault(&["one.json", name, "--split", "test"]);
    assert!(fault.contains("1 of 2 test images are captioned: image '4' has references but no caption"), "{fault}");
    let fault = folder.fault(&["more.json", name, "--split", "test"]);
    assert!(fault.contains("1 of 2 captions: image '1.tif' of 'more.json' has no test references"), "{fault}");
    let output = folder.run(&["more.json", name, "--split", "test", "--partial"]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in ["1 of 2 test images are captioned", "1 captions without references are left out", "|images:1|of:2|"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn a_file_of_captions_with_their_references_is_scored_alone() {
    let together = r#"[{"image": "5", "answer": "a plane on the runway", "ground_truth": ["A plane is on the runway.", "One plane"]},
        {"image": "9", "answer": "green trees", "ground_truth": ["Many green trees.", "Some trees"]}]"#;
    let numbered = "{\"answer\": \"a plane on the runway\", \"caption0\": \"A plane is on the runway.\", \"caption1\": \"One plane\"}\n\
                    {\"answer\": \"green trees\", \"caption0\": \"Many green trees.\", \"caption1\": \"Some trees\"}\n";
    let files =
        [("h.json", HYPOTHESES), ("r.json", REFERENCES), ("together.json", together), ("numbered.jsonl", numbered)];
    let folder = Folder::new(&files);
    let corpus = |arguments: &[&str]| {
        let output = folder.run(&[arguments, &["--out", "o.json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        folder.json("o.json")["corpus"].clone()
    };
    let coco = corpus(&["h.json", "r.json"]);
    assert_eq!(corpus(&["together.json"]), coco);
    assert_eq!(corpus(&["numbered.jsonl"]), coco);
    let fault = folder.fault(&["h.json"]);
    assert!(fault.contains("it has no caption with references"), "{fault}");
}

#[test]
fn scores_are_split_by_references_that_stand_in_training() {
    let (name, dataset) = FORMS[0];
    let folder = Folder::new(&[(name, dataset), ("n.json", NAMED)]);
    let output = folder.run(&["n.json", name, "--split", "test", "--train", name, "--out", "o.json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("0 of 2 captions (0 %) are training captions; 2 different captions"), "{table}");
    let memory = folder.json("o.json")["memory"].clone();
    assert_eq!((&memory["seen"]["images"], &memory["unseen"]["images"]), (&json!(1), &json!(1)));
    let unseen = memory["unseen"]["scores"]["BLEU-1"].as_f64().unwrap();
    assert!(table.lines().any(|line| line.starts_with("BLEU-1") && line.ends_with(&format!("{unseen:.4}"))), "{table}");
}

#[test]
fn json_lines_hold_each_image_and_at_last_the_corpus() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let output = folder.run(&["h.json", "r.json", "--format", "jsonl", "--out", "o.json"]);
    let stdout = text(&output.stdout);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&json!(5), &json!(9)));
    assert_eq!(lines[2]["corpus"], folder.json("o.json")["corpus"]);
    assert!(lines[2]["signature"].as_str().unwrap().contains("|images:2|"));
}

#[test]
fn sm_is_there_with_and_without_spice() {
    let folder = Folder::new(&[("h.json", HYPOTHESES), ("r.json", REFERENCES)]);
    let table = text(&folder.run(&["h.json", "r.json", "--metrics", "Sm-SPICE"]).stdout);
    for name in ["Sm (exact+stem)", "Sm with SPICE (exact+stem)", "SPICE (native"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
    }
}
