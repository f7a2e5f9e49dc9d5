//! Agreement of a caption's scene with that of its references: F1 of tuples, and of kinds of them.

use super::scene::{Concept, Scene};
use super::terms::Terms;

/// Kinds of tuples, in the order in which tables print them; all of them first.
pub const KINDS: [&str; 7] = ["", "object", "attribute", "relation", "color", "cardinality", "size"];

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
    /// F1; `None` where the references have no such tuple and the kind is not all of them.
    pub fn f1(&self) -> f64 {
        // The reference counts missed tuples as those of the references less the found ones, which may be negative.
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
