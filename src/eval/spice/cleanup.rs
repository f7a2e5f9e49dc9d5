//! Graph clean-up before tuples are read off: quantifiers step down, pronouns are replaced by what they stand for.

use super::graph::{Edge, Graph, Label};
use std::collections::BTreeMap;

/// "a X of N".
const WITH_ARTICLE: [&str; 33] = [
    "lot",
    "assortment",
    "number",
    "couple",
    "bunch",
    "handful",
    "litany",
    "sheaf",
    "slew",
    "dozen",
    "series",
    "variety",
    "multitude",
    "wad",
    "clutch",
    "wave",
    "mountain",
    "array",
    "spate",
    "string",
    "ton",
    "range",
    "plethora",
    "heap",
    "sort",
    "form",
    "kind",
    "type",
    "version",
    "bit",
    "pair",
    "triple",
    "total",
];

/// "X of N".
const PLURAL: [&str; 16] = [
    "lots",
    "many",
    "several",
    "plenty",
    "tons",
    "dozens",
    "multitudes",
    "mountains",
    "loads",
    "pairs",
    "tens",
    "hundreds",
    "thousands",
    "millions",
    "billions",
    "trillions",
];

/// "X of the N", "X of them".
const PARTITIVE: [&str; 21] = [
    "some", "all", "both", "neither", "everyone", "nobody", "one", "two", "three", "four", "five", "six", "seven",
    "eight", "nine", "ten", "hundred", "thousand", "million", "billion", "trillion",
];

/// Pronouns that stand for one thing.
const SINGULAR: [&str; 20] = [
    "i", "me", "myself", "mine", "my", "yourself", "he", "him", "himself", "his", "she", "her", "herself", "hers",
    "it", "itself", "its", "one", "oneself", "one's",
];

/// Both steps, in the reference's order.
pub fn clean_up(graph: &mut Graph) {
    demote_quantifiers(graph);
    resolve_pronouns(graph);
}

/// A quantifier found: its head, the noun that takes its place, "of", and its article.
struct Found {
    head: usize,
    noun: usize,
    others: Vec<usize>,
    /// Whether only adjectives before the head belong to the phrase, or every dependent before it.
    adjectives_only: bool,
}

