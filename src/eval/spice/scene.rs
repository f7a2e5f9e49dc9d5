//! Scene graphs: the tuples of one or more captions merged by spelling and by WordNet synset.

use super::terms::{Term, Terms};
use super::tuples::Tuple;

/// What a place in a tuple stands for: spellings, and the synsets of any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concept {
    /// Numbers of spellings, sorted.
    names: Vec<u32>,
    /// Sorted.
    synsets: Vec<u32>,
}

impl Concept {
    fn new(term: &Term) -> Self {
        Self { names: vec![term.name], synsets: term.synsets.to_vec() }
    }

    fn merge(&mut self, other: &Self) {
        unite(&mut self.names, &other.names);
        unite(&mut self.synsets, &other.synsets);
    }

    /// Whether a spelling or a synset is shared.
    pub fn is_similar(&self, other: &Self) -> bool {
        shared(&self.synsets, &other.synsets) > 0 || shared(&self.names, &other.names) > 0
    }

    /// 1 where a spelling is shared, else the shared part of all synsets (Jaccard); NaN where neither has any.
    fn similarity(&self, other: &Self) -> f32 {
        if shared(&self.names, &other.names) > 0 {
            return 1.0;
        }
        let both = shared(&self.synsets, &other.synsets);
        both as f32 / (self.synsets.len() + other.synsets.len() - both) as f32
    }

    /// The numbers of its spellings.
    pub fn names(&self) -> &[u32] {
        &self.names
    }
}

/// How many numbers two sorted lists share.
fn shared(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        count += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    count
}

fn unite(into: &mut Vec<u32>, other: &[u32]) {
    into.extend_from_slice(other);
    into.sort_unstable();
    into.dedup();
}

#[derive(Debug)]
struct Node {
    object: Concept,
    attributes: Vec<Concept>,
}

#[derive(Debug)]
struct Relation {
    source: usize,
    target: usize,
    concept: Concept,
}

/// The graph of a caption, or of all references of an image.
#[derive(Debug, Default)]
pub struct Scene {
    nodes: Vec<Node>,
    relations: Vec<Relation>,
}

impl Scene {
    /// Adds tuples in their order, which decides what merges with what.
    pub fn add(&mut self, tuples: &[Tuple], terms: &Terms) {
        for tuple in tuples {
            match tuple {
                Tuple::Object(object) => {
                    self.node(&terms.get(object));
                }
                Tuple::Attribute(object, attribute) => {
                    let node = self.node(&terms.get(object));
                    self.attribute(node, Concept::new(&terms.get(attribute)));
                }
                Tuple::Relation(subject, object, relation) => {
                    let source = self.node(&terms.get(subject));
                    let target = self.node(&terms.get(object));
                    let relation = relation.strip_prefix("be ").unwrap_or(relation);
                    self.relation(Relation { source, target, concept: Concept::new(&terms.get(relation)) });
                }
            }
        }
    }

    /// The node of an identical concept, else the most similar node, which takes the concept in, else a new one.
    fn node(&mut self, term: &Term) -> usize {
        let concept = Concept::new(term);
        let (mut best, mut most) = (None, 0.0);
        for (index, node) in self.nodes.iter().enumerate() {
            if node.object == concept {
                return index;
            }
            let similarity = concept.similarity(&node.object);
            if similarity > most {
                (best, most) = (Some(index), similarity);
            }
        }
        if let Some(index) = best {
            self.nodes[index].object.merge(&concept);
            return index;
        }
        self.nodes.push(Node { object: concept, attributes: Vec::new() });
        self.nodes.len() - 1
    }

    fn attribute(&mut self, node: usize, concept: Concept) {
        let attributes = &mut self.nodes[node].attributes;
        if attributes.contains(&concept) {
            return;
        }
        match attributes.iter_mut().find(|attribute| concept.is_similar(attribute)) {
            Some(attribute) => attribute.merge(&concept),
            None => attributes.push(concept),
        }
    }

    /// Whether two nodes count as the same: one node, or equal concepts neither of which has an attribute (the
    /// reference compares attribute sets by identity where there are any).
    fn same(&self, a: usize, b: usize) -> bool {
        let (first, second) = (&self.nodes[a], &self.nodes[b]);
        a == b || first.object == second.object && first.attributes.is_empty() && second.attributes.is_empty()
    }

    fn relation(&mut self, new: Relation) {
        let parallel: Vec<usize> = (0..self.relations.len())
            .filter(|&index| {
                let old = &self.relations[index];
                self.same(old.source, new.source) && self.same(old.target, new.target)
            })
            .collect();
        if parallel.iter().any(|&index| self.relations[index].concept == new.concept) {
            return;
        }
        match parallel.into_iter().find(|&index| self.relations[index].concept.is_similar(&new.concept)) {
            Some(index) => self.relations[index].concept.merge(&new.concept),
            None => self.relations.push(new),
        }
    }

    /// The tuples that are compared: one a node, an attribute, a relation (subject, relation, object).
    pub fn tuples(&self) -> Vec<Vec<&Concept>> {
        let mut tuples = Vec::new();
        for node in &self.nodes {
            tuples.push(vec![&node.object]);
            tuples.extend(node.attributes.iter().map(|attribute| vec![&node.object, attribute]));
        }
        for relation in &self.relations {
            tuples.push(vec![
                &self.nodes[relation.source].object,
                &relation.concept,
                &self.nodes[relation.target].object,
            ]);
        }
        tuples
    }
}
