//! One self-contained page for a table: scores beside the published numbers, curves, gallery, failures, how to repeat.
//!
//! No network, no outside file: style, script and thumbnails are inside. Everything that comes from users' files is
//! escaped, in HTML by [`escape`], in the gallery's data by [`gallery::data`], and the script sets text, never markup.

mod chart;
mod gallery;
mod sections;
mod thumbnail;

use crate::experiments::Comparison;
use crate::experiments::result::{DecodingResult, RunResult};

/// A decoding of a run whose captions the gallery can show.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// Rows of the table that show the run.
    pub methods: String,
    pub result: &'a RunResult,
    pub decoding: &'a DecodingResult,
}

/// A run whose curves are drawn: all its finished seeds.
#[derive(Debug, Clone)]
pub struct Curves<'a> {
    pub methods: String,
    pub results: Vec<&'a RunResult>,
}

/// Everything a page shows.
#[derive(Debug)]
pub struct Page<'a> {
    pub comparison: &'a Comparison,
    /// The command that made it.
    pub command: &'a str,
    pub curves: Vec<Curves<'a>>,
    /// The first is shown when the page opens.
    pub shown: Vec<Shown<'a>>,
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page, complete. Reads the images for their thumbnails; an image that cannot be read has a placeholder.
pub fn page(page: &Page) -> String {
    let comparison = page.comparison;
    let title = escape(&comparison.heading());
    let mut body = String::new();
    body.push_str(&sections::header(page));
    body.push_str(&sections::scores(comparison));
    body.push_str(&sections::curves(&page.curves));
    body.push_str(&gallery::section(&page.shown));
    body.push_str(&sections::failures(page));
    body.push_str(&sections::provenance(page));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
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
