//! Training through the real binary on a small set of built-in scenes: it learns, survives and comes back.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // says how the kills went

mod common;

use common::{by_heart, command, eight, refused, rsic, succeeds, text};
use rsic::runs::RunLock;
use rsic::util::rng::Rng;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Scenes, an experiment on them and a feature cache, made once: the tests share the encoder's work.
fn workplace() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("training");
        let experiment = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 2, embedding: 32, hidden: 32, image: 32, merge: 48, dropout: 0.3}}
train: {batch_size: 16, epochs: 4, optimizer: {lr: 2e-3}}
decode: {method: beam, beam: 3}
";
        fs::write(place.join("small.yaml"), experiment).unwrap();
        let features = rsic(&place, &["features", "small.yaml"]);
        assert!(features.status.success(), "{}", text(&features.stderr));
        place
    })
}

fn weights(place: &Path, run: &str) -> Vec<u8> {
    fs::read(place.join(run).join("checkpoints/last/model.safetensors")).unwrap()
}

/// Two runs of the same seed are equal to the bit, and so is one that was killed and continued.
#[test]
fn a_killed_run_continues_and_equals_an_uninterrupted_one_bit_for_bit() {
    let place = workplace();
    let train = |run: &str, more: &[&str]| {
        let mut arguments = vec!["train", "small.yaml", "train.checkpoint_steps=2", "--output", run];
        arguments.extend(more);
        arguments.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let whole = train("whole", &[]);
    let finished = rsic(place, &whole.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(finished.status.success(), "{}", text(&finished.stderr));
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let run = format!("cut{signal}");
        let arguments = train(&run, &[]);
        let mut child = command(place, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // As soon as there is a checkpoint, at whatever step that is.
        let last = place.join(&run).join("checkpoints/last/state.json");
        while !last.exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        // SAFETY: the child has not been waited for, so its process id is still its own.
        unsafe { libc::kill(child.id() as i32, signal) };
        let status = child.wait().unwrap();
        if signal == libc::SIGTERM && !status.success() {
            assert_eq!(status.code(), Some(130), "an interrupted run says so");
        }
        let arguments = train(&run, &["--resume"]);
        let continued = rsic(place, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(continued.status.success(), "{}", text(&continued.stderr));
        assert!(weights(place, &run) == weights(place, "whole"), "signal {signal}: the weights differ");
        let scores = |run: &str| fs::read(place.join(run).join("predictions/test-beam-3.jsonl")).unwrap();
        assert_eq!(scores(&run), scores("whole"));
    }
}

/// Kills runs at seeded random moments, `kills` times in all, and continues each until it is done: no kill may lose a
/// checkpoint, and every run must end with the weights of one that nobody disturbed.
fn killed_runs_end_as_undisturbed_ones(name: &str, kills: usize) {
    let place = workplace();
    let arguments = |run: &str| {
        let fixed = ["train", "small.yaml", "train.checkpoint_steps=1", "train.keep_last=1", "--resume", "--output"];
        fixed.iter().map(ToString::to_string).chain([run.to_owned()]).collect::<Vec<_>>()
    };
    let start = |run: &str| {
        let arguments = arguments(run);
        let mut command = command(place, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let undisturbed = format!("{name}-undisturbed");
    let started = Instant::now();
    let finished = start(&undisturbed).wait_with_output().unwrap();
    assert!(finished.status.success(), "{}", text(&finished.stderr));
    let whole = started.elapsed();
    let mut rng = Rng::new(&[kills as u64]);
    let (mut killed, mut runs, mut moments) = (0, 0, BTreeSet::new());
    while killed < kills {
        runs += 1;
        let run = format!("{name}-{runs}");
        let mut steps = 0;
        loop {
            let mut child = start(&run);
            if killed < kills {
                std::thread::sleep(whole.mul_f64(0.6 * rng.unit())); // machines are not always as busy
                if child.try_wait().unwrap().is_none() {
                    child.kill().unwrap(); // SIGKILL
                    killed += 1;
                }
            }
            let output = child.wait_with_output().unwrap();
            let now = steps_saved(&place.join(&run));
            assert!(now >= steps, "kill {killed} lost a checkpoint: {now} steps are saved, {steps} were");
            steps = now;
            moments.insert(now);
            if output.status.success() {
                break;
            }
            assert_eq!(output.status.code(), None, "kill {killed}: {}", text(&output.stderr));
        }
        assert!(weights(place, &run) == weights(place, &undisturbed), "run {runs}, kill {killed}: other weights");
        fs::remove_dir_all(place.join(&run)).unwrap();
    }
    eprintln!("{killed} kills in {runs} runs of {:.1} s; steps saved: {moments:?}", whole.as_secs_f64());
}

/// Steps done in the newest checkpoint, `last` or the one it was about to replace.
fn steps_saved(run: &Path) -> u64 {
    let read = |name: &str| {
        let text = fs::read_to_string(run.join("checkpoints").join(name).join("state.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["updates"].as_u64()
    };
    read("last").or_else(|| read("last.previous")).unwrap_or(0)
}

#[test]
fn runs_killed_at_random_moments_end_as_undisturbed_ones() {
    killed_runs_end_as_undisturbed_ones("few-kills", 3);
}

/// Takes minutes: `cargo test --test training -- --ignored kill --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn runs_killed_a_hundred_times_end_as_undisturbed_ones() {
    killed_runs_end_as_undisturbed_ones("many-kills", 100);
}

/// Eight images, no dropout, enough epochs: the model must learn their captions by heart, and say the same once it is
/// saved and loaded, whether by `eval` or by `caption` from pixels.
#[test]
fn it_learns_eight_images_by_heart_and_says_the_same_after_loading() {
    let place = workplace();
    eight(place, 6);
    let trained = rsic(
        place,
        &[
            "train",
            "small.yaml",
            "name=eight",
            "data.root=eight",
            "data.images=../scenes/imgs",
            "data.vocabulary.min_count=1",
            "model.fe_lws.dropout=0",
            "train.epochs=120",
            "train.optimizer.lr=0.01",
            "train.batch_size=8",
            "train.early_stop.patience=150",
            "decode.method=greedy",
            "--output",
            "eight_run",
        ],
    );
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let predictions = fs::read_to_string(place.join("eight_run/predictions/test-greedy.jsonl")).unwrap();
    let lines = by_heart(&predictions);
    let again = rsic(place, &["eval", "eight_run", "--output", "eight_again"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(place.join("eight_again/predictions/test-greedy.jsonl")).unwrap(), predictions);
    let mut arguments = vec!["caption".to_owned(), "--model".into(), "eight_run".into()];
    arguments.extend(lines.iter().map(|line| format!("scenes/imgs/{}", line["file"].as_str().unwrap())));
    let captioned = rsic(place, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(captioned.status.success(), "{}", text(&captioned.stderr));
    for (printed, line) in text(&captioned.stdout).lines().zip(&lines) {
        assert_eq!(printed.split_once('\t').unwrap().1, line["caption"].as_str().unwrap());
    }
}

#[test]
fn faults_before_training_are_one_sentence_with_exit_code_2() {
    let place = workplace();
    let train = |overrides: &[&str]| {
        let mut arguments = vec!["train", "small.yaml", "--output", "never"];
        arguments.extend(overrides);
        rsic(place, &arguments)
    };
    refused(&train(&["data.root=nowhere"]), &["nowhere"]);
    refused(&train(&["train.epocs=3"]), &["train.epocs", "epochs"]);
    refused(&train(&["encoders.0.name=resnet5"]), &["resnet5", "resnet50"]);
    refused(&train(&["encoders.0.weights=absent.safetensors"]), &["absent.safetensors"]);
    fs::write(place.join("cut.safetensors"), [9, 9, 0, 0, 0, 0, 0, 0, b'{']).unwrap();
    refused(&train(&["encoders.0.weights=cut.safetensors"]), &["cut.safetensors"]);
    let json = fs::read(place.join("scenes/dataset.json")).unwrap();
    fs::write(place.join("scenes/half.json"), &json[..json.len() / 2]).unwrap();
    refused(&train(&["data.captions=half.json"]), &["half.json"]);
    fs::write(place.join("a_file"), "").unwrap();
    refused(&rsic(place, &["train", "small.yaml", "--output", "a_file/run"]), &["a_file"]);
    refused(&rsic(place, &["eval", "nowhere"]), &["nowhere"]);
    refused(&rsic(place, &["caption", "--model", "nowhere", "x.png"]), &["nowhere"]);
    assert!(!place.join("never/checkpoints").exists());
}

/// Not even to be replaced.
#[test]
fn a_folder_that_another_process_trains_in_is_refused() {
    let place = workplace();
    let _other = RunLock::take(&place.join("taken")).unwrap();
    for more in ["--resume", "--overwrite"] {
        let again = rsic(place, &["train", "small.yaml", "--output", "taken", more]);
        refused(&again, &["another process is training in 'taken'", "--output"]);
    }
}

/// A limit on the size of files stands for a full disk: the checkpoint of before stays, and the run continues.
#[test]
fn a_full_disk_during_a_checkpoint_keeps_the_old_one() {
    let place = workplace();
    let limited = |bytes: u64, arguments: &[&str]| {
        use std::os::unix::process::CommandExt;
        let mut command = command(place, arguments);
        // SAFETY: only calls that are safe between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
                if libc::setrlimit(libc::RLIMIT_FSIZE, &limit) == 0 {
                    Ok(())
                } else {
                    Err(std::io::Error::last_os_error())
                }
            });
        }
        command.output().unwrap()
    };
    let first = rsic(place, &["features", "small.yaml"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let failed = limited(100_000, &["train", "small.yaml", "--output", "full"]);
    refused(&failed, &["cannot save the checkpoint"]);
    let continued = rsic(place, &["train", "small.yaml", "--output", "full", "--resume"]);
    assert!(continued.status.success(), "{}", text(&continued.stderr));
    let before = weights(place, "full");
    let again = limited(100_000, &["train", "small.yaml", "--output", "full", "--overwrite"]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    assert!(!before.is_empty());
}

/// One bad image among good ones: the good ones are captioned, the bad one is named, exit code 1.
#[test]
fn a_folder_with_a_bad_image_is_captioned_but_for_that_one() {
    let place = workplace();
    let trained = rsic(place, &["train", "small.yaml", "train.epochs=1", "--output", "one"]);
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let photos = place.join("photos");
    fs::create_dir_all(&photos).unwrap();
    fs::copy(place.join("scenes/imgs/1.png"), photos.join("a.png")).unwrap();
    fs::write(photos.join("b.png"), "this is text").unwrap();
    fs::write(photos.join("c.tif"), "").unwrap();
    let captioned = rsic(place, &["caption", "--model", "one", "photos"]);
    assert_eq!(captioned.status.code(), Some(1));
    assert_eq!(text(&captioned.stdout).lines().count(), 1);
    let errors = text(&captioned.stderr);
    assert!(errors.contains("b.png") && errors.contains("c.tif"), "{errors}");
    let jsonl = ["caption", "--model", "one", "photos", "-f", "jsonl", "-o", "out.jsonl", "--skip-existing"];
    rsic(place, &jsonl);
    let first = fs::read(place.join("out.jsonl")).unwrap();
    rsic(place, &jsonl);
    assert_eq!(fs::read(place.join("out.jsonl")).unwrap(), first);
    odd_names_are_skipped_where_a_csv_has_them(place);
    captions_need_no_cache_and_an_interrupted_command_goes_on(place);
}

fn captions_need_no_cache_and_an_interrupted_command_goes_on(place: &Path) {
    let caption = |output: &str, more: &[&str]| {
        let all = [&["caption", "--model", "one", "scenes/imgs", "-f", "jsonl", "-o", output], more].concat();
        succeeds(&rsic(place, &all));
        fs::read_to_string(place.join(output)).unwrap()
    };
    let cached = caption("cached.jsonl", &[]);
    assert_eq!(caption("direct.jsonl", &["--no-cache"]), cached);
    let lines: Vec<&str> = cached.lines().collect();
    assert!(lines.len() > 2);
    let marked = lines[0].replace("\"caption\":\"", "\"caption\":\"kept ");
    let torn = lines[1].get(..9).unwrap();
    fs::write(place.join("resumed.jsonl.part"), format!("{marked}\n{torn}")).unwrap();
    let resumed = caption("resumed.jsonl", &["--skip-existing"]);
    assert_eq!(resumed.lines().next(), Some(marked.as_str()));
    assert_eq!(resumed.lines().skip(1).collect::<Vec<_>>(), lines[1..]);
    assert!(!place.join("resumed.jsonl.part").exists());
    assert_eq!(caption("resumed.jsonl", &[]), cached, "without --skip-existing all are captioned again");
}

fn odd_names_are_skipped_where_a_csv_has_them(place: &Path) {
    let names = ["a\",b.png", "two\nlines.png", "größe, 大.png"];
    fs::create_dir_all(place.join("odd")).unwrap();
    for name in names {
        fs::copy(place.join("scenes/imgs/1.png"), place.join("odd").join(name)).unwrap();
    }
    let caption = ["caption", "--model", "one", "odd", "-f", "csv", "-o", "odd.csv", "--skip-existing"];
    succeeds(&rsic(place, &caption));
    let mark = "\"this, too\"";
    let text = fs::read_to_string(place.join("odd.csv")).unwrap();
    let mut records: Vec<Vec<String>> = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes())
        .records()
        .map(|record| record.unwrap().iter().map(String::from).collect())
        .collect();
    let files: BTreeSet<&str> = records.iter().skip(1).map(|record| record[0].strip_prefix("odd/").unwrap()).collect();
    assert_eq!(files, BTreeSet::from(names));
    records.iter_mut().skip(1).for_each(|record| record[1] = mark.into());
    let marked = rsic::util::csv::to_csv(&records).unwrap();
    fs::write(place.join("odd.csv"), &marked).unwrap();
    succeeds(&rsic(place, &caption));
    assert_eq!(fs::read_to_string(place.join("odd.csv")).unwrap(), marked, "nothing is captioned again");
}
