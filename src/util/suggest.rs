//! "Did you mean": the nearest valid name for a misspelt one.

/// `; did you mean 'x'?` where a name is near enough, else the list of valid names.
pub fn hint<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let valid: Vec<&str> = valid.into_iter().collect();
    match nearest(wrong, valid.iter().copied()) {
        Some(name) => format!("; did you mean '{name}'?"),
        None => format!("; valid: {}", valid.join(", ")),
    }
}

/// The valid name most like `wrong`, if any is like it at all.
pub fn nearest<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    valid
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_nonsense_gets_the_list() {
        assert_eq!(nearest("paitence", ["patience", "metric"]), Some("patience"));
        assert_eq!(hint("zzz", ["patience", "metric"]), "; valid: patience, metric");
    }
}
