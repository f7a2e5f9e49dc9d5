//! Word vectors in GloVe's text form: a word and its numbers a line.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The vectors of the wanted words, of those that the file has; the rest of the file is passed over. Reads
/// `glove.6B.200d.txt` and the like; `width` numbers a line, else an error that names the line.
pub fn read(path: &Path, wanted: &[String], width: usize) -> Result<BTreeMap<String, Vec<f32>>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read the word vectors '{shown}'"))?;
    let mut vectors = BTreeMap::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("'{shown}' line {}", number + 1);
        let line = line.with_context(place)?;
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let Some((word, numbers)) = line.split_once(' ') else {
            bail!("{} is not a word followed by its vector", place());
        };
        // The width is that of every line: one look at the first tells a file of another size.
        if number == 0 || wanted.iter().any(|known| known == word) {
            let vector: Vec<f32> = numbers
                .split(' ')
                .map(|text| text.parse::<f32>().ok().filter(|value| value.is_finite()))
                .collect::<Option<_>>()
                .with_context(|| format!("{} contains a value that is not a number", place()))?;
            if vector.len() != width {
                bail!(
                    "{} has vectors of {} values, but the model expects {width}; use another file or change the \
                    embedding width",
                    place(),
                    vector.len()
                );
            }
            vectors.insert(word.to_owned(), vector);
        }
    }
    vectors.retain(|word, _| wanted.contains(word));
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_words_are_read_and_faults_have_a_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "the 1 2\ntree 0.5 -1e-1\n").unwrap();
        let wanted = ["tree".to_owned(), "roof".to_owned()];
        let vectors = read(file.path(), &wanted, 2).unwrap();
        assert_eq!(vectors, BTreeMap::from([("tree".to_owned(), vec![0.5, -0.1])]));
        let error = read(file.path(), &wanted, 200).unwrap_err().to_string();
        assert!(error.contains("line 1 has vectors of 2 values, but the model expects 200"), "{error}");
        std::fs::write(file.path(), "the 1 2\ntree 0.5 x\n").unwrap();
        assert!(read(file.path(), &wanted, 2).unwrap_err().to_string().contains("line 2"));
        assert!(read(Path::new("nowhere.txt"), &wanted, 2).unwrap_err().to_string().contains("nowhere.txt"));
    }
}
