//! References that stand word for word among the training captions.

use super::{Dataset, Split};
use crate::eval::References;
use crate::eval::memory::{self, Training};
use serde::Serialize;

/// Images of a split whose references are training captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// Images with references.
    pub images: usize,
    /// Of these: with at least one that is a training caption.
    pub any: usize,
    /// Every one is.
    pub all: usize,
}

impl Overlap {
    /// `None` where the split or the training split has no captions. Captions are compared as scorers see them.
    pub fn of(dataset: &Dataset, split: Split) -> Option<Self> {
        let captions = |split: Split| {
            let images = dataset.images.iter().filter(move |image| image.split == split && !image.captions.is_empty());
            images.map(|image| image.captions.iter().map(|caption| caption.text.clone()).collect::<Vec<_>>())
        };
        let training: Vec<String> = captions(Split::Train).flatten().collect();
        let groups: Vec<Vec<String>> = captions(split).collect();
        if training.is_empty() || groups.is_empty() {
            return None;
        }
        let (any, all) = memory::overlap(&Training::new(&training), &References::new(&groups));
        Some(Self { images: groups.len(), any, all })
    }

    /// `176 of 210 test images (84 %) have a reference that is a training caption; of 54 (26 %) every one is`.
    pub fn sentence(&self, split: Split) -> String {
        let Self { images, any, all } = self;
        let percent = |count: usize| 100.0 * count as f64 / (*images).max(1) as f64;
        format!(
            "{any} of {images} {split} images ({:.0} %) have a reference that is a training caption; of {all} ({:.0} \
             %) every one is",
            percent(*any),
            percent(*all)
        )
    }
}
