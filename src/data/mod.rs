//! Datasets: caption files, splits, vocabulary, images, built-in scenes.

pub mod scenes;
