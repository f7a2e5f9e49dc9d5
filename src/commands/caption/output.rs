//! What `rsic caption` writes: one record an image, as text, CSV or JSON lines; and reading it back.

use crate::cli::{CaptionArgs, CaptionFormat};
use crate::runs::Explanation;
use crate::session::Decoded;
use crate::util::csv::to_csv;
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The columns of CSV, as far as they are asked for: those of nouns leave none out before them.
const HEADER: [&str; 5] = ["file", "caption", "log_prob", "attributes", "nouns"];

/// An image's fields: file, caption and, in CSV, its log-probability; then its attributes and its nouns where they are
/// asked for. In JSON lines its line.
pub(super) type Record = Vec<String>;

/// Records by image.
pub(super) type Records = BTreeMap<String, Record>;

/// The path; bytes that are no text are written `\xNN`, so that different names stay different.
pub(super) fn name(path: &Path) -> String {
    let chunks = path.as_os_str().as_encoded_bytes().utf8_chunks();
    chunks.fold(String::new(), |mut name, chunk| {
        name.push_str(chunk.valid());
        name.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        name
    })
}

/// A field of a line of text: characters that would end the field or drive a terminal are written as in Rust and C.
fn escaped(field: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    field.chars().map(escape).collect()
}

/// The field of [`escaped`].
fn unescaped(text: &str) -> Option<String> {
    let mut field = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        field.push_str(before);
        let (c, length) = match after.chars().next()? {
            '\\' => ('\\', 1),
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            'u' => {
                let code = after.strip_prefix("u{")?.split_once('}')?.0;
                (char::from_u32(u32::from_str_radix(code, 16).ok()?)?, code.len() + 3)
            }
            _ => return None,
        };
        field.push(c);
        rest = after.get(length..)?;
    }
    field.push_str(rest);
    Some(field)
}

/// One image's record with what the arguments ask for.
pub(super) fn record(path: &Path, decoded: &Decoded, why: &Explanation, args: &CaptionArgs) -> Result<Record> {
    let csv = args.format == CaptionFormat::Csv;
    if args.format == CaptionFormat::Jsonl {
        return Ok(vec![json(path, decoded, args.attributes.then_some(why))?]);
    }
    let mut record = vec![name(path), decoded.caption.clone()];
    if csv {
        record.push(decoded.log_prob.to_string());
    }
    if args.attributes || (csv && args.nouns) {
        let mark = |word: &str| if why.is_sampled(word) { "*" } else { "" };
        let shown = why.attributes.iter().filter(|(word, probability)| *probability >= 0.5 || why.is_sampled(word));
        record.push(shown.map(|(word, p)| format!("{word} {p:.2}{}", mark(word))).collect::<Vec<_>>().join(", "));
    }
    if args.nouns {
        record.push(decoded.nouns.join(", "));
    }
    Ok(record)
}

fn json(path: &Path, decoded: &Decoded, why: Option<&Explanation>) -> Result<String> {
    let candidates: Vec<_> =
        decoded.candidates.iter().map(|c| serde_json::json!({"caption": c.caption, "log_prob": c.log_prob})).collect();
    let mut value = serde_json::json!({
        "file": name(path), "caption": decoded.caption, "log_prob": decoded.log_prob, "candidates": candidates,
    });
    if let (Some(why), Some(object)) = (why, value.as_object_mut()) {
        object.insert("attributes".into(), serde_json::to_value(&why.attributes)?);
        object.insert("sampled".into(), serde_json::to_value(&why.sampled)?);
        object.insert("attention".into(), serde_json::to_value(&why.attention)?);
    }
    if !decoded.nouns.is_empty() {
        value["nouns"] = serde_json::json!(decoded.nouns);
    }
    Ok(serde_json::to_string(&value)?)
}

/// The records of an earlier output, by image.
pub(super) fn existing(output: &Path, format: CaptionFormat) -> Result<Records> {
    if !output.exists() {
        return Ok(Records::new());
    }
    records(&read_text(output)?, output, format)
}

/// The records of a text that `output` holds, by image.
pub(super) fn records(text: &str, output: &Path, format: CaptionFormat) -> Result<Records> {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let lines = numbered.map(|(index, line)| (index as u64 + 1, line));
    let records: Vec<(u64, Option<(String, Record)>)> = match format {
        CaptionFormat::Text => lines.map(|(number, line)| (number, text_record(line))).collect(),
        CaptionFormat::Jsonl => lines.map(|(number, line)| (number, json_record(line))).collect(),
        CaptionFormat::Csv => csv_records(text),
    };
    let known = |(number, record): (u64, Option<(String, Record)>)| {
        record.with_context(|| {
            format!(
                "'{}' line {number} is not what --format {} writes; choose its format, or another --output",
                output.display(),
                format.to_possible_value().map_or_else(String::new, |format| format.get_name().to_owned())
            )
        })
    };
    records.into_iter().map(known).collect()
}

fn text_record(line: &str) -> Option<(String, Record)> {
    let fields: Option<Record> = line.split('\t').map(unescaped).collect();
    let fields = fields.filter(|fields| fields.len() > 1)?;
    Some((fields.first()?.clone(), fields))
}

fn text_line(record: &Record) -> String {
    let fields: Vec<String> = record.iter().map(|field| escaped(field)).collect();
    fields.join("\t") + "\n"
}

