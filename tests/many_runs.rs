//! Tables and sweeps of several runs through the real binary: killed, continued, shared between processes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{command, rsic, succeeds, text, workplace};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EXPERIMENT: &str = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 2, embedding: 32, hidden: 32, image: 32, merge: 48, dropout: 0.3}}
train: {batch_size: 16, epochs: 3, optimizer: {lr: 2e-3}}
decode: {method: beam, beam: 2}
";

const TABLE: &str = "paper: fe_lws
table: T
title: A small table
dataset: scenes
base: small.yaml
columns: [BLEU-4, CIDEr]
decodings: [greedy]
seeds: [1, 2]
rows:
  - {method: one, published: {CIDEr: 1.0}, run: {set: {model.fe_lws.layers: 1, model.fe_lws.stack: ns}}}
  - {method: two, run: {set: {model.fe_lws.layers: 2}}}
";

const SWEEP: &str = "name: small_sweep
experiment: small.yaml
metric: {name: CIDEr}
parameters:
  model.fe_lws.layers: {values: [1, 2, 3]}
  train.epochs: {value: 2}
seeds: [1, 2]
";

/// A workplace with the experiment's features in the cache.
fn prepared(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let place = workplace(name);
    for (file, content) in files.iter().chain(&[("small.yaml", EXPERIMENT)]) {
        fs::write(place.join(file), content).unwrap();
    }
    succeeds(&rsic(&place, &["features", "small.yaml"]));
    place
}

/// Every file of that name below a folder, sorted.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            find(&entry, name, found);
        } else if entry.file_name().is_some_and(|file| file == name) {
            found.push(entry);
        }
    }
}

/// What the runs below a folder measured, without the times that it took.
fn measured(folder: &Path) -> Vec<Value> {
    let mut files = Vec::new();
    find(folder, "result.json", &mut files);
    let read = |file: &PathBuf| {
        let mut result: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        result["seconds"] = Value::Null;
        result["environment"] = Value::Null;
        result["costs"] = Value::Null;
        for decoding in result["decodings"].as_array_mut().unwrap() {
            decoding["seconds"] = Value::Null;
        }
        result
    };
    files.iter().map(read).collect()
}

