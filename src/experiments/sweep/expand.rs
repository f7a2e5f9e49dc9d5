//! From parameters to the settings of each run.

use super::{Method, Parameter, Sweep};
use crate::config::value_text;
use crate::util::rng::Rng;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// More runs than this are a slip of the pen.
const MOST: usize = 100_000;

impl Sweep {
    /// What each run changes, by dotted path, values as overrides are written.
    pub(super) fn expand(&self) -> Result<Vec<BTreeMap<String, String>>> {
        if self.method == Method::List {
            return Ok(self.listed());
        }
        let axis =
            |(name, parameter): (_, &Parameter)| (name, parameter.all().map(value_text).collect::<Vec<String>>());
        let axes: Vec<(&String, Vec<String>)> = self.parameters.iter().map(axis).collect();
        let total = axes.iter().try_fold(1usize, |product, (_, values)| product.checked_mul(values.len()));
        let total = total.filter(|&total| total <= MOST).with_context(|| {
            format!("the parameters of '{}' give more than {MOST} runs; use method 'random'", self.name)
        })?;
        let combination = |mut number: usize| {
            let mut settings = BTreeMap::new();
            for (name, values) in axes.iter().rev() {
                if let Some(value) = values.get(number % values.len()) {
                    settings.insert((*name).clone(), value.clone());
                }
                number /= values.len();
            }
            settings
        };
        let mut chosen: Vec<usize> = (0..total).collect();
        if self.method == Method::Random {
            Rng::new(&[self.seed]).shuffle(&mut chosen);
            chosen.truncate(self.run_cap.unwrap_or(total));
        }
        Ok(chosen.into_iter().map(combination).collect())
    }

    fn listed(&self) -> Vec<BTreeMap<String, String>> {
        let own = |(name, value): (&String, &Value)| (name.clone(), value_text(value));
        let shared: BTreeMap<String, String> = self
            .parameters
            .iter()
            .filter_map(|(name, parameter)| Some((name, parameter.value.as_ref()?)))
            .map(own)
            .collect();
        let with_own = |run: &BTreeMap<String, Value>| {
            let mut settings = shared.clone();
            settings.extend(run.iter().map(own));
            settings
        };
        self.runs.iter().map(with_own).collect()
    }
}

impl Parameter {
    fn all(&self) -> impl Iterator<Item = &Value> {
        self.value.iter().chain(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> Sweep {
        serde_yaml::from_str(&format!("name: s\nexperiment: e.yaml\nmetric: {{name: CIDEr}}\n{text}")).unwrap()
    }

    fn shown(settings: &[BTreeMap<String, String>]) -> Vec<String> {
        let one = |settings: &BTreeMap<String, String>| {
            settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        settings.iter().map(one).collect()
    }

    #[test]
    fn a_grid_is_every_combination_with_the_last_parameter_fastest() {
        let sweep = sweep("parameters: {a: {values: [1, 2]}, b: {values: [x, [y, z]]}, c: {value: true}}\n");
        let runs = ["a=1 b=x c=true", "a=1 b=[\"y\",\"z\"] c=true", "a=2 b=x c=true", "a=2 b=[\"y\",\"z\"] c=true"];
        assert_eq!(shown(&sweep.expand().unwrap()), runs);
    }

    #[test]
    fn a_list_is_taken_in_order_over_the_shared_values() {
        let sweep = sweep("method: list\nparameters: {a: {value: 1}}\nruns: [{b: 2}, {a: 3}]\n");
        assert_eq!(shown(&sweep.expand().unwrap()), ["a=1 b=2", "a=3"]);
    }

    #[test]
    fn random_runs_are_different_and_the_same_each_time() {
        let sweep = sweep("method: random\nrun_cap: 5\nparameters: {a: {values: [1, 2, 3]}, b: {values: [1, 2, 3]}}\n");
        let mut runs = shown(&sweep.expand().unwrap());
        assert_eq!(runs, shown(&sweep.expand().unwrap()));
        runs.sort();
        runs.dedup();
        assert_eq!(runs.len(), 5);
    }

    #[test]
    fn too_many_runs_are_refused() {
        let values: Vec<String> = (0..100).map(|value| value.to_string()).collect();
        let axis = format!("{{values: [{}]}}", values.join(", "));
        let sweep = sweep(&format!("parameters: {{a: {axis}, b: {axis}, c: {axis}}}\n"));
        assert!(sweep.expand().unwrap_err().to_string().contains("more than 100000 runs"));
    }
}
