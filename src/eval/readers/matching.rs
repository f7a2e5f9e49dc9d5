//! Which references belong to which caption, though files call an image by id, by file name or by its stem.

use super::{Captions, Item, plain};
use rustc_hash::FxHashMap;

/// What two files call an image alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Id,
    FileName,
    /// The file name without its ending.
    Stem,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::FileName => "file name",
            Self::Stem => "file name without its ending",
        }
    }

    /// What an item is called; `parts`: of a path's last parts, so many.
    fn key(self, item: &Item, parts: usize) -> String {
        let name = || item.file.clone().unwrap_or_else(|| plain(&item.id));
        match self {
            Self::Id => plain(&item.id),
            Self::FileName => last(&name(), parts).to_owned(),
            Self::Stem => stem(last(&name(), parts)).to_owned(),
        }
    }
}

/// Of each caption the place of its references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    pub by: By,
    /// One per image with a caption: its place among the references.
    pub places: Vec<Option<usize>>,
}

impl Matching {
    /// Matches all images in the one way that finds most of them, ids before names.
    pub fn new(hypotheses: &Captions, references: &Captions) -> Self {
        let by_id = Self::by(By::Id, hypotheses, references);
        if by_id.found() == hypotheses.items().len() {
            return by_id;
        }
        [By::FileName, By::Stem].into_iter().fold(by_id, |best, by| {
            let other = Self::by(by, hypotheses, references);
            if other.found() > best.found() { other } else { best }
        })
    }

    pub fn found(&self) -> usize {
        self.places.iter().flatten().count()
    }

    fn by(by: By, hypotheses: &Captions, references: &Captions) -> Self {
        // Classes may use the same names in folders of their own.
        let one = Index::new(by, references, 1);
        let index = if one.ambiguous { Index::new(by, references, 2) } else { one };
        let place = |item: &Item| index.places.get(&by.key(item, index.parts)).copied().flatten();
        Self { by, places: hypotheses.items().iter().map(place).collect() }
    }
}

struct Index {
    parts: usize,
    /// `None`: the name of several images.
    places: FxHashMap<String, Option<usize>>,
    ambiguous: bool,
}

impl Index {
    fn new(by: By, references: &Captions, parts: usize) -> Self {
        let mut places = FxHashMap::default();
        let mut ambiguous = false;
        for (place, item) in references.items().iter().enumerate() {
            let known = places.entry(by.key(item, parts)).or_insert(Some(place));
            if *known != Some(place) {
                *known = None;
                ambiguous = true;
            }
        }
        Self { parts, places, ambiguous }
    }
}

/// The last parts of a path.
fn last(path: &str, parts: usize) -> &str {
    let path = path.trim_end_matches(['/', '\\']);
    let cut = path.rmatch_indices(['/', '\\']).nth(parts - 1).map(|(at, _)| at + 1);
    cut.and_then(|at| path.get(at..)).unwrap_or(path)
}

/// Without an ending of letters and digits, at most five, that begins with a letter: `airport_1.jpg`, not `v1.25`.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending))
            if ending.len() <= 5
                && ending.starts_with(|c: char| c.is_ascii_alphabetic())
                && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};
    use super::*;

    fn dataset(files: [&str; 2]) -> Captions {
        let [a, b] = files;
        let text = format!(
            r#"{{"images": [{{"imgid": 0, "filename": "{a}", "sentences": [{{"raw": "x"}}]}},
                {{"imgid": 1, "filename": "{b}", "sentences": [{{"raw": "y"}}]}}]}}"#
        );
        parse(&text, Format::Json).unwrap()
    }

    fn matching(ids: &str, references: &Captions) -> Matching {
        let lines: Vec<String> = ids.split(' ').map(|id| format!("{{\"image\": {id}, \"caption\": \"c\"}}")).collect();
        Matching::new(&parse(&lines.join("\n"), Format::JsonLines).unwrap(), references)
    }

    #[test]
    fn images_are_found_by_id_name_or_stem_whichever_finds_most() {
        let references = dataset(["1.tif", "2.tif"]);
        let of = |by, places: [Option<usize>; 2]| Matching { by, places: places.to_vec() };
        assert_eq!(matching("0 1", &references), of(By::Id, [Some(0), Some(1)]));
        assert_eq!(matching("\"a/2.tif\" \"1.tif\"", &references), of(By::FileName, [Some(1), Some(0)]));
        assert_eq!(matching("\"2.jpg\" \"1.jpg\"", &references), of(By::Stem, [Some(1), Some(0)]));
        // As ids only one of them is there.
        assert_eq!(matching("1 2", &references), of(By::Stem, [Some(0), Some(1)]));
        assert_eq!(matching("7 8", &references), of(By::Id, [None, None]));
    }

    #[test]
    fn equal_names_in_two_folders_need_their_folder() {
        let references = dataset(["a/1.tif", "b/1.tif"]);
        assert_eq!(matching("\"x/b/1.tif\" \"1.tif\"", &references).places, [Some(1), None]);
    }
}
