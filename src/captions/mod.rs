//! Caption files of every known format as one list of [`Record`]s: what `data` trains on and what the metrics take for
//! references. [`parse_captions`] is a pure function of the bytes; [`find`] and [`read`] open files.
//!
//! The content decides the format, never the file's name:
//!
//! | content | format |
//! | --- | --- |
//! | JSON object with `images` and `annotations` | COCO captions |
//! | JSON object with `images` | Karpathy (UCM-, Sydney-Captions, RSICD) |
//! | JSON object of lists, keyed by class | NWPU-Captions |
//! | JSON list of objects, or one JSON object a line | rows with `image` and `caption` (JSONL) |
//! | anything else | CSV or TSV rows with image and caption |

mod coco;
mod files;
mod json;
mod karpathy;
mod nwpu;
mod rows;
mod split;
mod twins;
mod values;

use anyhow::{Result, anyhow, bail};
use json::Shape;

pub use files::{DEFAULT, Files, display, find, read};
pub use split::Split;
pub use twins::join;

/// One image of a caption file, as the file has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Number of the image in the file; its position where the file gives none.
    pub id: u64,
    /// The id as the file writes it, number or text.
    pub given_id: Option<String>,
    /// As written in the file.
    pub file_name: String,
    /// Folder below the image folder in which the image lies, where the format tells one.
    pub folder: Option<String>,
    pub split: Option<Split>,
    pub class: Option<String>,
    pub sentences: Vec<Sentence>,
}

/// One caption, as the file has it: at least one of the two fields is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sentence {
    pub tokens: Option<Vec<String>>,
    pub raw: Option<String>,
}

/// What a caption file says.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptionFile {
    pub format: Format,
    /// The dataset's own name, where the file gives one.
    pub name: Option<String>,
    pub records: Vec<Record>,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Karpathy,
    Nwpu,
    Coco,
    Rows,
    Csv,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Karpathy => "Karpathy JSON",
            Self::Nwpu => "NWPU-Captions JSON",
            Self::Coco => "COCO captions JSON",
            Self::Rows => "JSON rows",
            Self::Csv => "CSV",
        }
    }
}

/// Reads a caption file of any known format.
///
/// Errors begin with `LINE:COLUMN: ` (CSV: `LINE: `) where a place is known, so that a caller may put the file's name
/// and a colon before them.
pub fn parse_captions(bytes: &[u8]) -> Result<CaptionFile> {
    // Names out of the file stand in the messages: nothing in them may break the line or drive a terminal.
    parse(bytes).map_err(|error| anyhow!("{}", format!("{error:#}").replace(char::is_control, "\u{fffd}")))
}

/// Whether a JSON object is a dataset's own file: Karpathy's form or NWPU-Captions', whose lists hold images.
pub fn is_dataset(text: &str) -> bool {
    let holds_images = || {
        let first = text.split_once('[').and_then(|(_, rest)| rest.trim_start().strip_prefix('{'));
        first.is_some_and(|rest| rest.split('}').next().unwrap_or_default().contains("\"filename\""))
    };
    match json::shape(text.as_bytes()) {
        Ok(Shape::Karpathy) => true,
        Ok(Shape::Nwpu) => holds_images(),
        _ => false,
    }
}

/// Whether a first line is of Flickr8k's form, `NAME#NUMBER<TAB>CAPTION`.
pub fn is_flickr(line: &str) -> bool {
    rows::flickr_name(line).is_some()
}

/// Whether a first line names the columns of a CSV or TSV file.
pub fn names_columns(line: &str) -> bool {
    rows::names_columns(line)
}

/// Refuses what is not UTF-8, and names the place and what it seems to be.
fn check_encoding(bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(b"\x1f\x8b") {
        bail!("the file is compressed by gzip; unpack it with 'gunzip'");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        bail!("the file is a zip archive or a spreadsheet; unpack it, or save the sheet as CSV");
    }
    // JSON and CSV begin with an ASCII character, which UTF-16 and UTF-32 fill up with a zero byte.
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=127, ..] | [1..=127, 0, ..]) {
        bail!("1:1: the file is not UTF-8 but UTF-16; save it as UTF-8");
    }
    let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
    let (before, rest) = bytes.split_at(error.valid_up_to());
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    let byte = rest.first().copied().unwrap_or_default();
    bail!("{line}:{column}: the file is not UTF-8 (byte 0x{byte:02X}), perhaps Latin-1; save it as UTF-8")
}

fn parse(bytes: &[u8]) -> Result<CaptionFile> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    check_encoding(bytes)?;
    let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        bail!("the caption file is empty");
    };
    let file = match first {
        b'{' => match json::shape(bytes)? {
            Shape::Karpathy => karpathy::parse(bytes)?,
            Shape::Coco => coco::parse(bytes)?,
            Shape::Nwpu => nwpu::parse(bytes)?,
            Shape::Lines => rows::parse_lines(bytes)?,
        },
        b'[' => rows::parse_list(bytes)?,
        _ => rows::parse_csv(bytes)?,
    };
    if file.records.is_empty() {
        bail!("the caption file has no images ({})", file.format.name());
    }
    Ok(file)
}
