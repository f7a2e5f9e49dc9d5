//! One self-contained page for tables, reports of runs and comparisons: scores beside the published numbers, curves,
//! wording, gallery, failures, settings, how to repeat.
//!
//! No network, no outside file: style, script and thumbnails are inside. Everything that comes from users' files is
//! escaped, in HTML by [`escape`], in the gallery's data by [`data::json`], and the script sets text, never markup.

mod chart;
mod curves;
mod data;
mod differences;
mod gallery;
mod scores;
mod sections;
mod thumbnail;
mod wording;

pub use differences::{Differences, MetricDifference};

use crate::experiments::Comparison;
use crate::runs::result::{DecodingResult, RunResult};

/// A decoding of a run whose captions the gallery can show.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// Rows of the table that show the run.
    pub methods: String,
    pub result: &'a RunResult,
    pub decoding: &'a DecodingResult,
}

impl Shown<'_> {
    /// `FE-LWS, beam 5, seed 1`.
    fn label(&self) -> String {
        format!("{}, {}, seed {}", self.methods, self.decoding.name, self.result.seed)
    }
}

/// A run whose curves are drawn: all its finished seeds.
#[derive(Debug, Clone)]
pub struct Curves<'a> {
    pub methods: String,
    pub results: Vec<&'a RunResult>,
}

/// What a run's folder says of how it was made.
#[derive(Debug, Clone)]
pub struct Details {
    /// `FE-LWS, seed 1`.
    pub name: String,
    pub folder: String,
    pub command: Option<String>,
    /// The resolved settings, YAML.
    pub config: String,
}

/// Everything a page shows.
#[derive(Debug)]
pub struct Page<'a> {
    pub comparison: &'a Comparison,
    /// The command that made it.
    pub command: &'a str,
    /// Of the first two of `shown`, where the page compares two systems.
    pub differences: Option<&'a Differences>,
    pub curves: Vec<Curves<'a>>,
    /// The first is shown when the page opens.
    pub shown: Vec<Shown<'a>>,
    pub details: Vec<Details>,
}

const STYLE: &str = include_str!("style.css");
const SCRIPTS: [&str; 3] = [include_str!("page.js"), include_str!("gallery.js"), include_str!("detail.js")];

/// The page, complete. Reads the images for their thumbnails; an image that cannot be read has a placeholder.
pub fn page(page: &Page) -> String {
    let comparison = page.comparison;
    let title = escape(&comparison.heading());
    let mut body = String::new();
    body.push_str(&sections::header(page));
    body.push_str(&scores::section(comparison));
    if let Some(differences) = page.differences {
        body.push_str(&differences::section(differences));
    }
    body.push_str(&curves::section(&page.curves));
    body.push_str(&wording::section(&page.shown));
    body.push_str(&gallery::section(&page.shown, page.differences.is_some()));
    body.push_str(&sections::failures(page));
    body.push_str(&sections::provenance(page));
    let script = SCRIPTS.join("\n");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
         <script>\n\"use strict\";\n(() => {{\n{script}}})();\n</script>\n</body>\n</html>\n"
    )
}

/// Text as HTML text or attribute value.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(escape("<a href='x'>\"&\""), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;");
    }
}
