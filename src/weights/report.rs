//! Loading by name, with an account of every tensor.

use super::finite::{NotFinite, not_finite};
use super::names::{self, Reading, is_of_no_use};
use super::{StateDict, clip};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use tch::Tensor;
use tch::nn::VarStore;

/// A tensor whose shape in the file is not the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    pub name: String,
    pub expected: Vec<i64>,
    pub found: Vec<i64>,
}

/// What became of each tensor: every name of the network is matched, missing or clashing; every other name of the file
/// is set aside (known and of no use here) or unexpected. Each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    pub matched: Vec<String>,
    pub missing: Vec<String>,
    pub clashing: Vec<Clash>,
    pub unexpected: Vec<String>,
    /// Classification heads where the network has none, batch counters, and what stands beside the network where that
    /// is whole below a prefix.
    pub set_aside: Vec<String>,
    /// Matched tensors with NaN or infinity.
    pub not_finite: Vec<NotFinite>,
    /// Prefixes below which the file has the whole network, where there are several.
    pub rivals: Vec<String>,
}

impl LoadReport {
    /// An error where a tensor is missing, clashing or unexpected, where numbers are none, and where several networks
    /// could be meant.
    pub fn check(&self, path: &Path) -> Result<()> {
        let path = path.display();
        if !(self.missing.is_empty() && self.clashing.is_empty() && self.unexpected.is_empty()) {
            bail!("'{path}' does not match the model: {self}; use complete weights of the same architecture");
        }
        if !self.rivals.is_empty() {
            let rivals: Vec<String> = self.rivals.iter().map(|prefix| format!("'{prefix}'")).collect();
            bail!("'{path}' contains the model several times, under {}; save one of them alone", rivals.join(" and "));
        }
        if let Some(first) = self.not_finite.first() {
            let more = match self.not_finite.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more tensors"),
            };
            bail!("'{path}' is damaged, or of a training that diverged: tensor {first}{more}; use other weights");
        }
        Ok(())
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.matched.len() + self.missing.len() + self.clashing.len();
        write!(f, "{} of {wanted} tensors matched", self.matched.len())?;
        let clashing: Vec<String> = self
            .clashing
            .iter()
            .map(|clash| format!("{} is {:?}, expected {:?}", clash.name, clash.found, clash.expected))
            .collect();
        for (what, names) in [
            ("missing", &self.missing),
            ("shape-clashing", &clashing),
            ("unexpected", &self.unexpected),
            ("set aside", &self.set_aside),
        ] {
            if !names.is_empty() {
                let shown = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = if names.len() > 3 { ", ..." } else { "" };
                write!(f, "; {} {what} ({shown}{more})", names.len())?;
            }
        }
        Ok(())
    }
}

/// Copies the tensors of a file into the parameters of the same name, whatever the floating-point type of the file.
///
/// The prefix of a wrapper (`module.`, `module.backbone.` ...), a left-out `features.` and torchvision's old names are
/// seen through, and so are Hugging Face's of CLIP. Nothing is judged here: ask [`LoadReport::check`].
pub fn load(store: &mut VarStore, dict: &StateDict) -> LoadReport {
    load_variables(&store.variables().into_iter().collect::<Vec<_>>(), dict)
}

