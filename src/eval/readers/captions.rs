//! Captions by image, as files of either side give them.

use anyhow::{Result, bail};
use rsic_captions::Split;
use rustc_hash::FxHashMap;
use serde_json::Value;

/// Captions by image, in the file's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Captions {
    pub(super) items: Vec<Item>,
    pub(super) places: FxHashMap<String, usize>,
}

/// An image and its captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// As the file has it: a number or a string.
    pub id: Value,
    /// The image's file, where the file names it beside the id.
    pub file: Option<String>,
    /// Where the file tells it.
    pub split: Option<Split>,
    pub captions: Vec<String>,
}

impl Captions {
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The captions of an image; numbers and strings of the same digits are the same image.
    pub fn get(&self, id: &Value) -> Option<&[String]> {
        let place = *self.places.get(&plain(id))?;
        self.items.get(place).map(|item| item.captions.as_slice())
    }

    /// Whether the file tells the split of an image.
    pub fn has_splits(&self) -> bool {
        self.items.iter().any(|item| item.split.is_some())
    }

    /// The images of one split alone.
    ///
    /// # Errors
    /// The file names no splits, or none of these.
    pub fn only(self, split: Split) -> Result<Self> {
        if !self.has_splits() {
            bail!("the references name no splits; omit --split");
        }
        let mut captions = Self::default();
        for item in self.items.into_iter().filter(|item| item.split == Some(split)) {
            let place = captions.add(item.id, item.captions);
            captions.describe(place, item.file, item.split);
        }
        if captions.items.is_empty() {
            bail!("the references have no {split} images");
        }
        Ok(captions)
    }

    /// Adds captions to an image, and gives its place.
    pub(super) fn add(&mut self, id: Value, captions: impl IntoIterator<Item = String>) -> usize {
        // The captions of an image mostly follow one another.
        let end = self.items.len().saturating_sub(1);
        if let Some(last) = self.items.last_mut().filter(|last| last.id == id) {
            last.captions.extend(captions);
            return end;
        }
        let place = *self.places.entry(plain(&id)).or_insert_with(|| {
            self.items.push(Item { id, file: None, split: None, captions: Vec::new() });
            self.items.len() - 1
        });
        if let Some(item) = self.items.get_mut(place) {
            item.captions.extend(captions);
        }
        place
    }

    /// Says of the image at a place which file and split it has; its file's name leads to it, too.
    pub(super) fn describe(&mut self, place: usize, file: Option<String>, split: Option<Split>) {
        let Some(item) = self.items.get_mut(place) else { return };
        item.split = item.split.or(split);
        if let (None, Some(file)) = (&item.file, file) {
            self.places.entry(file.clone()).or_insert(place);
            item.file = Some(file);
        }
    }
}

/// An id as text; `7.0` as `7`.
pub fn plain(id: &Value) -> String {
    match id {
        Value::String(id) => id.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        id => id.to_string(),
    }
}
