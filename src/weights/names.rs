//! Names of tensors in files and in networks: prefixes of the programs that saved them, and torchvision's old names.

use super::StateDict;
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

/// The part that holds the convolutions in torchvision's DenseNet, VGG and others; some files leave it away.
pub(super) const FEATURES: &str = "features.";
/// Classification heads, which an encoder does without, and BERT's.
const HEADS: [&str; 6] = ["fc.", "classifier.", "head.", "aux1.", "aux2.", "pooler."];

/// What CLIP's and BERT's files hold beside the transformers, and CLIP's image transformer beside its features.
const BESIDE: [&str; 8] = [
    "proj",
    "logit_scale",
    "logit_bias",
    "input_resolution",
    "context_length",
    "vocab_size",
    "attn_mask",
    "embeddings.position_ids",
];

/// How the names of a file are read for a network.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The tensors by the network's names, in order.
    pub tensors: BTreeMap<String, &'a Tensor>,
    /// Tensors outside the network's prefix, where the network is complete below it.
    pub outside: Vec<String>,
    /// Prefixes below which the file has the whole network, where there are several.
    pub rivals: Vec<String>,
}

/// Whether a tensor that the network does not have is no fault.
pub(super) fn is_of_no_use(name: &str) -> bool {
    name.ends_with("num_batches_tracked") || HEADS.iter().any(|head| name.starts_with(head)) || BESIDE.contains(&name)
}

/// torchvision's published DenseNet files say `norm.1`, `conv.2` where its module says `norm1`, `conv2`.
pub(super) fn modern(name: &str) -> String {
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

/// The prefixes that a program may have put before a name: `""`, `module.`, `module.encoder.`, ... A number is a
/// layer's and in no such prefix.
pub(super) fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices('.').map(|(place, _)| place + 1);
    let wrapper = |prefix: &&str| !prefix.bytes().any(|byte| byte.is_ascii_digit());
    std::iter::once(0).chain(ends).filter_map(|end| name.get(..end)).take_while(wrapper)
}

/// The reading of a file that meets most of `names`; of equal ones that with the shortest prefix.
pub(super) fn read<'a>(dict: &'a StateDict, names: &BTreeSet<&str>) -> Reading<'a> {
    let counts = count(dict, names);
    let most = counts.values().copied().max().unwrap_or(0);
    let best: Vec<(&str, &str)> = counts.iter().filter(|(_, count)| **count == most).map(|(key, _)| *key).collect();
    let complete = most == names.len();
    let (prefix, added) =
        best.iter().copied().min_by_key(|(prefix, added)| (prefix.len(), added.len())).unwrap_or_default();
    let mut tensors = BTreeMap::new();
    let mut outside = Vec::new();
    for (name, tensor) in &dict.tensors {
        match name.strip_prefix(prefix) {
            None if complete => outside.push(name.clone()),
            below => _ = tensors.insert(rename(below.unwrap_or(name), added, names), tensor),
        }
    }
    let rivals = if complete && best.len() > 1 {
        best.iter().map(|(prefix, _)| (*prefix).to_owned()).collect()
    } else {
        Vec::new()
    };
    Reading { tensors, outside, rivals }
}

/// How many of `names` the file has under each prefix that is taken away and each that is added.
fn count<'a>(dict: &'a StateDict, names: &BTreeSet<&str>) -> BTreeMap<(&'a str, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for name in dict.tensors.keys() {
        for prefix in prefixes(name) {
            let bare = modern(name.get(prefix.len()..).unwrap_or_default());
            for added in ["", FEATURES].into_iter().filter(|added| added.is_empty() || !prefix.ends_with(added)) {
                if names.contains(format!("{added}{bare}").as_str()) {
                    *counts.entry((prefix, added)).or_insert(0) += 1;
                }
            }
        }
    }
    counts
}

fn rename(name: &str, added: &str, names: &BTreeSet<&str>) -> String {
    let name = modern(name);
    let whole = format!("{added}{name}");
    // A head stands beside `features.`, not below it.
    if added.is_empty() || names.contains(whole.as_str()) || !is_of_no_use(&name) { whole } else { name }
}
