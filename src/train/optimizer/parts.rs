//! Which settings of `train.parts` a parameter has.

use crate::train::PartConfig;
use crate::util::suggest;
use anyhow::{Result, bail};

/// The settings of every parameter, by the longest prefix that fits its name. A prefix that fits none is an error that
/// names the nearest one.
pub(super) fn assign<'a>(names: &[&str], parts: &'a [PartConfig]) -> Result<Vec<Option<&'a PartConfig>>> {
    for (index, part) in parts.iter().enumerate() {
        if !names.iter().any(|name| fits(name, &part.prefix)) {
            let prefix = &part.prefix;
            bail!(
                "train.parts.{index}.prefix is '{prefix}', but no parameter of this model starts with it{}",
                suggest::hint(prefix, prefixes(names, prefix).iter().map(String::as_str))
            );
        }
    }
    let part = |name: &&str| parts.iter().filter(|part| fits(name, &part.prefix)).max_by_key(|part| part.prefix.len());
    Ok(names.iter().map(part).collect())
}

/// Whole words only: `gru.1` is no part of `gru.10.weight`.
fn fits(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The prefixes that the names have, as deep as `like`.
fn prefixes(names: &[&str], like: &str) -> Vec<String> {
    let depth = like.split('.').count();
    let mut prefixes: Vec<String> =
        names.iter().map(|name| name.split('.').take(depth).collect::<Vec<_>>().join(".")).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(prefix: &str) -> PartConfig {
        PartConfig { prefix: prefix.into(), lr_scale: 1.0, freeze: false, decay: true, clip_value: None }
    }

    const NAMES: [&str; 4] = ["gru.1.weight", "gru.10.weight", "gru.10.bias", "l3.weight"];

    #[test]
    fn the_longest_prefix_of_whole_words_wins() {
        let parts = [part("gru.10"), part("gru"), part("gru.10.bias")];
        let found: Vec<Option<&str>> =
            assign(&NAMES, &parts).unwrap().into_iter().map(|part| part.map(|part| part.prefix.as_str())).collect();
        assert_eq!(found, [Some("gru"), Some("gru.10"), Some("gru.10.bias"), None]);
    }

    #[test]
    fn an_unknown_prefix_is_an_error_that_names_the_nearest() {
        let error = assign(&NAMES, &[part("gru"), part("gru.11")]).unwrap_err().to_string();
        assert!(error.contains("train.parts.1.prefix is 'gru.11'") && error.contains("did you mean 'gru.1"), "{error}");
        let error = assign(&NAMES, &[part("encoder")]).unwrap_err().to_string();
        assert!(error.ends_with("valid: gru, l3"), "{error}");
    }
}
