//! Images that a caption file lists more than once.

use crate::Record;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Joins the entries of one image: the first gets the captions of all. Entries that name different splits stay apart,
/// which is a fault of the file that `rsic data verify` tells. Gives the name of each entry that went.
pub fn join(records: &mut Vec<Record>) -> Vec<String> {
    let mut first: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut joined: Vec<Record> = Vec::with_capacity(records.len());
    let mut repeated = Vec::new();
    for record in records.drain(..) {
        let at = *first.entry(place(&record)).or_insert(joined.len());
        match joined.get_mut(at).filter(|twin| twin.split == record.split) {
            Some(twin) => {
                twin.class = twin.class.take().or(record.class);
                twin.sentences.extend(record.sentences);
                repeated.push(record.file_name);
            }
            None => joined.push(record),
        }
    }
    *records = joined;
    repeated
}

/// Where the image lies below the image folder, however that is written.
fn place(record: &Record) -> PathBuf {
    let folder = record.folder.as_deref().map(Path::new).into_iter();
    let parts = folder.chain([Path::new(&record.file_name)]).flat_map(Path::components);
    parts.filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sentence, Split};

    #[test]
    fn entries_of_one_image_become_one_unless_their_splits_differ() {
        let record = |name: &str, folder: Option<&str>, split, raw: &str| Record {
            file_name: name.into(),
            folder: folder.map(str::to_owned),
            split,
            sentences: vec![Sentence { tokens: None, raw: Some(raw.into()) }],
            ..Record::default()
        };
        let mut records = vec![
            record("1.png", None, None, "a"),
            record("1.png", Some("beach"), None, "b"),
            record("./1.png", None, None, "c"),
            record("beach/1.png", None, None, "d"),
            record("1.png", None, Some(Split::Test), "e"),
        ];
        assert_eq!(join(&mut records), ["./1.png", "beach/1.png"]);
        let captions: Vec<String> =
            records.iter().map(|r| r.sentences.iter().filter_map(|s| s.raw.as_deref()).collect()).collect();
        assert_eq!(captions, ["ac", "bd", "e"]);
    }
}
