//! Words that a tagger calls nouns and that say nothing of an image: reviewed lists, one for captions of any kind and
//! one for each published dataset.
//!
//! S2CPNet (Fig. 2) leaves out "meaningless" nouns by hand and names two, "one" and "size"; its list is not published.
//! Ours hold what is left of colours, amounts, places within the picture, and verbs and adjectives that NLTK's tags
//! mistake, of nouns seen five times or more (`rsic data nouns`). "medium" stays: the figure has it.

use super::Dataset;
use super::published::Published;

/// Of any dataset.
const ANY: &[&str] = &[
    "amount",
    "amounts",
    "angle",
    "angles",
    "azure",
    "back",
    "beside",
    "blue",
    "bottom",
    "brown",
    "color",
    "colors",
    "colour",
    "colours",
    "cyan",
    "dark",
    "dense",
    "depths",
    "desolate",
    "direction",
    "directions",
    "distance",
    "dozen",
    "dozens",
    "front",
    "gray",
    "green",
    "grey",
    "group",
    "groups",
    "half",
    "heights",
    "hundreds",
    "image",
    "khaki",
    "kind",
    "kinds",
    "left",
    "lengths",
    "light",
    "lot",
    "lots",
    "many",
    "middle",
    "nothing",
    "number",
    "numbers",
    "one",
    "ones",
    "orange",
    "others",
    "parallel",
    "part",
    "parts",
    "percent",
    "picture",
    "piece",
    "pieces",
    "place",
    "places",
    "plenty",
    "position",
    "positions",
    "range",
    "red",
    "rest",
    "right",
    "round",
    "row",
    "rows",
    "scale",
    "scales",
    "series",
    "shape",
    "shapes",
    "side",
    "sides",
    "silver",
    "size",
    "sizes",
    "some",
    "sparse",
    "style",
    "styles",
    "tan",
    "times",
    "top",
    "total",
    "turquoise",
    "type",
    "types",
    "way",
    "white",
    "yellow",
];

const UCM: &[&str] =
    &["compact", "compose", "cross", "diagonally", "go", "l", "letter", "lush", "mess", "r", "verdant", "violent"];

const SYDNEY: &[&str] = &["curving", "pass", "residentail", "shining", "sparkling"];

const RSICD: &[&str] = &[
    "bald",
    "bare",
    "barren",
    "bird's",
    "bustling",
    "distribution",
    "ease",
    "endless",
    "expanse",
    "hand",
    "locate",
    "lush",
    "order",
    "oval",
    "passing",
    "residential",
    "rise",
    "roofed",
    "s",
    "sits",
    "smooth",
    "south",
    "stretch",
    "stretches",
    "tall",
    "there's",
    "wet",
    "winding",
];

const NWPU: &[&str] = &[
    "bare",
    "behind",
    "bulk",
    "circular",
    "connects",
    "consist",
    "consists",
    "countless",
    "coverage",
    "curvy",
    "departure",
    "designation",
    "downs",
    "gather",
    "gathers",
    "gauzy",
    "intersect",
    "intersecting",
    "makeshift",
    "meandering",
    "mobile",
    "pale",
    "pass",
    "passing",
    "plants,bare",
    "point",
    "rectangular",
    "residential",
    "roofed",
    "sandy",
    "shades",
    "slender",
    "sloping",
    "smoking",
    "snowy",
    "sparsity",
    "steaming",
    "straight",
    "taller",
    "thickness",
    "third",
    "transitions",
    "turn",
    "ups",
    "vacant",
    "vary",
    "wavy",
    "winding",
];

/// The words for captions of this dataset.
pub fn of(dataset: &Dataset) -> impl Iterator<Item = &'static str> {
    let own = match Published::of(dataset).map(|published| published.name) {
        Some("UCM-Captions") => UCM,
        Some("Sydney-Captions") => SYDNEY,
        Some("RSICD") => RSICD,
        Some("NWPU-Captions") => NWPU,
        _ => &[],
    };
    ANY.iter().chain(own).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_listed_twice_and_lists_are_in_order() {
        for own in [UCM, SYDNEY, RSICD, NWPU] {
            assert!(own.is_sorted() && ANY.is_sorted());
            assert!(own.iter().all(|word| !ANY.contains(word)), "{own:?}");
        }
    }
}
