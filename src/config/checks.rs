//! What validators say of single settings, in one wording.

use super::Invalid;
use crate::util::suggest;

/// Longest caption that is trained on or decoded, in words.
pub const LONGEST_CAPTION: usize = 1000;

/// Collects what is wrong with settings, by dotted path.
#[derive(Debug, Default)]
pub struct Checks(Vec<Invalid>);

impl Checks {
    /// Everything that was found wrong.
    pub fn into_faults(self) -> Vec<Invalid> {
        self.0
    }

    pub fn require(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push((path.into(), message()));
        }
    }

    pub fn at_least(&mut self, path: &str, value: usize, least: usize) {
        self.require(value >= least, path, || format!("too small (expected at least {least}, found {value})"));
    }

    pub fn between(&mut self, path: &str, value: usize, (least, most): (usize, usize)) {
        self.at_least(path, value, least);
        self.require(value <= most, path, || format!("too large (expected at most {most}, found {value})"));
    }

    /// Of batches and the like: what no machine could hold is a fault of the settings.
    pub fn size(&mut self, path: &str, value: usize) {
        self.between(path, value, (1, 65_536));
    }

    pub fn size_if_set(&mut self, path: &str, value: Option<usize>) {
        if let Some(value) = value {
            self.size(path, value);
        }
    }

    /// Of a layer, whose parameters are its square.
    pub fn width(&mut self, path: &str, value: usize) {
        self.between(path, value, (1, 16_384));
    }

    /// How many layers there are, heads of attention, or places on a side of a grid.
    pub fn count(&mut self, path: &str, value: usize) {
        self.between(path, value, (1, 256));
    }

    /// Of hypotheses that a search keeps for an image.
    pub fn beam(&mut self, path: &str, value: usize) {
        self.between(path, value, (1, 1000));
    }

    /// Words of a caption: each is a step of a decoder.
    pub fn words(&mut self, path: &str, value: Option<usize>) {
        if let Some(value) = value {
            self.between(path, value, (1, LONGEST_CAPTION));
        }
    }

    /// Epochs or steps of a training: as many as no training takes cannot be reckoned with.
    pub fn duration(&mut self, path: &str, value: usize, least: usize) {
        self.between(path, value, (least, 1_000_000_000));
    }

    pub fn at_least_if_set(&mut self, path: &str, value: Option<usize>, least: usize) {
        if let Some(value) = value {
            self.at_least(path, value, least);
        }
    }

    pub fn above_zero(&mut self, path: &str, value: f64) {
        let holds = value > 0.0 && value.is_finite();
        self.require(holds, path, || format!("out of range (expected more than 0, found {value})"));
    }

    pub fn zero_or_more(&mut self, path: &str, value: f64) {
        let holds = value >= 0.0 && value.is_finite();
        self.require(holds, path, || format!("out of range (expected 0 or more, found {value})"));
    }

    pub fn above_zero_if_set(&mut self, path: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.above_zero(path, value);
        }
    }

    pub fn fraction(&mut self, path: &str, value: f64) {
        self.require((0.0..1.0).contains(&value), path, || {
            format!("out of range (expected at least 0 and below 1, found {value})")
        });
    }

    /// From 0 to 1: a probability, an opacity.
    pub fn unit(&mut self, path: &str, value: f64) {
        self.require((0.0..=1.0).contains(&value), path, || format!("out of range (expected 0 to 1, found {value})"));
    }

    pub fn one_of(&mut self, path: &str, value: &str, valid: &[&str]) {
        self.require(valid.contains(&value), path, || {
            let near = suggest::nearest(value, valid.iter().copied())
                .map_or_else(String::new, |name| format!("; did you mean '{name}'?"));
            format!("unknown value (expected one of {}, found \"{value}\"){near}", valid.join(", "))
        });
    }
}
