//! What a training step and a decoded word cost: kernels that the device is sent, and times that the host waits for it.

use super::device::simulated;
use super::{MODELS, workplace};
use rsic::data::Split;
use rsic::decode::{DecodeConfig, DecodeMethod};
use rsic::experiment;
use rsic::runtime::Interrupt;
use rsic::session::Session;
use rsic::train::{Done, ProcessGroup};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs};
use tch::Device;

/// The variable that tells this test to count, within a process that the device was loaded into.
const INSIDE: &str = "SIMULATED_INSIDE";

/// How often the host may wait for the device in a step and at a decoded word, and how many kernels it may send.
const MOST: [(&str, u64, u64); 13] = [
    ("fe_lws step", 0, 1900),
    ("fe_lws greedy-word", 1, 55),
    ("fe_lws beam-word", 1, 60),
    ("jtts step", 0, 1700),
    ("jtts greedy-word", 1, 65),
    ("jtts beam-word", 1, 70),
    ("cssa first-stage", 2, 780),
    ("cssa step", 0, 560),
    ("cssa greedy-word", 2, 100),
    ("cssa beam-word", 2, 105),
    ("s2cpnet step", 2, 660),
    ("s2cpnet greedy-word", 1, 36),
    ("s2cpnet beam-word", 1, 38),
];

/// Waits and launches so far.
#[derive(Debug, Clone, Copy)]
struct Counted {
    waits: u64,
    launches: u64,
}

impl Counted {
    fn now() -> Self {
        let library = libloading::os::unix::Library::this();
        // SAFETY: the device's own functions, which take nothing.
        let read = |name: &[u8]| unsafe {
            library.get::<extern "C" fn() -> u64>(name).expect("the simulated device is not loaded")()
        };
        Self { waits: read(b"simulated_waits"), launches: read(b"simulated_launches") }
    }

    fn since(self, before: Self) -> Self {
        Self { waits: self.waits - before.waits, launches: self.launches - before.launches }
    }
}

/// Lines of a kind of step, its most waits and launches; the first step of an epoch is left out.
fn count(model: &str) -> String {
    let experiment = experiment::load(Path::new(&format!("{model}.yaml")), &[]).unwrap().experiment;
    let folder = Path::new("counted").join(model);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let first_stage = experiment.first_stage.is_some();
    let mut session = Session::new(experiment, Device::Cuda(0), &mut |_| Ok(())).unwrap();
    let mut stages: Vec<Vec<Counted>> = Vec::new();
    let mut before = Counted::now();
    let mut on_step = |Done { done, loss, .. }: Done| {
        let now = Counted::now();
        match done {
            _ if loss.is_none() => {}
            1 => stages.push(Vec::new()),
            _ => stages.last_mut().unwrap().push(now.since(before)),
        }
        before = now;
    };
    session.train(&folder, false, &Interrupt::never(), &ProcessGroup::solo(), &mut on_step).unwrap();
    let mut text = String::new();
    let names = if first_stage { vec!["first-stage", "step"] } else { vec!["step"] };
    for (name, steps) in names.into_iter().zip(stages) {
        let most = |of: fn(&Counted) -> u64| steps.iter().map(of).max().unwrap();
        writeln!(text, "counted {model} {name} {} {}", most(|c| c.waits), most(|c| c.launches)).unwrap();
    }
    for (name, method) in [("greedy-word", DecodeMethod::Greedy), ("beam-word", DecodeMethod::Beam)] {
        let images = session.split(Split::Test);
        let decode = |max_length| {
            let before = Counted::now();
            let decode = DecodeConfig { method, beam: 3, max_length: Some(max_length), ..DecodeConfig::default() };
            session.decode(&images, &decode, &Interrupt::never()).unwrap();
            Counted::now().since(before)
        };
        // What does not depend on the number of words drops out. A new model does not end its captions at once.
        let further = decode(9).since(decode(5));
        writeln!(text, "counted {model} {name} {} {}", further.waits.div_ceil(4), further.launches.div_ceil(4))
            .unwrap();
    }
    text
}

#[test]
fn steps_and_words_make_the_host_wait_few_times() {
    if let Ok(model) = env::var(INSIDE) {
        print!("\n{}", count(&model));
        return;
    }
    let Some(library) = simulated() else { return };
    let place = workplace();
    for (model, _) in MODELS {
        let test = concat!(module_path!(), "::steps_and_words_make_the_host_wait_few_times");
        let test = test.split_once("::").unwrap().1;
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .current_dir(place)
            .env(INSIDE, model)
            .env("RSIC_CACHE", place.join("cache"))
            .env("LD_PRELOAD", library)
            .env("SIMULATED_REPORT", place.join(format!("counted-{model}.report")))
            .output()
            .unwrap();
        let printed = super::common::succeeds(&output);
        let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with("counted ")).collect();
        assert!(lines.len() >= 3, "{printed}");
        for line in lines {
            println!("{line}");
            let words: Vec<&str> = line.split(' ').collect();
            let [waits, launches] = [3, 4].map(|at| words[at].parse::<u64>().unwrap());
            let name = format!("{model} {}", words[2]);
            let (_, most_waits, most_launches) = MOST.iter().find(|(known, ..)| *known == name).unwrap();
            assert!(waits <= *most_waits, "{line}: at most {most_waits} waits are allowed");
            assert!(launches <= *most_launches, "{line}: at most {most_launches} launches are allowed");
        }
    }
}
