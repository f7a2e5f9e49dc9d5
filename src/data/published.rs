//! What the public datasets are known to hold, to tell a whole copy from a part.

use super::{Dataset, Split};
use serde::Serialize;
use std::path::Path;

/// The counts of a published dataset, taken from its public caption file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Published {
    pub name: &'static str,
    /// How names of files, folders or the dataset begin that mean this one.
    #[serde(skip)]
    key: &'static str,
    pub train: usize,
    pub val: usize,
    pub test: usize,
    pub captions_per_image: usize,
    /// Images that have one caption without a word in the public file itself.
    #[serde(skip)]
    pub empty_captions: &'static [&'static str],
    /// Images that the public archive itself lacks.
    #[serde(skip)]
    pub absent: &'static [&'static str],
}

/// UCM-Captions and Sydney-Captions (Qu et al. 2016), RSICD (Lu et al. 2017), NWPU-Captions (Cheng et al. 2022).
pub const DATASETS: [Published; 4] = [
    Published {
        name: "UCM-Captions",
        key: "ucm",
        train: 1680,
        val: 210,
        test: 210,
        captions_per_image: 5,
        empty_captions: &[],
        absent: &[],
    },
    Published {
        name: "Sydney-Captions",
        key: "sydney",
        train: 497,
        val: 58,
        test: 58,
        captions_per_image: 5,
        empty_captions: &[],
        absent: &[],
    },
    Published {
        name: "RSICD",
        key: "rsicd",
        train: 8734, // 8034 in some papers is a misprint: the splits add up to 10921
        val: 1094,
        test: 1093,
        captions_per_image: 5,
        empty_captions: &["bridge_218.jpg", "bridge_59.jpg", "parking_211.jpg"],
        absent: &[],
    },
    Published {
        name: "NWPU-Captions",
        key: "nwpu",
        train: 25_200,
        val: 3150,
        test: 3150,
        captions_per_image: 5,
        empty_captions: &["golf_course_641.jpg"],
        absent: &["airplane_111.jpg"], // https://github.com/HaiyanHuang98/NWPU-Captions/issues/2
    },
];

impl Published {
    /// The published dataset that a dataset says it is: by its own name, its caption file's or its folder's.
    pub fn of(dataset: &Dataset) -> Option<&'static Self> {
        let mut names = vec![dataset.name.clone()];
        for file in &dataset.caption_files {
            let parts = [file.file_stem(), file.parent().and_then(Path::file_name)];
            names.extend(parts.into_iter().flatten().map(|part| part.to_string_lossy().into_owned()));
        }
        names.iter().find_map(|name| Self::of_name(name))
    }

    /// The published dataset that a name means, such as `UCM`, `dataset_rsicd` or `nwpu-captions`.
    pub fn of_name(name: &str) -> Option<&'static Self> {
        let name = name.to_lowercase();
        let mut words = name.split(|c: char| !c.is_alphabetic());
        words.find_map(|word| DATASETS.iter().find(|known| word.starts_with(known.key)))
    }

    pub fn images(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Val => self.val,
            Split::Test => self.test,
        }
    }

    pub fn total(&self) -> usize {
        self.train + self.val + self.test
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_dataset_and_no_other() {
        let name = |name: &str| Published::of_name(name).map(|known| known.name);
        assert_eq!(name("dataset_rsicd"), Some("RSICD"));
        assert_eq!(name("UCM_captions"), Some("UCM-Captions"));
        assert_eq!(name("Sydney"), Some("Sydney-Captions"));
        assert_eq!(name("documents"), None);
        assert_eq!(DATASETS.map(|known| known.total()), [2100, 613, 10_921, 31_500]);
    }
}
