//! Values -> YAML in the block order of the schema, with or without the origin of each value.

use super::Origins;
use anyhow::Result;
use serde_json::Value;

/// Comments start in this column where the values leave room.
const COMMENT_COLUMN: usize = 44;

pub(super) fn plain(value: &Value) -> Result<String> {
    let mut lines = Vec::new();
    map_lines(value, "", 0, &mut lines)?;
    Ok(lines.into_iter().map(|line| line.text + "\n").collect())
}

pub(super) fn annotated(value: &Value, origins: &Origins) -> Result<String> {
    let mut lines = Vec::new();
    map_lines(value, "", 0, &mut lines)?;
    let commented = lines.into_iter().map(|line| match line.path {
        Some(path) => {
            let gap = COMMENT_COLUMN.saturating_sub(line.text.chars().count()).max(2);
            format!("{}{:gap$}# {}\n", line.text, "", origins.of(&path))
        }
        None => line.text + "\n",
    });
    Ok(commented.collect())
}

struct Line {
    text: String,
    /// The value that the line gives; none where the values follow below.
    path: Option<String>,
}

fn map_lines(value: &Value, path: &str, indent: usize, lines: &mut Vec<Line>) -> Result<()> {
    let Value::Object(map) = value else {
        anyhow::bail!("an experiment must be a map of settings");
    };
    for (key, value) in map {
        let below = join(path, key);
        let head = format!("{:indent$}{}:", "", scalar(&Value::String(key.clone()))?);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                lines.push(Line { text: head, path: None });
                map_lines(value, &below, indent + 2, lines)?;
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                lines.push(Line { text: head, path: None });
                for (index, item) in items.iter().enumerate() {
                    item_lines(item, &join(&below, &index.to_string()), indent + 2, lines)?;
                }
            }
            _ => lines.push(Line { text: format!("{head} {}", flow(value)?), path: Some(below) }),
        }
    }
    Ok(())
}

/// One entry of a list: `- ` before its first line.
fn item_lines(item: &Value, path: &str, indent: usize, lines: &mut Vec<Line>) -> Result<()> {
    let first = lines.len();
    match item {
        Value::Object(map) if !map.is_empty() => {
            map_lines(item, path, indent + 2, lines)?;
            if let Some(line) = lines.get_mut(first) {
                line.text = format!("{:indent$}- {}", "", line.text.trim_start());
            }
        }
        _ => lines.push(Line { text: format!("{:indent$}- {}", "", flow(item)?), path: Some(path.into()) }),
    }
    Ok(())
}

/// A value on one line.
fn flow(value: &Value) -> Result<String> {
    match value {
        Value::Array(items) => {
            let items: Result<Vec<String>> = items.iter().map(flow).collect();
            Ok(format!("[{}]", items?.join(", ")))
        }
        Value::Object(_) => Ok("{}".into()),
        _ => scalar(value),
    }
}

/// A scalar that reads back as the same value also inside `[...]`: text is quoted wherever it might read otherwise.
fn scalar(value: &Value) -> Result<String> {
    let Value::String(text) = value else {
        return Ok(serde_yaml::to_string(value)?.trim_end().to_string());
    };
    let safe = |c: char| c.is_alphanumeric() || "_/.-+".contains(c);
    let starts_plainly = text.chars().next().is_some_and(|c| c.is_alphanumeric() || "_./".contains(c));
    let reads_as_text = super::tree::plain_value(text) == *value;
    match starts_plainly && text.chars().all(safe) && reads_as_text {
        true => Ok(text.clone()),
        // YAML's double-quoted strings contain JSON's.
        false => Ok(serde_json::to_string(text)?),
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.into() } else { format!("{path}.{step}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let texts = [
            "a",
            "",
            "yes",
            "true",
            "1e3",
            "2024",
            "a: b",
            "# x",
            "- x",
            "~",
            "x\ny",
            "[",
            "ü/é",
            "C:\\d",
            "\u{1f600}",
            "a, b",
        ];
        let value = json!({
            "texts": texts,
            "numbers": [1e-4, 0.1, 1e300, -3, 18446744073709551615u64, 1.0],
            "true": null,
            "list": [{"a": 1, "b": {"c": [1, 2]}}, {"a": {"d": true}}, "x", {}],
            "empty": {}, "none": [],
        });
        let text = plain(&value).unwrap();
        let (node, faults) = parse(&text, 0);
        assert!(faults.is_empty(), "{text}\n{faults:?}");
        assert_eq!(node.unwrap().to_json(), value, "{text}");
    }
}