#[test]
fn a_table_that_was_killed_and_continued_equals_an_uninterrupted_one() {
    let place = prepared("killed_table", &[("table_T.yaml", TABLE)]);
    let whole = ["reproduce", "./table_T.yaml", "--output", "whole"];
    let cut = ["reproduce", "./table_T.yaml", "--output", "cut"];
    succeeds(&rsic(&place, &whole));
    // Killed in the first run, in a later one, and where the results are being written.
    for finished in [0, 2, 3] {
        let mut child = command(&place, &cut).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        loop {
            let (mut results, mut checkpoints) = (Vec::new(), Vec::new());
            find(&place.join("cut"), "result.json", &mut results);
            find(&place.join("cut"), "state.json", &mut checkpoints);
            if child.try_wait().unwrap().is_some() || (results.len() >= finished && !checkpoints.is_empty()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    succeeds(&rsic(&place, &cut));
    assert_eq!(measured(&place.join("whole")).len(), 4);
    assert_eq!(measured(&place.join("cut")), measured(&place.join("whole")));
    let cells = |run: &str| fs::read_to_string(place.join(run).join("tables/fe_lws_T_scenes.csv")).unwrap();
    assert_eq!(cells("cut"), cells("whole"));
}

#[test]
fn two_processes_share_a_sweep_and_a_failing_run_does_not_stop_the_others() {
    let place = prepared("shared_sweep", &[("sweep.yaml", SWEEP)]);
    // What lies in the way of one run's checkpoints makes it fail.
    let blocked = place.join("runs/sweeps/small_sweep/0002/seed1");
    fs::create_dir_all(&blocked).unwrap();
    fs::write(blocked.join("checkpoints"), "no folder").unwrap();
    let output = rsic(&place, &["sweep", "sweep.yaml", "--jobs", "2", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(measured(&place.join("runs/sweeps")).len(), 5);
    let table = text(&output.stdout);
    assert!(table.contains("0002: failed: ") && table.contains("model.fe_lws.layers"), "{table}");
    let made =
        text(&output.stderr).matches("seed1 finished").count() + text(&output.stderr).matches("seed2 finished").count();
    assert_eq!(made, 5, "no run is made twice: {}", text(&output.stderr));

    fs::remove_file(blocked.join("checkpoints")).unwrap();
    let again = rsic(&place, &["sweep", "sweep.yaml"]);
    let table = succeeds(&again);
    assert_eq!(text(&again.stderr).matches("is finished").count(), 5, "finished runs are kept");
    assert!(!table.contains("failed"), "{table}");
    assert_eq!(fs::read_to_string(place.join("runs/sweeps/small_sweep/sweep.csv")).unwrap().lines().count(), 4);
}

#[test]
fn a_launcher_of_the_users_own_gets_each_task_once() {
    let place = prepared("own_launcher", &[("sweep.yaml", SWEEP)]);
    let launcher = "echo task >> started.txt; {command}";
    succeeds(&rsic(&place, &["sweep", "sweep.yaml", "--launcher", launcher, "--jobs", "3", "--threads", "1"]));
    assert_eq!(fs::read_to_string(place.join("started.txt")).unwrap().lines().count(), 6);
    assert_eq!(measured(&place.join("runs/sweeps")).len(), 6);
    common::refused(&rsic(&place, &["sweep", "sweep.yaml", "--launcher", "ssh"]), &["{command}"]);
    common::refused(&rsic(&place, &["sweep", "sweep.yaml", "--task", "6"]), &["task 6 does not exist", "0 to 5"]);
}

/// A cluster of one node, gone when dropped.
struct Slurm {
    folder: PathBuf,
    pids: [&'static str; 3],
}

impl Slurm {
    /// `None` where Slurm or munge is not installed, or this is not the superuser, as whom its daemons run.
    fn start(folder: &Path) -> Option<Self> {
        let there = |program: &str| {
            Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success())
        };
        // SAFETY: asks for a number.
        if unsafe { libc::geteuid() } != 0 || !["munged", "slurmctld", "slurmd", "sbatch"].iter().all(|p| there(p)) {
            return None;
        }
        let slurm = Self { folder: folder.to_owned(), pids: ["d.pid", "ctld.pid", "munge.pid"] };
        for part in ["state", "spool", "log"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let (host, at) = (host.trim(), folder.display());
        let config = format!(
            "ClusterName=rsic\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\n\
             AuthInfo=socket={at}/munge.sock\nCredType=cred/munge\nSlurmctldPort=16817\nSlurmdPort=16818\n\
             StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\nSlurmctldPidFile={at}/ctld.pid\n\
             SlurmdPidFile={at}/d.pid\nSlurmctldLogFile={at}/log/ctld\nSlurmdLogFile={at}/log/d\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\nReturnToService=2\n\
             MpiDefault=none\nJobAcctGatherType=jobacct_gather/none\nSchedulerParameters=bf_interval=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(folder.join("slurm.conf"), config).unwrap();
        let script = "head -c 1024 /dev/urandom > key; chmod 400 key; \
                      munged --force --socket=$PWD/munge.sock --key-file=$PWD/key --log-file=$PWD/log/munged \
                             --pid-file=$PWD/munge.pid --seed-file=$PWD/seed && slurmctld && slurmd";
        let started = slurm.command("sh").args(["-c", script]).output().unwrap();
        assert!(started.status.success(), "{}", text(&started.stderr));
        slurm.wait("the node is up", || text(&slurm.command("sinfo").output().unwrap().stdout).contains("idle"));
        Some(slurm)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(300), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for file in self.pids {
            let pid = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

/// Kills the process that makes this task of a sweep in a workplace, and no other test's. False where there is none.
fn kill_task(place: &Path, task: &str) -> bool {
    let of_task = |process: &Path| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
        words.windows(2).any(|pair| pair == [b"--task".as_slice(), task.as_bytes()])
    };
    let here = |process: &Path| fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == place);
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let Some(process) = processes.into_iter().find(|process| here(process) && of_task(process)) else { return false };
    Command::new("kill").arg("-KILL").arg(process.file_name().unwrap()).status().unwrap().success()
}

#[test]
fn a_slurm_array_makes_every_run_though_one_is_killed() {
    let cluster = tempfile::Builder::new().prefix("slurm").tempdir_in("/tmp").unwrap();
    let Some(slurm) = Slurm::start(cluster.path()) else {
        println!("left out: it needs Slurm and munge installed, and the superuser");
        return;
    };
    let place = prepared("slurm_sweep", &[("sweep.yaml", SWEEP)]);
    let mut submit = command(&place, &["sweep", "sweep.yaml", "--launcher", "slurm", "--jobs", "2", "--threads", "1"]);
    let submitted = submit.env("SLURM_CONF", cluster.path().join("slurm.conf")).output().unwrap();
    assert!(succeeds(&submitted).contains("Submitted batch job"));
    let runs = place.join("runs/sweeps/small_sweep");
    let count = |name: &str| {
        let mut files = Vec::new();
        find(&runs, name, &mut files);
        files.len()
    };
    slurm.wait("a run has a checkpoint", || count("state.json") > 0);
    let killed = kill_task(&place, "0");
    slurm.wait("all six are finished", || count("result.json") == 6);
    slurm.wait("the queue is empty", || {
        text(&slurm.command("squeue").arg("--noheader").output().unwrap().stdout).trim().is_empty()
    });
    println!("killed one: {killed}");
    let log = fs::read_to_string(runs.join("task-0.log")).unwrap();
    assert!(!killed || log.contains("continuing after") || log.matches("run 1 of 1").count() >= 1, "{log}");
    let table = succeeds(&rsic(&place, &["sweep", "sweep.yaml"]));
    assert!(!table.contains("not run") && !table.contains("failed"), "{table}");
}
