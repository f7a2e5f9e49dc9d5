//! A sweep as a Slurm job array: a task a run and seed, requeued from its checkpoint when it is stopped.

use super::launch::{command_line, device_of};
use crate::cli::{GlobalArgs, SweepArgs};
use crate::commands::ExitStatus;
use crate::experiments::sweep::PlannedSweep;
use crate::util::fs::write_atomic;
use crate::util::shell::quoted;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::Command;

/// Seconds before a job's end at which it is told to save.
const NOTICE: u32 = 120;

/// Writes the script beside the runs and submits it; with `--dry-run` prints it.
pub(super) fn submit(planned: &PlannedSweep, global: &GlobalArgs, args: &SweepArgs) -> Result<ExitStatus> {
    let script = script(planned, global, args)?;
    let mut out = std::io::stdout().lock();
    if args.dry_run {
        out.write_all(script.as_bytes())?;
        return Ok(ExitStatus::Success);
    }
    let path = planned.folder.join("sweep.sbatch");
    write_atomic(&path, script.as_bytes())?;
    let output = Command::new("sbatch").args(&args.sbatch).arg(&path).output().context(
        "cannot start 'sbatch': --launcher slurm needs a Slurm submit host; use --launcher local to run on this \
        machine",
    )?;
    if !output.status.success() {
        bail!("sbatch refused '{}': {}", path.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    out.write_all(&output.stdout)?;
    writeln!(out, "When all tasks have finished, print the table with 'rsic sweep {}'.", args.sweep.display())?;
    Ok(ExitStatus::Success)
}

fn script(planned: &PlannedSweep, global: &GlobalArgs, args: &SweepArgs) -> Result<String> {
    let words = command_line(global, args, device_of(args, 0))?;
    let words: Vec<String> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
    let last = planned.tasks().len().saturating_sub(1);
    let at_a_time = if args.jobs > 1 { format!("%{}", args.jobs) } else { String::new() };
    let log = std::path::absolute(&planned.folder).context("cannot determine the output folder")?;
    let here = std::env::current_dir().context("cannot determine the working directory")?;
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --job-name=rsic-{name}
#SBATCH --array=0-{last}{at_a_time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@{NOTICE}
#SBATCH --output={log}/task-%a.log

cd {here}
trap 'kill -USR1 "$task"' USR1 TERM
{command} --task "$SLURM_ARRAY_TASK_ID" &
task=$!
# A trapped signal ends the first wait before the task has ended.
while wait "$task"; status=$?; kill -0 "$task" 2> /dev/null; do :; done
# Stopped by a signal, with a checkpoint to go on from; or killed, which may be the machine's fault, three times.
if [ "$status" -eq 130 ] || {{ [ "$status" -eq 137 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt 3 ]; }}; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$status"
"#,
        name = planned.sweep.name,
        log = log.display(),
        here = quoted(&here.to_string_lossy()),
        command = words.join(" "),
    ))
}