fn json_record(line: &str) -> Option<(String, Record)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some((value.get("file")?.as_str()?.to_owned(), vec![line.to_owned()]))
}

/// Each record with the line in which it begins; the header is none.
fn csv_records(text: &str) -> Vec<(u64, Option<(String, Record)>)> {
    let read = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let records =
        read.into_records().flatten().filter(|record| !record.iter().eq(HEADER.into_iter().take(record.len())));
    let fields = |record: &csv::StringRecord| {
        let file = record.get(0).filter(|_| record.len() > 1)?;
        Some((file.to_owned(), record.iter().map(String::from).collect()))
    };
    records.map(|record| (record.position().map_or(0, csv::Position::line), fields(&record))).collect()
}

/// Writes a record an image, in the order of the images after those of other images, to a file or to standard output.
pub(super) fn write(images: &[PathBuf], records: &Records, args: &CaptionArgs) -> Result<()> {
    let asked: BTreeSet<String> = images.iter().map(|path| name(path)).collect();
    let kept = records.iter().filter(|(file, _)| !asked.contains(*file)).map(|(_, record)| record);
    let records: Vec<&Record> = kept.chain(images.iter().filter_map(|path| records.get(&name(path)))).collect();
    let text = text(&records, args, true)?;
    match &args.output {
        Some(output) => write_atomic(output, text.as_bytes()),
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
    }
}

/// A line a record; in CSV after a header where `header` asks for it.
pub(super) fn text(records: &[&Record], args: &CaptionArgs, header: bool) -> Result<String> {
    Ok(match args.format {
        CaptionFormat::Csv => csv_text(records, columns(args), header)?,
        CaptionFormat::Jsonl => records.iter().map(|record| record.join("\t") + "\n").collect(),
        CaptionFormat::Text => records.iter().map(|record| text_line(record)).collect(),
    })
}

/// Columns of CSV that the arguments ask for.
fn columns(args: &CaptionArgs) -> usize {
    match (args.attributes, args.nouns) {
        (_, true) => 5,
        (true, false) => 4,
        (false, false) => 3,
    }
}

/// All lines have as many columns, `asked` or more, also where some of them were written with fewer.
fn csv_text(records: &[&Record], asked: usize, header: bool) -> Result<String> {
    let columns = records.iter().map(|record| record.len()).fold(asked, usize::max);
    let header = header.then(|| HEADER.into_iter().take(columns).collect());
    let lines = records.iter().map(|record| record.iter().map(String::as_str).collect());
    to_csv(header.into_iter().chain(lines).map(|mut fields: Vec<&str>| {
        fields.resize(columns, "");
        fields
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_of_odd_names_comes_back_and_gains_a_column() {
        let names = ["a\",b.png", "plain.png", "two\nlines.png", "größe, 大.png", "\"q\".png"];
        let record = |name: &str| vec![name.to_owned(), "a \"b\", c".into(), "-1.5".into()];
        let mut records: Vec<Record> = names.map(record).to_vec();
        let read = |text: &str| -> Vec<Record> {
            csv_records(text).into_iter().map(|(_, record)| record.unwrap().1).collect()
        };
        let text = csv_text(&records.iter().collect::<Vec<_>>(), 3, true).unwrap();
        assert!(text.starts_with("file,caption,log_prob\n\"a\"\",b.png\","), "{text}");
        assert_eq!(read(&text), records);
        records[1].push("river 0.90, road 0.80".into());
        let text = csv_text(&records.iter().collect::<Vec<_>>(), 3, true).unwrap();
        assert!(text.starts_with("file,caption,log_prob,attributes\n"), "{text}");
        assert_eq!(read(&text)[1], records[1]);
        assert!(read(&text).iter().all(|record| record.len() == 4), "{text}");
        records[0].extend([String::new(), "road, trees".into()]);
        let text = csv_text(&records.iter().collect::<Vec<_>>(), 5, true).unwrap();
        assert!(text.starts_with("file,caption,log_prob,attributes,nouns\n"), "{text}");
        assert_eq!(read(&text)[0], records[0]);
    }

    #[test]
    fn text_of_odd_names_comes_back_and_holds_no_escapes_of_terminals() {
        use std::os::unix::ffi::OsStrExt;
        let bytes: [&[u8]; 5] = [b"two\nlines.png", b"a\tb\\n.png", b"caf\xe9.png", b"caf\xe8.png", b"\x1b[31mred.png"];
        let names = bytes.map(|bytes| name(Path::new(std::ffi::OsStr::from_bytes(bytes))));
        assert_ne!(names[2], names[3]);
        for name in names {
            let record = vec![name.clone(), "a road".to_owned()];
            let line = text_line(&record);
            assert!(line.trim_end().chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
            assert_eq!(text_record(line.trim_end()), Some((name, record)));
        }
        assert_eq!(text_record("no caption"), None);
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "file,caption,log_prob\na.png,x,-1\nb.png\n").unwrap();
        let error = existing(&path, CaptionFormat::Csv).unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
        assert!(existing(&path, CaptionFormat::Jsonl).unwrap_err().to_string().contains("line 1"));
        assert!(existing(&folder.path().join("absent"), CaptionFormat::Csv).unwrap().is_empty());
    }
}