/// [`load`] for the named variables of a part of a store.
pub fn load_variables(variables: &[(String, Tensor)], dict: &StateDict) -> LoadReport {
    let shared = variables.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
    let mut parameters: BTreeMap<String, Tensor> = shared.collect();
    let wanted: BTreeSet<&str> = parameters.keys().map(String::as_str).collect();
    let renamed = clip::openai_names(dict);
    let dict = renamed.as_ref().unwrap_or(dict);
    let Reading { tensors, outside, rivals } = names::read(dict, &wanted);
    let mut report = LoadReport { set_aside: outside, rivals, ..LoadReport::default() };
    let mut found = BTreeSet::new();
    for (name, tensor) in tensors {
        match parameters.get_mut(&name) {
            Some(parameter) if parameter.size() == tensor.size() => {
                report.not_finite.extend(not_finite(&name, tensor));
                tch::no_grad(|| parameter.copy_(tensor));
                report.matched.push(name.clone());
            }
            Some(parameter) => {
                report.clashing.push(Clash { name: name.clone(), expected: parameter.size(), found: tensor.size() });
            }
            None if is_of_no_use(&name) => report.set_aside.push(name.clone()),
            None => report.unexpected.push(name.clone()),
        }
        found.insert(name);
    }
    report.set_aside.sort();
    report.missing = parameters.into_keys().filter(|name| !found.contains(name)).collect();
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn store() -> VarStore {
        let store = VarStore::new(Device::Cpu);
        let root = store.root() / "features";
        let _ = (root.zeros("a_weight", &[2]), (&root / "conv").zeros("weight", &[2, 3]));
        store
    }

    fn dict(tensors: &[(&str, &[i64])]) -> StateDict {
        let tensors = tensors
            .iter()
            .map(|(name, shape)| ((*name).to_owned(), Tensor::ones(*shape, (Kind::Half, Device::Cpu))))
            .collect();
        StateDict { path: "w.safetensors".into(), format: crate::weights::Format::Safetensors, tensors }
    }

    #[test]
    fn every_tensor_is_accounted_for() {
        let dict = dict(&[
            ("features.conv.weight", &[3, 2]),
            ("features.norm.num_batches_tracked", &[1]),
            ("fc.weight", &[5, 5]),
            ("features.other", &[1]),
        ]);
        let report = load(&mut store(), &dict);
        assert_eq!(report.matched, [""; 0]);
        assert_eq!(report.missing, ["features.a_weight"]);
        assert_eq!(report.clashing[0].expected, [2, 3]);
        assert_eq!(report.unexpected, ["features.other"]);
        assert_eq!(report.set_aside, ["fc.weight", "features.norm.num_batches_tracked"]);
        let message = report.check(&dict.path).unwrap_err().to_string();
        assert!(message.contains("features.conv.weight is [3, 2], expected [2, 3]"), "{message}");
    }

    #[test]
    fn prefixes_are_seen_through_and_half_precision_becomes_float() {
        for prefix in ["features.", "", "module.features.", "module.", "backbone.features.", "model.encoder.net."] {
            let (conv, a) = (format!("{prefix}conv.weight"), format!("{prefix}a_weight"));
            let mut store = store();
            let report = load(&mut store, &dict(&[(&conv, &[2, 3]), (&a, &[2])]));
            report.check(Path::new("w")).unwrap_or_else(|error| panic!("{prefix}: {error}"));
            let weight = store.variables().remove("features.conv.weight").unwrap();
            assert_eq!((weight.kind(), weight.sum(Kind::Double).double_value(&[])), (Kind::Float, 6.0));
        }
    }

    #[test]
    fn what_stands_beside_a_whole_network_is_set_aside() {
        let file = dict(&[("net.conv.weight", &[2, 3]), ("net.a_weight", &[2]), ("queue", &[4, 4])]);
        let report = load(&mut store(), &file);
        report.check(&file.path).unwrap();
        assert_eq!(report.set_aside, ["queue"]);
    }

    #[test]
    fn a_file_with_the_network_twice_is_refused() {
        let file = dict(&[
            ("encoder_k.conv.weight", &[2, 3]),
            ("encoder_k.a_weight", &[2]),
            ("encoder_q.conv.weight", &[2, 3]),
            ("encoder_q.a_weight", &[2]),
        ]);
        let message = load(&mut store(), &file).check(&file.path).unwrap_err().to_string();
        assert!(message.contains("several times, under 'encoder_k.' and 'encoder_q.'"), "{message}");
    }

    #[test]
    fn numbers_that_are_none_are_refused_by_tensor_count_and_place() {
        let mut file = dict(&[("conv.weight", &[2, 3]), ("a_weight", &[2])]);
        let weight = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, f32::NAN, f32::INFINITY]).view([2, 3]);
        file.tensors.insert("conv.weight".into(), weight);
        let message = load(&mut store(), &file).check(&file.path).unwrap_err().to_string();
        assert!(
            message
                .contains("'features.conv.weight' has 2 of 6 values that are no finite numbers, the first at [1, 1]"),
            "{message}"
        );
    }

    #[test]
    fn names_of_published_densenet_files_are_understood() {
        assert_eq!(
            names::modern("features.denseblock1.denselayer1.norm.1.weight"),
            "features.denseblock1.denselayer1.norm1.weight"
        );
        assert_eq!(names::modern("layer1.0.conv1.weight"), "layer1.0.conv1.weight");
        let file = dict(&[("module.features.denseblock1.denselayer1.conv.2.weight", &[2, 3])]);
        assert_eq!(file.shape_of("features.denseblock1.denselayer1.conv2.weight"), Some(vec![2, 3]));
        assert_eq!(file.shape_of("features.denseblock1.denselayer1.conv1.weight"), None);
    }
}
