//! Markdown, CSV and HTML of scores and captions.
