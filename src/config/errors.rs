//! What is wrong with an experiment, all of it at once, each fault with its place and the line it stands in.

use super::sources::Sources;
use super::tree::Place;
use std::fmt;

/// One thing wrong with a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub place: Option<Place>,
    /// Dotted path of the setting; empty for the whole file.
    pub path: String,
    pub message: String,
}

/// Every fault of one file and its bases, ready to print.
#[derive(Debug, Clone)]
pub struct ConfigError {
    /// What the file describes.
    what: &'static str,
    lines: Vec<String>,
}

impl ConfigError {
    /// Sorts the faults by file (the one asked for, then its bases), line and column; overrides come last.
    pub fn new(what: &'static str, mut faults: Vec<Fault>, sources: &Sources) -> Self {
        faults.sort_by_key(|fault| fault.place);
        faults.dedup();
        Self { what, lines: faults.iter().map(|fault| describe(fault, sources)).collect() }
    }

    /// How many faults there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.len() > 1 {
            writeln!(f, "{} faults in the {}", self.lines.len(), self.what)?;
        }
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

fn describe(fault: &Fault, sources: &Sources) -> String {
    let what = match fault.path.as_str() {
        "" => fault.message.clone(),
        path => format!("{path}: {}", fault.message),
    };
    let Some((place, source)) = fault.place.and_then(|place| Some((place, sources.get(place.source)?))) else {
        return what;
    };
    let head = format!("{}: {what}", sources.location(place));
    match excerpt(&source.text, place).filter(|_| !source.is_override) {
        Some(excerpt) => format!("{head}\n{excerpt}"),
        None => head,
    }
}

/// The line, numbered, and carets under the part that the fault is about.
fn excerpt(text: &str, place: Place) -> Option<String> {
    let line = text.lines().nth(place.line - 1)?.replace('\t', " ");
    let number = place.line.to_string();
    let rest = line.chars().count().saturating_sub(place.column - 1).max(1);
    let carets = "^".repeat(place.width.min(rest));
    let gap = " ".repeat(place.column - 1);
    Some(format!("  {number} | {line}\n  {:1$} | {gap}{carets}", "", number.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_fault_and_ends_with_the_line() {
        let place = Place { source: 0, line: 2, column: 7, width: 99 };
        assert_eq!(excerpt("a:\n  lr: fast\n", place).unwrap(), "  2 |   lr: fast\n    |       ^^^^");
        assert_eq!(excerpt("a: 1", place), None);
    }
}
