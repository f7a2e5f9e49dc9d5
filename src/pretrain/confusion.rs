//! Accuracy and confusion matrix of a classifier.

use crate::util::csv::to_csv;
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt::Write as _;

/// How often each class was taken for each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    pub classes: Vec<String>,
    /// Row: the true class; column: the predicted one.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    pub fn new(classes: Vec<String>) -> Self {
        let counts = vec![vec![0; classes.len()]; classes.len()];
        Self { classes, counts }
    }

    /// Takes in a prediction; an error where a class is out of range.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        match self.counts.get_mut(truth).and_then(|row| row.get_mut(predicted)) {
            Some(count) => *count += 1,
            None => bail!("class {truth} or {predicted} out of range for {} classes", self.classes.len()),
        }
        Ok(())
    }

    pub fn images(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Share of images whose class is right; 0 where there are none.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.counts.iter().enumerate().filter_map(|(class, row)| row.get(class)).sum();
        right as f64 / self.images().max(1) as f64
    }

    /// Share of a class's images that are recognised; `None` where it has none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let row = self.counts.get(class)?;
        let all: u64 = row.iter().sum();
        (all > 0).then(|| row.get(class).map_or(0.0, |&right| right as f64 / all as f64))
    }

    /// `true \ predicted,airplane,beach,...` and a row a class.
    pub fn to_csv(&self) -> Result<String> {
        let record = |(class, row): (&String, &Vec<u64>)| {
            std::iter::once(class.clone()).chain(row.iter().map(ToString::to_string)).collect()
        };
        let head: Vec<String> =
            std::iter::once("true \\ predicted".into()).chain(self.classes.iter().cloned()).collect();
        to_csv(std::iter::once(head).chain(self.classes.iter().zip(&self.counts).map(record)))
    }

    /// For people: recall of each class and what it was mistaken for, then the matrix with classes by number.
    pub fn to_text(&self) -> String {
        let mut text = format!("accuracy {:.4} on {} images\n\n", self.accuracy(), self.images());
        let width = self.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0);
        for (index, (class, row)) in self.classes.iter().zip(&self.counts).enumerate() {
            let recall = self.recall(index).map_or_else(|| "     -".into(), |recall| format!("{recall:.4}"));
            let mut wrong: Vec<(usize, u64)> =
                row.iter().copied().enumerate().filter(|&(other, count)| other != index && count > 0).collect();
            wrong.sort_by_key(|&(other, count)| (std::cmp::Reverse(count), other));
            let wrong: Vec<String> = wrong
                .into_iter()
                .filter_map(|(other, count)| Some(format!("{} {count}", self.classes.get(other)?)))
                .collect();
            let line = format!("{index:3} {class:width$}  {recall}  {}", wrong.join(", "));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
        let cell = self.counts.iter().flatten().max().map_or(1, |count| count.to_string().len()).max(3) + 1;
        let header: String = (0..self.classes.len()).map(|index| format!("{index:>cell$}")).collect();
        let _ = writeln!(text, "    {header}");
        for (index, row) in self.counts.iter().enumerate() {
            let cells: String = row.iter().map(|count| format!("{count:>cell$}")).collect();
            let _ = writeln!(text, "{index:3} {cells}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_accuracy_recall_and_files() {
        let mut confusion = Confusion::new(["beach", "port", "none"].map(String::from).to_vec());
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
            confusion.add(truth, predicted).unwrap();
        }
        assert!(confusion.add(0, 3).is_err());
        assert_eq!((confusion.accuracy(), confusion.recall(0), confusion.recall(2)), (0.75, Some(2.0 / 3.0), None));
        let csv = confusion.to_csv().unwrap();
        assert_eq!(csv, "true \\ predicted,beach,port,none\nbeach,2,1,0\nport,0,1,0\nnone,0,0,0\n");
        let text = confusion.to_text();
        assert!(text.contains("  0 beach  0.6667  port 1\n"), "{text}");
        assert!(text.contains("\n  0    2   1   0\n"), "{text}");
    }

    #[test]
    fn odd_class_names_come_back() {
        let odd = "a\",b\nü";
        let text = Confusion::new([odd, "port"].map(String::from).to_vec()).to_csv().unwrap();
        let mut read = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(read.headers().unwrap().get(1), Some(odd));
        assert_eq!(read.records().next().unwrap().unwrap().get(0), Some(odd));
    }
}
