//! Spellings with their synsets, looked up once.

use crate::meteor::Resources;
use rustc_hash::FxHashMap;
use std::sync::{Arc, RwLock};

/// A spelling's number and its synsets, sorted.
#[derive(Debug, Clone)]
pub struct Term {
    pub name: u32,
    pub synsets: Arc<[u32]>,
}

/// Every spelling met so far. Numbers depend on the order of look-ups and serve for equality alone.
#[derive(Debug)]
pub struct Terms {
    resources: Option<Arc<Resources>>,
    known: RwLock<FxHashMap<Box<str>, Term>>,
}

impl Terms {
    /// Without resources only equal spellings are similar.
    pub fn new(resources: Option<Arc<Resources>>) -> Self {
        Self { resources, known: RwLock::default() }
    }

    pub fn has_resources(&self) -> bool {
        self.resources.is_some()
    }

    pub fn get(&self, spelling: &str) -> Term {
        let read = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(term) = read.get(spelling) {
            return term.clone();
        }
        drop(read);
        let mut synsets = Vec::new();
        if let Some(resources) = &self.resources {
            resources.synsets(&spelling.trim().to_lowercase().replace(' ', "_"), &mut synsets);
        }
        let mut known = self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = known.len() as u32;
        known.entry(spelling.into()).or_insert_with(|| Term { name, synsets: synsets.into() }).clone()
    }

    /// Which of some spellings have numbers, and which.
    pub fn numbers(&self, spellings: &[&str]) -> Vec<u32> {
        let mut numbers: Vec<u32> = spellings.iter().map(|spelling| self.get(spelling).name).collect();
        numbers.sort_unstable();
        numbers
    }
}
