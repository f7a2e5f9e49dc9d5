//! Between trees and graphs: what collapsing and conjunctions add to a tree, and the tree below a graph.
//!
//! The parser knows trees. The reference's graphs name prepositions in their relations (`nmod:in`), conjunctions
//! (`conj:and`), and repeat the first conjunct's governor and subject for the others.

use super::graph::{Edge, Graph, Label, Word};

/// A word's governor (0: none, it is the root) and relation.
pub type Arc = (usize, Label);

/// The tree below a graph: of several governors, the one that the others were copied from.
pub fn tree(graph: &Graph) -> Vec<Arc> {
    (1..=graph.len())
        .map(|place| primary(graph, place).map_or((0, Label::ROOT), |edge| (edge.governor, plain(edge))))
        .collect()
}

fn primary(graph: &Graph, place: usize) -> Option<&Edge> {
    let edges: Vec<&Edge> =
        graph.edges.iter().filter(|edge| edge.dependent == place && edge.governor != place).collect();
    if edges.iter().any(|edge| edge.governor == 0) {
        return edges.into_iter().find(|edge| edge.governor == 0);
    }
    let nearest =
        edges.iter().filter(|edge| edge.label == Label::CONJ && edge.governor < place).max_by_key(|e| e.governor);
    if let Some(conjunct) = nearest {
        return Some(conjunct);
    }
    let conjunct_of = |a: usize, b: usize| {
        graph.edges.iter().any(|edge| edge.label == Label::CONJ && edge.governor == b && edge.dependent == a)
    };
    let first = edges.iter().find(|edge| !edges.iter().any(|other| conjunct_of(edge.governor, other.governor)));
    first.or(edges.first()).copied()
}

/// A relation without what collapsing added.
fn plain(edge: &Edge) -> Label {
    match edge.nmod() {
        Some("agent") => Label::AGENT,
        Some("poss") => Label::POSS,
        Some("tmod") => Label::TMOD,
        Some("npmod") => Label::NPMOD,
        _ => edge.label,
    }
}

/// The graph of a tree.
pub fn graph(words: Vec<Word>, tree: &[Arc]) -> Graph {
    let mut graph = Graph { words, ..Graph::default() };
    let children = |place: usize, label: Label| {
        tree.iter().zip(1..).filter(move |(arc, _)| **arc == (place, label)).map(|(_, child)| child)
    };
    for (&(governor, label), place) in tree.iter().zip(1..) {
        let edge = match label {
            Label::AGENT => Edge::new(governor, place, Label::NMOD).with("agent"),
            Label::POSS => Edge::new(governor, place, Label::NMOD).with("poss"),
            Label::TMOD => Edge::new(governor, place, Label::NMOD).with("tmod"),
            Label::NPMOD => Edge::new(governor, place, Label::NMOD).with("npmod"),
            Label::NMOD => match children(place, Label::CASE).last() {
                Some(case) => {
                    let mut preposition = graph.word(case).text.clone();
                    for more in children(case, Label::MWE) {
                        preposition.push('_');
                        preposition.push_str(&graph.word(more).text);
                    }
                    Edge::new(governor, place, Label::NMOD).with(&preposition)
                }
                None => Edge::new(governor, place, Label::NMOD),
            },
            Label::CONJ => {
                let conjunctions = children(governor, Label::CC);
                let before = conjunctions.filter(|&cc| cc < place).last().map(|cc| graph.word(cc).text.clone());
                Edge::new(governor, place, Label::CONJ).with(before.as_deref().unwrap_or("and"))
            }
            label => Edge::new(governor, place, label),
        };
        if governor == 0 {
            graph.roots.push(place);
        }
        graph.edges.push(edge);
    }
    let basic = graph.edges.clone();
    for conjunct in basic.iter().filter(|edge| edge.label == Label::CONJ) {
        let (first, other) = (conjunct.governor, conjunct.dependent);
        if let Some(edge) = basic.iter().find(|edge| edge.dependent == first)
            && edge.governor != 0
        {
            let mut copy = Edge { dependent: other, ..edge.clone() };
            // A conjunct with a preposition of its own keeps it.
            if edge.label == Label::NMOD
                && let Some(own) = children(other, Label::CASE).last()
            {
                let mut preposition = graph.word(own).text.clone();
                for more in children(own, Label::MWE) {
                    preposition.push('_');
                    preposition.push_str(&graph.word(more).text);
                }
                copy.detail = Some(preposition.into());
            }
            graph.edges.push(copy);
        }
        let tag = graph.word(other).tag.clone();
        let predicate = tag.starts_with("VB") || tag.starts_with('J');
        let own = basic.iter().any(|edge| edge.governor == other && is_subject(edge));
        if predicate && !own && !basic.iter().any(|e| e.governor == other && e.label == Label::EXPL) {
            let passive = basic.iter().any(|edge| edge.governor == other && edge.label == Label::AUXPASS);
            for subject in basic.iter().filter(|edge| edge.governor == first && is_subject(edge)) {
                let passive = passive || tag == "VBN" && subject.label == Label::NSUBJPASS;
                let label = if passive { Label::NSUBJPASS } else { Label::NSUBJ };
                graph.edges.push(Edge::new(other, subject.dependent, label));
            }
        }
    }
    graph
}

fn is_subject(edge: &Edge) -> bool {
    matches!(edge.label, Label::NSUBJ | Label::NSUBJPASS | Label::CSUBJ)
}
