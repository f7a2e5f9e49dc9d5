//! How the runs of a sweep stand, the best first.

use super::{Goal, PlannedSweep, number};
use crate::eval::Scores;
use crate::experiments::compare::Measured;
use crate::experiments::runner::FAILURE_FILE;
use crate::runs::result::RunResult;
use crate::util::fs::read_text;
use anyhow::Result;

/// The runs of a sweep with their scores.
#[derive(Debug, Clone)]
pub struct Standings {
    pub name: String,
    /// The score of the validation split that ranks them.
    pub metric: String,
    /// Settings that differ between runs, in order of their paths.
    pub varied: Vec<String>,
    /// Names of the test scores.
    pub columns: Vec<String>,
    /// Finished runs, best first; then the others in their order.
    pub runs: Vec<Standing>,
}

/// One run over its seeds.
#[derive(Debug, Clone)]
pub struct Standing {
    pub number: String,
    /// Values of [`Standings::varied`]; empty where the run leaves the experiment's own.
    pub values: Vec<String>,
    /// The ranking score in the epoch that was kept.
    pub validation: Option<Measured>,
    /// Scores of the test split, one per column.
    pub test: Vec<Option<Measured>>,
    /// `finished`, `2 of 3 seeds`, `failed: ...`, `not run`.
    pub state: String,
}

impl Standings {
    /// Reads what the runs' folders hold.
    pub fn read(planned: &PlannedSweep) -> Result<Self> {
        let differs = |key: &&String| {
            let mut values = planned.settings.iter().map(|settings| settings.get(*key));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        let keys: std::collections::BTreeSet<&String> = planned.settings.iter().flat_map(|s| s.keys()).collect();
        let varied: Vec<String> = keys.into_iter().filter(differs).cloned().collect();
        let mut standings = Self {
            name: planned.sweep.name.clone(),
            metric: planned.sweep.metric.name.clone(),
            varied,
            columns: Vec::new(),
            runs: Vec::new(),
        };
        for (index, run) in planned.plan.runs.iter().enumerate() {
            let (mut validation, mut test, mut failure) = (Vec::new(), Vec::new(), None);
            for &seed in &run.seeds {
                let folder = run.seed_folder(seed);
                match RunResult::load(&folder)? {
                    Some(result) => {
                        validation.extend(standings.validation(&result));
                        test.extend(result.decodings.first().map(|decoding| decoding.scores.clone()));
                    }
                    None => failure = failure.or_else(|| read_text(&folder.join(FAILURE_FILE)).ok()),
                }
            }
            if let Some(scores) = test.first().filter(|_| standings.columns.is_empty()) {
                standings.columns = scores.names().map(String::from).collect();
            }
            let value = |key| planned.settings.get(index).and_then(|s| s.get(key)).cloned().unwrap_or_default();
            let measured =
                |name: &String| Measured::of(&test.iter().filter_map(|s: &Scores| s.get(name)).collect::<Vec<_>>());
            standings.runs.push(Standing {
                number: number(index),
                values: standings.varied.iter().map(value).collect(),
                validation: Measured::of(&validation),
                test: standings.columns.iter().map(measured).collect(),
                state: match (test.len(), run.seeds.len(), failure) {
                    (done, all, _) if done == all => "finished".into(),
                    (_, _, Some(why)) => format!("failed: {}", why.trim()),
                    (0, _, None) => "not run".into(),
                    (done, all, None) => format!("{done} of {all} seeds"),
                },
            });
        }
        let sign = if planned.sweep.metric.goal == Goal::Maximize { -1.0 } else { 1.0 };
        let rank = |run: &Standing| run.validation.as_ref().map_or(f64::INFINITY, |measured| sign * measured.mean);
        standings.runs.sort_by(|a, b| rank(a).total_cmp(&rank(b))); // stable: the others keep their order
        for run in &mut standings.runs {
            run.test.resize(standings.columns.len(), None);
        }
        Ok(standings)
    }

    fn validation(&self, result: &RunResult) -> Option<f64> {
        result.curve.iter().find(|record| record.epoch == result.best_epoch)?.validation.get(&self.metric)
    }
}
