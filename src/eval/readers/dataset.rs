//! Karpathy-style datasets as references: `{"images": [{"filename", "imgid", "sentences": [{"raw", "tokens"}]}]}`.

use super::{Captions, plain};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// Adds the images of a dataset by `imgid`; their file names lead to them, too.
pub(super) fn add(captions: &mut Captions, images: Vec<Value>) -> Result<()> {
    for (number, image) in (1..).zip(images) {
        let Value::Object(mut image) = image else { bail!("entry {number} of its 'images' is not an object") };
        let name = image.remove("filename").or_else(|| image.remove("file_name")).filter(Value::is_string);
        let id = image.remove("imgid").or_else(|| image.remove("id"));
        let id = id.filter(|id| id.is_number() || id.is_string()).or_else(|| name.clone());
        let id = id.with_context(|| format!("entry {number} of its 'images' has neither imgid nor filename"))?;
        let Some(Value::Array(sentences)) = image.remove("sentences") else {
            bail!("image '{}' has no 'sentences'", plain(&id));
        };
        let texts: Option<Vec<String>> = sentences.into_iter().map(sentence).collect();
        let texts = texts.with_context(|| format!("image '{}' has no 'raw' or 'tokens' in a sentence", plain(&id)))?;
        captions.add(id.clone(), texts);
        if let (Some(name), Some(&place)) = (name, captions.places.get(&plain(&id))) {
            captions.places.entry(plain(&name)).or_insert(place);
        }
    }
    Ok(())
}

/// The raw text, else the tokens with spaces between.
fn sentence(sentence: Value) -> Option<String> {
    let Value::Object(mut sentence) = sentence else { return None };
    let text = |value: Value| value.as_str().map(str::to_owned);
    sentence.remove("raw").and_then(text).or_else(|| tokens(&sentence))
}

fn tokens(sentence: &Map<String, Value>) -> Option<String> {
    let words: Option<Vec<&str>> = sentence.get("tokens")?.as_array()?.iter().map(Value::as_str).collect();
    Some(words?.join(" "))
}
