//! Tuples read off a cleaned graph: objects, attributes, relations.

use super::graph::{Edge, Graph, Label};

/// A proposed tuple of lemmas: (object), (object, attribute), or (subject, relation, object).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tuple {
    Object(String),
    Attribute(String, String),
    /// Subject, object, relation.
    Relation(String, String, String),
}

/// The tuples of a cleaned graph, in the reference's order, which merging depends on.
pub fn tuples(graph: &Graph) -> Vec<Tuple> {
    let mut reader = Reader { graph, order: graph.order(), tuples: Vec::new() };
    reader.clauses();
    reader.participles();
    reader.predicates();
    reader.adjectives();
    reader.prepositions();
    reader.agents();
    reader.numbers();
    reader.nouns();
    reader.tuples
}

struct Reader<'g> {
    graph: &'g Graph,
    order: Vec<usize>,
    tuples: Vec<Tuple>,
}

/// Whether an edge leads to an object or to a nominal modifier of a known kind.
fn is_object(edge: &Edge) -> bool {
    edge.is(Label::IOBJ) || edge.is(Label::DOBJ) || edge.nmod().is_some()
}

impl Reader<'_> {
    fn lemma(&self, place: usize) -> String {
        self.graph.word(place).lemma.trim().to_lowercase()
    }

    fn is_noun(&self, place: usize) -> bool {
        self.graph.word(place).is_noun()
    }

    fn object(&mut self, word: usize) {
        self.tuples.push(Tuple::Object(self.lemma(word)));
    }

    fn attribute(&mut self, word: usize, attribute: usize) {
        self.tuples.push(Tuple::Attribute(self.lemma(word), self.lemma(attribute)));
    }

    fn relation(&mut self, subject: usize, object: usize, relation: String) {
        self.tuples.push(Tuple::Relation(self.lemma(subject), self.lemma(object), relation));
    }

    /// A predicate's lemma with its particle; "be" with a particle leaves the particle after a space.
    fn predicate(&self, place: usize) -> String {
        let lemma = &self.graph.word(place).lemma;
        match self.graph.child(place, Label::PRT) {
            Some(particle) => {
                let lemma = if lemma == "be" { "" } else { lemma };
                format!("{lemma} {}", self.graph.word(particle).text)
            }
            None => lemma.clone(),
        }
    }

    /// A predicate's name with the preposition by which the object hangs.
    fn predicate_with(&self, place: usize, edge: &Edge) -> String {
        let mut predicate = self.predicate(place);
        if let Some(kind) = edge.nmod().filter(|kind| !matches!(*kind, "poss" | "agent")) {
            predicate.push(' ');
            predicate.push_str(&kind.replace('_', " "));
        }
        predicate
    }

    fn noun_subjects(&self, predicate: usize) -> Vec<usize> {
        let graph = self.graph;
        graph.down(predicate).filter(|e| e.is(Label::NSUBJ) && self.is_noun(e.dependent)).map(|e| e.dependent).collect()
    }

    fn noun_objects(&self, predicate: usize) -> Vec<&Edge> {
        self.graph.down(predicate).filter(|edge| is_object(edge) && self.is_noun(edge.dependent)).collect()
    }

    /// "a man rides a horse", "cars drive on the road".
    fn clauses(&mut self) {
        for predicate in self.order.clone() {
            if self.graph.child(predicate, Label::COP).is_some() {
                continue;
            }
            for subject in self.noun_subjects(predicate) {
                let objects: Vec<(usize, String)> = self
                    .noun_objects(predicate)
                    .iter()
                    .map(|e| (e.dependent, self.predicate_with(predicate, e)))
                    .collect();
                for (object, relation) in objects {
                    self.relation(subject, object, relation);
                }
            }
        }
    }

    /// "a plane parked at the terminal".
    fn participles(&mut self) {
        for subject in self.order.clone() {
            let verbs: Vec<usize> = self
                .graph
                .down(subject)
                .filter(|edge| edge.is(Label::ACL) && self.graph.word(edge.dependent).tag.starts_with('V'))
                .map(|edge| edge.dependent)
                .collect();
            for verb in verbs {
                let objects: Vec<(usize, String)> =
                    self.noun_objects(verb).iter().map(|e| (e.dependent, self.predicate_with(verb, e))).collect();
                for (object, relation) in objects {
                    self.relation(subject, object, relation);
                }
            }
        }
    }

    /// "a woman smiles" and, with a copula, "the man is a rider", "the house is in the forest".
    fn predicates(&mut self) {
        for copular in [false, true] {
            for predicate in self.order.clone() {
                let copula = self.graph.child(predicate, Label::COP).is_some();
                if copular != copula || !copular && !self.noun_objects(predicate).is_empty() {
                    continue;
                }
                for subject in self.noun_subjects(predicate) {
                    self.predicate_of(subject, predicate);
                }
            }
        }
    }

    fn predicate_of(&mut self, subject: usize, predicate: usize) {
        let graph = self.graph;
        if let Some(case) = graph.child(predicate, Label::CASE) {
            let mut preposition = graph.word(case).text.clone();
            for edge in graph.down(case).filter(|edge| edge.is(Label::MWE)) {
                preposition.push(' ');
                preposition.push_str(&graph.word(edge.dependent).text);
            }
            self.relation(subject, predicate, preposition);
        } else if graph.word(predicate).lemma != "be" {
            self.attribute(subject, predicate);
        }
    }

    /// "a red roof", then "the roof is red".
    fn adjectives(&mut self) {
        let graph = self.graph;
        for place in self.order.clone() {
            for edge in graph.down(place).filter(|edge| edge.is(Label::AMOD)) {
                self.attribute(place, edge.dependent);
            }
        }
        for place in self.order.clone() {
            if graph.word(place).tag.starts_with('J') {
                for edge in graph.down(place).filter(|edge| edge.is(Label::NSUBJ)) {
                    self.attribute(edge.dependent, place);
                }
            }
        }
    }

    /// "a house in the forest", then "the farmer's field".
    fn prepositions(&mut self) {
        let graph = self.graph;
        for possessive in [false, true] {
            for place in self.order.clone() {
                if !self.is_noun(place) {
                    continue;
                }
                for edge in graph.down(place) {
                    match edge.nmod() {
                        Some("poss") if possessive && self.is_noun(edge.dependent) => {
                            self.relation(edge.dependent, place, "have".to_owned());
                        }
                        Some("poss" | "agent") | None => {}
                        Some(kind) if !possessive => self.relation(place, edge.dependent, kind.replace('_', " ")),
                        Some(_) => {}
                    }
                }
            }
        }
    }

    /// "the lake is surrounded by trees": trees surround the lake.
    fn agents(&mut self) {
        let graph = self.graph;
        for verb in self.order.clone() {
            if !graph.word(verb).tag.starts_with('V') {
                continue;
            }
            for agent in graph.down(verb).filter(|e| e.nmod() == Some("agent") && graph.word(e.dependent).is_noun()) {
                for patient in graph.down(verb).filter(|e| e.is(Label::NSUBJPASS) && graph.word(e.dependent).is_noun())
                {
                    self.relation(agent.dependent, patient.dependent, self.predicate(verb));
                }
            }
        }
    }

    fn is_plural(&self, place: usize) -> bool {
        self.graph.word(place).is_plural_noun()
    }

    /// A plural object, or a plural modifier with a preposition other than "by" of an agent.
    fn plural_objects(&self, predicate: usize, direct: bool) -> Vec<usize> {
        let fits = |edge: &&Edge| {
            let kind = if direct {
                edge.is(Label::IOBJ) || edge.is(Label::DOBJ)
            } else {
                edge.nmod().is_some_and(|kind| !kind.contains("agent"))
                    && self.graph.child(edge.dependent, Label::CASE).is_some()
            };
            kind && self.is_plural(edge.dependent)
        };
        self.graph.down(predicate).filter(fits).map(|edge| edge.dependent).collect()
    }

    /// "two planes", "a lot of trees": counts of plural nouns.
    fn numbers(&mut self) {
        let graph = self.graph;
        let order = self.order.clone();
        let plural_subjects = |place: usize| {
            graph.down(place).filter(|e| e.is(Label::NSUBJ) && self.is_plural(e.dependent)).map(|e| e.dependent)
        };
        let mut counted = Vec::new();
        // The first plural subject of a predicate with its first plural object.
        for &predicate in &order {
            let objects = [self.plural_objects(predicate, true), self.plural_objects(predicate, false)].concat();
            if let (Some(subject), Some(&object)) = (plural_subjects(predicate).next(), objects.first()) {
                counted.extend([subject, object]);
            }
        }
        // Plural roots, and plural subjects of predicates without plural objects.
        for &place in &order {
            let alone = |edge: &Edge| {
                edge.is(Label::NSUBJ)
                    && self.plural_objects(edge.governor, true).is_empty()
                    && self.plural_objects(edge.governor, false).is_empty()
            };
            if self.is_plural(place) && (graph.roots.contains(&place) || graph.up(place).any(alone)) {
                counted.push(place);
            }
        }
        // Other plural nouns, unless their predicate has a plural subject.
        for &place in &order {
            let taken = |edge: &Edge| {
                let object = edge.is(Label::IOBJ) || edge.is(Label::DOBJ) || edge.label == Label::NMOD;
                edge.is(Label::NSUBJ) || object && plural_subjects(edge.governor).next().is_some()
            };
            if self.is_plural(place) && !graph.roots.contains(&place) && !graph.up(place).any(taken) {
                counted.push(place);
            }
        }
        for place in counted {
            if let Some(number) = graph.child(place, Label::NUMMOD) {
                if number < place {
                    self.attribute(place, number); // not "number 5"
                }
            } else if let Some(quantifier) = graph.child(place, Label::QMOD) {
                self.attribute(place, quantifier);
            }
        }
    }

    /// Compounds as attributes, and every noun that is not part of one as an object.
    fn nouns(&mut self) {
        let graph = self.graph;
        let mut compounds = Vec::new();
        for place in self.order.clone() {
            if !self.is_noun(place) {
                continue;
            }
            for edge in graph.down(place).filter(|e| e.is(Label::COMPOUND) && graph.word(e.dependent).is_noun()) {
                compounds.extend([place, edge.dependent]);
                self.attribute(place, edge.dependent);
            }
        }
        for place in self.order.clone() {
            if self.is_noun(place) && !compounds.contains(&place) {
                self.object(place);
            }
        }
    }
}
