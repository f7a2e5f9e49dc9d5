//! JSON as Python writes it, and what is wrong with a text that is none.

use std::borrow::Cow;
use std::fmt::Display;

/// Python's `NaN`, `Infinity` and `-Infinity` outside strings, which are no JSON, as `null`.
pub fn without_nan(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !quoted && rest.starts_with(**word));
        let length = match (word, c) {
            (Some(word), _) => word.len(),
            (None, '\\') if quoted => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
        let (taken, after) = rest.split_at(length);
        out.push_str(if word.is_some() { "null" } else { taken });
        quoted ^= c == '"';
        rest = after;
    }
    Cow::Owned(out)
}

/// Why a text could not be read, without the names that values have in the program.
///
/// `error` is what serde says: `invalid type: map, expected struct Text at line 3 column 7`.
pub fn reason(error: impl Display) -> String {
    let mut words: Vec<String> = Vec::new();
    let text = error.to_string();
    let mut rest = text.split(' ').peekable();
    while let Some(word) = rest.next() {
        let (bare, mark) = match word.strip_suffix([',', ':', ';']) {
            Some(bare) => (bare, word.get(bare.len()..).unwrap_or_default()),
            None => (word, ""),
        };
        let plain = match bare {
            "struct" | "map" | "newtype" => "an object",
            "enum" | "variant" => "a name",
            "sequence" => "a list",
            "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
            "f32" | "f64" => "a number",
            "bool" | "boolean" => "true or false",
            _ => word,
        };
        if matches!(bare, "struct" | "enum" | "newtype") {
            rest.next(); // its name
        }
        if matches!(words.last().map(String::as_str), Some("a" | "an")) && plain != word {
            words.pop();
        }
        words.push(if plain == word { word.to_owned() } else { format!("{plain}{mark}") });
    }
    let text =
        words.join(" ").replace("data did not match any a name of untagged a name", "it has none of the known forms");
    let (text, place) = text.rfind(" at line ").map_or((text.as_str(), ""), |at| text.split_at(at));
    format!("{}{place}", rephrased(text).unwrap_or_else(|| text.to_owned()))
}

/// What serde says of a value, in words that need no knowledge of it; `None` of what is said well.
fn rephrased(text: &str) -> Option<String> {
    let named = |text: &str| text.split('`').nth(1).map(str::to_owned);
    if let Some(field) = text.strip_prefix("missing field ").and_then(named) {
        return Some(format!("'{field}' is missing"));
    }
    if let Some(field) = text.strip_prefix("unknown field ").and_then(named) {
        return Some(format!("'{field}' is not known here"));
    }
    if let Some(field) = text.strip_prefix("duplicate field ").and_then(named) {
        return Some(format!("'{field}' is there twice"));
    }
    if text == "expected ident" {
        return Some("expected a value".into()); // a word such as `nothing` in place of `null`
    }
    if text.starts_with("EOF while parsing") {
        return Some("it ends too early".into());
    }
    let said =
        ["invalid type: ", "invalid value: ", "invalid length "].iter().find_map(|kind| text.strip_prefix(kind))?;
    let (found, expected) = said.rsplit_once(", expected ")?;
    let expected = if expected.starts_with("an object with") { "an object" } else { expected };
    Some(format!("expected {expected}, found {}", found.replace("true or false `", "`")))
}

/// [`reason`] as an error.
pub fn error(error: impl Display) -> anyhow::Error {
    anyhow::Error::msg(reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_no_names_of_the_program() {
        for (said, plain) in [
            (
                "invalid type: map, expected struct Text at line 3 column 7",
                "expected an object, found an object at line 3 column 7",
            ),
            (
                "invalid value: integer `-1`, expected u64 at line 1 column 2",
                "expected a whole number, found integer `-1` at line 1 column 2",
            ),
            ("invalid type: string \"x\", expected a sequence", "expected a list, found string \"x\""),
            ("invalid length 1, expected an array of length 2", "expected an array of length 2, found 1"),
            ("invalid length 0, expected struct Run with 16 elements", "expected an object, found 0"),
            ("invalid type: boolean `true`, expected u64", "expected a whole number, found `true`"),
            ("missing field `ids` at line 1 column 3", "'ids' is missing at line 1 column 3"),
            ("unknown field `idz`, expected `ids` or `max`", "'idz' is not known here"),
            ("EOF while parsing a list at line 1 column 3", "it ends too early at line 1 column 3"),
            ("expected ident at line 1 column 2", "expected a value at line 1 column 2"),
            ("trailing characters at line 2 column 1", "trailing characters at line 2 column 1"),
        ] {
            assert_eq!(reason(said), plain);
        }
    }

    #[test]
    fn numbers_that_are_none_become_null_outside_strings() {
        let text = r#"{"NaN": [NaN, -Infinity, 1], "a\"NaN": "NaN \\", "b": Infinity}"#;
        assert_eq!(without_nan(text), r#"{"NaN": [null, null, 1], "a\"NaN": "NaN \\", "b": null}"#);
        assert!(matches!(without_nan("[1, \"é\"]"), Cow::Borrowed(_)));
    }
}
