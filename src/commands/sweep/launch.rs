//! Processes that work through a sweep together: each takes the runs that no other has.

use crate::cli::{GlobalArgs, SweepArgs};
use crate::commands::ExitStatus;
use crate::experiments::sweep::PlannedSweep;
use crate::runtime::Interrupt;
use crate::util::shell::quoted;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::process::{Child, Command};
use std::time::Duration;

/// The command line of a process that makes runs of this sweep, on one of its devices.
pub(super) fn command_line(global: &GlobalArgs, args: &SweepArgs, device: Option<&String>) -> Result<Vec<OsString>> {
    let program = std::env::current_exe().context("cannot determine the path of this program")?;
    let mut words: Vec<OsString> = vec![program.into(), "sweep".into(), args.sweep.clone().into(), "--worker".into()];
    words.extend(["--output".into(), args.output.clone().into()]);
    for setting in &args.overrides {
        words.extend(["--set".into(), setting.into()]);
    }
    words.extend(["--device".into(), device.unwrap_or(&global.device).into()]);
    if let Some(threads) = global.threads {
        words.extend(["--threads".into(), threads.to_string().into()]);
    }
    Ok(words)
}

/// The device of the process or task of that number.
pub(super) fn device_of(args: &SweepArgs, number: usize) -> Option<&String> {
    args.devices.get(number % args.devices.len().max(1))
}

/// Starts `--jobs` processes and waits for them.
pub(super) fn workers(global: &GlobalArgs, args: &SweepArgs) -> Result<ExitStatus> {
    let started = |number| start(&command_line(global, args, device_of(args, number))?);
    wait((0..args.jobs).map(started).collect::<Result<_>>()?)
}

/// Gives each task's command to the user's own launcher, `--jobs` of them at a time.
pub(super) fn by_template(
    planned: &PlannedSweep,
    template: &str,
    global: &GlobalArgs,
    args: &SweepArgs,
) -> Result<ExitStatus> {
    if !template.contains("{command}") {
        bail!("--launcher must be local, slurm or a command line that contains {{command}} (found \"{template}\")");
    }
    let mut status = ExitStatus::Success;
    let tasks: Vec<usize> = (0..planned.tasks().len()).collect();
    for some in tasks.chunks(args.jobs) {
        let started = some.iter().map(|&task| {
            let mut words = command_line(global, args, device_of(args, task))?;
            words.extend(["--task".into(), task.to_string().into()]);
            let words: Vec<String> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            start(&["sh".into(), "-c".into(), template.replace("{command}", &words.join(" ")).into()])
        });
        match wait(started.collect::<Result<_>>()?)? {
            ExitStatus::Success => {}
            ExitStatus::Failure => status = ExitStatus::Failure,
            ExitStatus::Interrupted => return Ok(ExitStatus::Interrupted),
        }
    }
    Ok(status)
}

fn start(words: &[OsString]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("the launcher command is empty")?;
    let shown = || format!("cannot start '{}'", program.to_string_lossy());
    Command::new(program).args(arguments).spawn().with_context(shown)
}

/// Waits for all; a signal is passed on once, so that each saves and ends.
fn wait(mut children: Vec<Child>) -> Result<ExitStatus> {
    let interrupt = Interrupt::install()?;
    let (mut told, mut failed, mut interrupted) = (false, false, false);
    while !children.is_empty() {
        if interrupt.requested() && !told {
            told = true;
            for child in &children {
                // SAFETY: a signal to a child that was not waited for yet, whose number is thus still its own.
                unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
            }
        }
        let mut running = Vec::with_capacity(children.len());
        for mut child in children {
            match child.try_wait().context("cannot wait for a process of the sweep")? {
                None => running.push(child),
                Some(status) => match status.code() {
                    Some(0) => {}
                    Some(130) => interrupted = true,
                    Some(1 | 2) => failed = true, // it said why
                    _ => {
                        tracing::error!(
                            "a worker process ended with {status}; rerun the same command to repeat its run"
                        );
                        failed = true;
                    }
                },
            }
        }
        children = running;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(match (interrupted || told, failed) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Failure,
        (false, false) => ExitStatus::Success,
    })
}