fn is_number(word: &str, ending: &str) -> bool {
    word.strip_suffix(ending).is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Turns "a lot of trees" so that "trees" takes the place of "lot" and the quantifier becomes its dependent.
fn demote_quantifiers(graph: &mut Graph) {
    for pattern in [with_article, plural, partitive] {
        let found: Vec<Found> = graph.order().into_iter().filter_map(|head| pattern(graph, head)).collect();
        for found in found {
            if !demote(graph, found) {
                return;
            }
        }
    }
}

/// The nominal modifiers of `head` for which "of" follows it, with "of".
fn of_phrases(graph: &Graph, head: usize) -> impl Iterator<Item = (usize, usize)> {
    let of = head + 1;
    let follows = graph.word(of).text == "of";
    graph.down(head).filter(move |edge| follows && edge.label == Label::NMOD).filter_map(move |edge| {
        let noun = edge.dependent;
        graph.down(noun).any(|edge| edge.is(Label::CASE) && edge.dependent == of).then_some((noun, of))
    })
}

fn noun_or_pronoun(graph: &Graph, place: usize) -> bool {
    let tag = &graph.word(place).tag;
    tag.starts_with("NN") || tag.starts_with("PRP")
}

fn with_article(graph: &Graph, head: usize) -> Option<Found> {
    if !WITH_ARTICLE.contains(&graph.word(head).text.as_str()) {
        return None;
    }
    let article = graph
        .down(head)
        .find(|edge| edge.is(Label::DET) && matches!(graph.word(edge.dependent).text.as_str(), "a" | "an"))?;
    let (noun, of) = of_phrases(graph, head).find(|&(noun, _)| noun_or_pronoun(graph, noun))?;
    Some(Found { head, noun, others: vec![article.dependent, head, of], adjectives_only: true })
}

fn plural(graph: &Graph, head: usize) -> Option<Found> {
    let word = graph.word(head).text.as_str();
    if !(PLURAL.contains(&word) || is_number(word, "s")) {
        return None;
    }
    let (noun, of) = of_phrases(graph, head).find(|&(noun, _)| noun_or_pronoun(graph, noun))?;
    Some(Found { head, noun, others: vec![head, of], adjectives_only: false })
}

fn partitive(graph: &Graph, head: usize) -> Option<Found> {
    let word = graph.word(head).text.as_str();
    if !(PARTITIVE.contains(&word) || is_number(word, "")) {
        return None;
    }
    let determined = |noun: usize, of: usize| {
        let next = graph.down(noun).find(|edge| edge.dependent > of);
        graph.word(noun).tag.starts_with("NN") && next.is_some_and(|edge| edge.is(Label::DET))
    };
    let (noun, of) =
        of_phrases(graph, head).find(|&(noun, of)| determined(noun, of) || graph.word(noun).tag.starts_with("PRP"))?;
    Some(Found { head, noun, others: vec![head, of], adjectives_only: false })
}

/// Whether the reference goes on with the next phrase: it stops for good at a head without a governor.
fn demote(graph: &mut Graph, found: Found) -> bool {
    let Found { head, noun, mut others, adjectives_only } = found;
    if let Some(at) = graph.roots.iter().position(|&root| root == head) {
        graph.roots.remove(at);
        graph.roots.push(noun);
        if let Some(edge) = graph.edges.iter_mut().find(|edge| edge.governor == 0 && edge.dependent == head) {
            edge.dependent = noun;
        }
    } else {
        let Some(parent) = graph.parent(head) else { return false };
        if let Some(edge) = graph.edges.iter_mut().find(|edge| edge.governor == parent && edge.dependent == head) {
            edge.dependent = noun;
        }
    }
    if let Some(at) = graph.edges.iter().position(|edge| edge.governor == head && edge.dependent == noun) {
        graph.edges.remove(at);
    }
    let before = graph.edges.iter().filter(|edge| edge.governor == head && edge.dependent < head);
    others.extend(before.filter(|edge| !adjectives_only || edge.is(Label::AMOD)).map(|edge| edge.dependent));
    others.sort_unstable();
    others.dedup();
    graph.edges.retain(|edge| !others.contains(&edge.dependent));
    let mut others = others.into_iter();
    if let Some(first) = others.next() {
        graph.edges.push(Edge::new(noun, first, Label::QMOD));
        graph.edges.extend(others.map(|other| Edge::new(first, other, Label::MWE)));
    }
    true
}

/// A pronoun with a governor stands for the first noun from the root, breadth-first, if that comes before it.
fn resolve_pronouns(graph: &mut Graph) {
    let mut pairs = BTreeMap::new();
    for place in 2..=graph.len() {
        let word = graph.word(place);
        if !word.tag.starts_with("PRP") || graph.parent(place).is_none() {
            continue;
        }
        let singular = SINGULAR.contains(&word.text.as_str());
        let root = graph.roots.first().copied();
        if let Some(noun) = root.and_then(|root| first_noun(graph, root, singular)).filter(|&noun| noun < place) {
            pairs.insert(place, noun);
        }
    }
    for (pronoun, noun) in pairs {
        if let Some(root) = graph.roots.iter_mut().find(|root| **root == pronoun) {
            *root = noun;
        } else {
            graph.edges.iter_mut().filter(|edge| edge.dependent == pronoun).for_each(|edge| edge.dependent = noun);
        }
        graph.edges.iter_mut().filter(|edge| edge.governor == pronoun).for_each(|edge| edge.governor = noun);
    }
}

fn first_noun(graph: &Graph, root: usize, singular: bool) -> Option<usize> {
    let mut queue = vec![root];
    let mut at = 0;
    while let Some(&place) = queue.get(at) {
        at += 1;
        let word = graph.word(place);
        if word.is_noun() && !(singular && word.is_plural_noun()) {
            return Some(place);
        }
        let mut below: Vec<usize> = graph.down(place).map(|edge| edge.dependent).collect();
        below.sort_unstable();
        below.retain(|child| !queue.contains(child));
        queue.extend(below);
    }
    // From the root's own governor, where a cycle gives it one.
    graph.parent(root).filter(|parent| !queue.contains(parent)).and_then(|parent| first_noun(graph, parent, singular))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spice::graph::Word;

    fn graph(words: &[(&str, &str)], edges: &[(&str, usize, usize)]) -> Graph {
        let word =
            |(text, tag): &(&str, &str)| Word { text: (*text).into(), tag: (*tag).into(), lemma: (*text).into() };
        Graph {
            words: words.iter().map(word).collect(),
            edges: edges.iter().map(|(name, from, to)| Edge::named(name, *from, *to)).collect(),
            roots: edges.iter().filter(|edge| edge.1 == 0).map(|edge| edge.2).collect(),
        }
    }

    #[test]
    fn a_quantifier_steps_down_and_its_noun_takes_its_place() {
        let words = [("a", "DT"), ("lot", "NN"), ("of", "IN"), ("trees", "NNS")];
        let mut graph = graph(&words, &[("root", 0, 2), ("det", 2, 1), ("case", 4, 3), ("nmod:of", 2, 4)]);
        clean_up(&mut graph);
        assert_eq!(graph.roots, [4]);
        assert_eq!(graph.child(4, Label::QMOD), Some(1));
        assert!(graph.down(1).all(|edge| edge.is(Label::MWE)) && graph.down(2).next().is_none());
    }

    #[test]
    fn a_pronoun_stands_for_the_first_noun_before_it() {
        let words = [("house", "NN"), ("with", "IN"), ("trees", "NNS"), ("around", "IN"), ("it", "PRP")];
        let edges = [("root", 0, 1), ("case", 3, 2), ("nmod:with", 1, 3), ("case", 5, 4), ("nmod:around", 3, 5)];
        let mut graph = graph(&words, &edges);
        clean_up(&mut graph);
        assert!(graph.edges.contains(&Edge::named("nmod:around", 3, 1)) && graph.up(5).next().is_none());
    }
}
