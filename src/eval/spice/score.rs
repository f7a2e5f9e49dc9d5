//! Agreement of a caption's scene with that of its references: F1 of tuples, and of kinds of them.

use super::scene::{Concept, Scene};
use super::terms::Terms;

/// Kinds of tuples, in the order in which tables print them; all of them first.
pub const KINDS: [&str; 7] = ["all", "object", "attribute", "relation", "colour", "cardinality", "size"];

const COLORS: [&str; 18] = [
    "black", "brown", "blue", "red", "yellow", "pink", "gray", "grey", "green", "dark", "light", "white", "cream",
    "orange", "purple", "maroon", "beige", "violet",
];
const NUMBERS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const SIZES: &str = "baby illimitable scrawny beefy immeasurable short big immense sizable bony infinitesimal skeletal \
    boundless lanky skimpy brawny large skinny broad lean slender bulky life-size slim chunky limitless small colossal \
    little squat compact mammoth stocky corpulent massive stout cosmic meager strapping cubby measly sturdy curvy \
    microscopic tall elfin mini teensy emaciated miniature teeny endless minuscule teeny-tiny enormous minute \
    teeny-weeny epic narrow thick expansive obese thickset extensive outsized thin fat oversize tiny fleshy overweight \
    titanic full-size paltry towering gargantuan petite trifling gaunt pint-size trim giant plump tubby gigantic \
    pocket-size undersized grand portly underweight great pudgy unlimited heavy puny vast hefty rotund wee huge scanty \
    whopping hulking scraggy wide";

/// The numbers of the words that make an attribute a colour, a count or a size.
#[derive(Debug)]
pub struct Lists([Vec<u32>; 3]);

impl Lists {
    pub fn new(terms: &Terms) -> Self {
        let sizes: Vec<&str> = SIZES.split_whitespace().collect();
        Self([terms.numbers(&COLORS), terms.numbers(&NUMBERS), terms.numbers(&sizes)])
    }

    /// Whether a tuple is of a kind (its place in [`KINDS`]). A merged attribute, which has several spellings, is of
    /// none of the three lists.
    fn is(&self, tuple: &[&Concept], kind: usize) -> bool {
        match (kind, tuple) {
            (0, _) => true,
            (1..=3, _) => tuple.len() == kind,
            (_, [_, attribute]) => match (attribute.names(), self.0.get(kind - 4)) {
                ([name], Some(list)) => list.binary_search(name).is_ok(),
                _ => false,
            },
            _ => false,
        }
    }
}

/// How many tuples of one kind a caption has, its references have, and of the caption's were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub found: u32,
    pub caption: u32,
    pub references: u32,
}

impl Count {
    /// F1; 0 where there is nothing to find or nothing was found. Recall counts the caption's tuples that were found,
    /// as the reference does, of which there may be more than the references have.
    pub fn f1(&self) -> f64 {
        if self.references == 0 || self.caption == 0 || self.found == 0 {
            return 0.0;
        }
        let precision = f64::from(self.found) / f64::from(self.caption);
        let recall = f64::from(self.found) / f64::from(self.references);
        2.0 * (precision * recall) / (precision + recall)
    }
}

/// Counts by kind, in the order of [`KINDS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts(pub [Count; 7]);

/// F1 by kind, summed over the captions that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SpiceStats {
    sums: [f64; 7],
    captions: [u32; 7],
}

impl SpiceStats {
    pub fn new(counts: &Counts) -> Self {
        let mut stats = Self::default();
        for (kind, count) in counts.0.iter().enumerate() {
            // Of a kind that its references lack, a caption has no score.
            if kind == 0 || count.references > 0 {
                (stats.sums[kind], stats.captions[kind]) = (count.f1(), 1);
            }
        }
        stats
    }

    pub fn add(&mut self, other: &Self) {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, more)| *sum += more);
        self.captions.iter_mut().zip(other.captions).for_each(|(captions, more)| *captions += more);
    }

    /// The mean F1 of a kind (its place in [`KINDS`]); NaN where no caption has one, but 0 of all tuples.
    pub fn mean(&self, kind: usize) -> f64 {
        match (self.sums.get(kind), self.captions.get(kind)) {
            (Some(_), Some(0)) if kind == 0 => 0.0,
            (Some(sum), Some(captions)) => sum / f64::from(*captions),
            _ => f64::NAN,
        }
    }
}

/// Compares a caption's scene with the references'.
pub fn compare(caption: &Scene, references: &Scene, lists: &Lists) -> Counts {
    let (caption, references) = (caption.tuples(), references.tuples());
    let mut counts = Counts::default();
    for (kind, count) in counts.0.iter_mut().enumerate() {
        let ours: Vec<_> = caption.iter().filter(|tuple| lists.is(tuple, kind)).collect();
        let theirs: Vec<_> = references.iter().filter(|tuple| lists.is(tuple, kind)).collect();
        let similar =
            |a: &[&Concept], b: &[&Concept]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.is_similar(y));
        let found = ours.iter().filter(|tuple| theirs.iter().any(|other| similar(tuple, other))).count();
        *count = Count { found: found as u32, caption: ours.len() as u32, references: theirs.len() as u32 };
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spice::tuples::Tuple;

    fn compared(caption: &[Tuple], references: &[Tuple]) -> Counts {
        let terms = Terms::new(None);
        let lists = Lists::new(&terms);
        let scene = |tuples: &[Tuple]| {
            let mut scene = Scene::default();
            scene.add(tuples, &terms);
            scene
        };
        compare(&scene(caption), &scene(references), &lists)
    }

    fn attribute(object: &str, attribute: &str) -> Tuple {
        Tuple::Attribute(object.into(), attribute.into())
    }

    #[test]
    fn tuples_are_counted_by_kind() {
        let caption = [attribute("roof", "red"), attribute("car", "two")];
        let references = [attribute("roof", "red"), attribute("car", "small"), Tuple::Object("tree".into())];
        let counts = compared(&caption, &references);
        let numbers = counts.0.map(|count| (count.found, count.caption, count.references));
        assert_eq!(numbers, [(3, 4, 5), (2, 2, 3), (1, 2, 2), (0, 0, 0), (1, 1, 1), (0, 1, 0), (0, 0, 1)]);
        let stats = SpiceStats::new(&counts);
        assert!((stats.mean(0) - 2.0 / 3.0).abs() < 1e-12 && stats.mean(3).is_nan() && stats.mean(6) == 0.0);
    }

    #[test]
    fn an_empty_side_scores_0() {
        assert_eq!(SpiceStats::new(&compared(&[], &[Tuple::Object("tree".into())])).mean(0), 0.0);
        assert_eq!(SpiceStats::new(&compared(&[], &[])).mean(0), 0.0);
    }
}
