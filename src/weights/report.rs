//! Loading by name, with an account of every tensor.

use super::StateDict;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use tch::Tensor;
use tch::nn::VarStore;

/// Prefixes that training programs put before every name.
pub(super) const WRAPPERS: [&str; 6] = ["", "module.", "model.", "backbone.", "encoder.", "module.model."];
/// The part that holds the convolutions in torchvision's DenseNet, VGG and others; some files leave it away.
pub(super) const FEATURES: &str = "features.";
/// Classification heads, which an encoder does without.
const HEADS: [&str; 5] = ["fc.", "classifier.", "head.", "aux1.", "aux2."];

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
    /// Classification heads where the network has none, and batch counters.
    pub set_aside: Vec<String>,
}

impl LoadReport {
    /// An error where a tensor is missing, clashing or unexpected.
    pub fn check(&self, path: &Path) -> Result<()> {
        if self.missing.is_empty() && self.clashing.is_empty() && self.unexpected.is_empty() {
            return Ok(());
        }
        bail!("'{}' does not match the model: {self}; use complete weights of the same architecture", path.display())
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
/// A wrapper's prefix (`module.` ...) and a left-out `features.` are seen through. Nothing is judged here: ask
/// [`LoadReport::check`].
pub fn load(store: &mut VarStore, dict: &StateDict) -> LoadReport {
    load_variables(&store.variables().into_iter().collect::<Vec<_>>(), dict)
}

/// [`load`] for the named variables of a part of a store.
pub fn load_variables(variables: &[(String, Tensor)], dict: &StateDict) -> LoadReport {
    let shared = variables.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
    let mut parameters: BTreeMap<String, Tensor> = shared.collect();
    let names: BTreeSet<&str> = parameters.keys().map(String::as_str).collect();
    let renamed = best_renaming(dict, &names);
    let mut report = LoadReport::default();
    let mut found = BTreeSet::new();
    for (name, tensor) in renamed {
        match parameters.get_mut(&name) {
            Some(parameter) if parameter.size() == tensor.size() => {
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
    report.missing = parameters.into_keys().filter(|name| !found.contains(name)).collect();
    report
}

fn is_of_no_use(name: &str) -> bool {
    name.ends_with("num_batches_tracked") || HEADS.iter().any(|head| name.starts_with(head))
}

/// The tensors of the file under the renaming that meets most of `names`, in order.
fn best_renaming<'a>(dict: &'a StateDict, names: &BTreeSet<&str>) -> BTreeMap<String, &'a tch::Tensor> {
    let candidates = WRAPPERS.iter().flat_map(|wrapper| ["", FEATURES].map(|added| (*wrapper, added)));
    let renamings = candidates.map(|(wrapper, added)| {
        let rename = |name: &str| {
            let name = densenet_name(name.strip_prefix(wrapper).unwrap_or(name));
            let bare = format!("{added}{name}");
            // A head stands beside `features.`, not below it.
            if added.is_empty() || names.contains(bare.as_str()) || !is_of_no_use(&name) { bare } else { name }
        };
        dict.tensors.iter().map(|(name, tensor)| (rename(name), tensor)).collect::<BTreeMap<_, _>>()
    });
    let met = |renaming: &BTreeMap<String, _>| renaming.keys().filter(|name| names.contains(name.as_str())).count();
    let mut best: Option<(usize, BTreeMap<String, &tch::Tensor>)> = None;
    for renaming in renamings {
        let count = met(&renaming);
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, renaming));
        }
    }
    best.map(|(_, renaming)| renaming).unwrap_or_default()
}

/// torchvision's published DenseNet files say `norm.1`, `conv.2` where its module says `norm1`, `conv2`.
fn densenet_name(name: &str) -> String {
    let mut name = name.to_owned();
    if name.contains("denselayer") {
        for (old, new) in
            [(".norm.1.", ".norm1."), (".norm.2.", ".norm2."), (".conv.1.", ".conv1."), (".conv.2.", ".conv2.")]
        {
            name = name.replace(old, new);
        }
    }
    name
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
        for prefix in ["features.", "", "module.features.", "module.", "backbone.features."] {
            let (conv, a) = (format!("{prefix}conv.weight"), format!("{prefix}a_weight"));
            let mut store = store();
            let report = load(&mut store, &dict(&[(&conv, &[2, 3]), (&a, &[2])]));
            report.check(Path::new("w")).unwrap_or_else(|error| panic!("{prefix}: {error}"));
            let weight = store.variables().remove("features.conv.weight").unwrap();
            assert_eq!((weight.kind(), weight.sum(Kind::Double).double_value(&[])), (Kind::Float, 6.0));
        }
    }

    #[test]
    fn names_of_published_densenet_files_are_understood() {
        assert_eq!(
            densenet_name("features.denseblock1.denselayer1.norm.1.weight"),
            "features.denseblock1.denselayer1.norm1.weight"
        );
        assert_eq!(densenet_name("layer1.0.conv1.weight"), "layer1.0.conv1.weight");
    }
}
