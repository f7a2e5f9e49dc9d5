//! From constituents to dependencies: which child of a constituent is its head, and how the others depend on it.
//!
//! The reference reads dependencies off its trees by rules about labels of constituents, tags and a few words. Here the
//! same is learnt, as tables from what such rules can see to what they say. Each table is asked from the most detailed
//! description on, and the first that training knew decides.

use super::bytes::{take, take_u32, take_words, words};
use super::convert::Arc;
use super::derivation::Constituent;
use super::grammar::Grammar;
use super::graph::Label;
use super::hash::of_numbers;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Prepositions of two and three words, which the reference takes as one.
const PREPOSITIONS: [&[&str]; 19] = [
    &["next", "to"],
    &["near", "to"],
    &["close", "to"],
    &["together", "with"],
    &["along", "with"],
    &["far", "from"],
    &["away", "from"],
    &["across", "from"],
    &["out", "of"],
    &["outside", "of"],
    &["inside", "of"],
    &["because", "of"],
    &["instead", "of"],
    &["due", "to"],
    &["prior", "to"],
    &["except", "for"],
    &["in", "front", "of"],
    &["on", "top", "of"],
    &["in", "addition", "to"],
];

/// Levels of detail in the descriptions of heads and of arcs.
const HEADS: usize = 3;
const ARCS: usize = 7;

/// How a child depends: on its sibling so many places away (0: on the head), and its label.
type Relation = (i8, u8);

/// The tables.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Relations {
    /// Place of the head among the children, by description.
    heads: FxHashMap<u32, u8>,
    arcs: FxHashMap<u32, Relation>,
}

/// A constituent whose children are to be related.
struct Family<'c> {
    grammar: &'c Grammar,
    inner: u16,
    children: Vec<u16>,
    /// Whether it follows or starts with "there" as in "there is".
    existential: bool,
}

impl Family<'_> {
    fn category(&self, symbol: u16) -> u32 {
        let symbol = self.grammar.symbols.get(usize::from(symbol));
        symbol.map_or(0, |symbol| u32::from(symbol.category) << 1 | u32::from(symbol.be))
    }

    fn is_nominal(&self) -> bool {
        matches!(self.grammar.tag_name(self.inner), "NP" | "NX" | "QP" | "PP")
    }

    fn head_keys(&self) -> [u32; HEADS] {
        let exact = self.children.iter().map(|&child| u32::from(child));
        let general = || self.children.iter().map(|&child| self.category(child));
        let existential = u32::from(self.existential);
        [
            of_numbers(0, [existential, self.inner.into()].into_iter().chain(exact)),
            of_numbers(1, [existential, self.category(self.inner)].into_iter().chain(general())),
            of_numbers(2, [self.category(self.inner)].into_iter().chain(general())),
        ]
    }

    fn arc_keys(&self, head: usize, child: usize, seen: &Seen) -> [u32; ARCS] {
        let symbol = |at: usize| self.children.get(at).copied().unwrap_or_default();
        let names = |at: usize| matches!(self.grammar.tag_name(symbol(at)), "CC" | "CONJP" | ",");
        let joined = u32::from((0..child).any(names));
        let after = u32::from(child > head);
        let place = (child as i64 - head as i64).clamp(-2, 2) as u32;
        let context = [seen.head_tag, seen.tag, u32::from(seen.passive) << 1 | u32::from(seen.case)];
        let exact = [self.inner, symbol(head), symbol(child)].map(u32::from);
        let general = [self.inner, symbol(head), symbol(child)].map(|symbol| self.category(symbol));
        let [whole, outline, _] = self.head_keys();
        let with =
            |kind: u8, seen: &[u32], more: &[u32]| of_numbers(kind, seen.iter().chain(&context).chain(more).copied());
        [
            with(3, &[whole, child as u32], &[seen.word]),
            with(4, &exact, &[place, joined, seen.word]),
            with(5, &[outline, child as u32], &[]),
            with(6, &exact, &[after, joined]),
            with(7, &general, &[after, joined, seen.word]),
            with(8, &general, &[after, joined]),
            of_numbers(9, [general[0], general[2], after, seen.tag]),
        ]
    }
}

/// What is known of a child and of the head when they are related.
struct Seen {
    head_tag: u32,
    tag: u32,
    /// The head has a passive auxiliary.
    passive: bool,
    /// The child has a preposition.
    case: bool,
    /// The child's word where it is of a closed class, else 0.
    word: u32,
}

/// The work on one caption. Words count from 0, governors from 1.
struct Reading<'r, 'w> {
    grammar: &'r Grammar,
    texts: &'r [&'w str],
    /// Tags' categories.
    tags: Vec<u32>,
    arcs: Vec<Arc>,
    passive: Vec<bool>,
    /// Of each word, its preposition.
    case: Vec<Option<usize>>,
}

/// Opens constituents with the rest of a preposition of several words, so that its words and its object are siblings.
fn open_prepositions(constituent: &mut Constituent, texts: &[&str], grammar: &Grammar) {
    constituent.children.iter_mut().for_each(|child| open_prepositions(child, texts, grammar));
    let spells = |at: usize, words: &[&str]| texts.get(at..at + words.len()).is_some_and(|part| part == words);
    // "next" and "to the road": the latter is opened beside the former, unless a verb has both.
    if grammar.tag_name(constituent.inner) != "VP" {
        let mut at = 1;
        while at < constituent.children.len() {
            let (before, child) = (constituent.children[at - 1].end, &constituent.children[at]);
            let pair = PREPOSITIONS.iter().any(|words| words.len() == 2 && before > 0 && spells(before - 1, words));
            if pair && child.children.first().is_some_and(|first| first.children.is_empty()) {
                let opened = std::mem::take(&mut constituent.children[at].children);
                constituent.children.splice(at..=at, opened);
            }
            at += 1;
        }
    }
    // "in" and "front of the house": both opened, if nothing but "front" goes with "of the house".
    if let [preposition, object] = &mut constituent.children[..]
        && preposition.children.is_empty()
        && PREPOSITIONS.iter().any(|words| words.len() == 3 && spells(preposition.start, words))
        && let [noun, rest] = &mut object.children[..]
        && noun.end == noun.start + 1
        && rest.children.first().is_some_and(|first| first.children.is_empty())
    {
        noun.children.clear();
        let opened = std::iter::once(noun.clone()).chain(std::mem::take(&mut rest.children));
        let opened: Vec<Constituent> = opened.collect();
        constituent.children.splice(1..=1, opened);
    }
}

impl<'r, 'w> Reading<'r, 'w> {
    fn new(grammar: &'r Grammar, texts: &'r [&'w str], constituents: &mut [Constituent]) -> Self {
        let mut tags = vec![0; texts.len()];
        for constituent in constituents {
            open_prepositions(constituent, texts, grammar);
            note_tags(constituent, grammar, &mut tags);
        }
        let words = texts.len();
        Self {
            grammar,
            texts,
            tags,
            arcs: vec![(0, Label::ROOT); words],
            passive: vec![false; words],
            case: vec![None; words],
        }
    }

    fn tag_name(&self, word: usize) -> &str {
        let category = self.tags.get(word).map_or(0, |&tag| tag as usize);
        self.grammar.categories.get(category).map_or("", String::as_str)
    }

    fn family(&self, constituent: &Constituent) -> Family<'r> {
        let before = constituent.start.saturating_sub(2);
        Family {
            grammar: self.grammar,
            inner: constituent.inner,
            children: constituent.children.iter().map(|child| child.outer).collect(),
            existential: (before..=constituent.start).any(|word| self.tag_name(word) == "EX"),
        }
    }

    fn seen(&self, head: usize, word: usize) -> Seen {
        let closed = matches!(self.tag_name(word), "IN" | "EX" | "DT" | "RB" | "TO" | "WDT" | "CC");
        Seen {
            head_tag: self.tags[head],
            tag: self.tags[word],
            passive: self.passive[head],
            case: self.case[word].is_some(),
            word: if closed { of_numbers(10, self.texts[word].bytes().map(u32::from)) } else { 0 },
        }
    }

    fn relate(&mut self, governor: usize, word: usize, label: Label) {
        self.arcs[word] = (governor + 1, label);
        self.passive[governor] |= label == Label::AUXPASS;
        if label == Label::CASE {
            self.case[governor] = Some(word);
        }
    }
}

impl Reading<'_, '_> {
    /// What goes with "by" and a passive verb did what the verb says.
    fn name_agents(&mut self) {
        for word in 0..self.arcs.len() {
            let (governor, label) = self.arcs[word];
            let passive = governor > 0 && self.passive[governor - 1];
            if label == Label::NMOD && passive && self.case[word].is_some_and(|case| self.texts[case] == "by") {
                self.arcs[word].1 = Label::AGENT;
            }
        }
    }
}

fn note_tags(constituent: &Constituent, grammar: &Grammar, tags: &mut [u32]) {
    if constituent.children.is_empty()
        && let Some(tag) = tags.get_mut(constituent.start)
    {
        let symbol = grammar.symbols.get(usize::from(constituent.inner));
        *tag = symbol.map_or(0, |symbol| symbol.category.into());
    }
    constituent.children.iter().for_each(|child| note_tags(child, grammar, tags));
}

impl Relations {
    /// The tags' categories and the dependencies of a caption with these constituents, one unless it could not be
    /// derived as a whole: then the first one's head is the root.
    pub fn read_off(
        &self,
        grammar: &Grammar,
        texts: &[&str],
        mut constituents: Vec<Constituent>,
    ) -> (Vec<u32>, Vec<Arc>) {
        let mut reading = Reading::new(grammar, texts, &mut constituents);
        let heads: Vec<usize> = constituents.iter().map(|constituent| self.head(&mut reading, constituent)).collect();
        if let Some((&first, others)) = heads.split_first() {
            others.iter().for_each(|&word| reading.arcs[word] = (first + 1, Label::DEP));
        }
        reading.name_agents();
        (reading.tags, reading.arcs)
    }

    /// Relates the words of a constituent, and gives the one that is its head.
    fn head(&self, reading: &mut Reading, constituent: &Constituent) -> usize {
        let words: Vec<usize> = constituent.children.iter().map(|child| self.head(reading, child)).collect();
        if words.len() < 2 {
            return words.first().copied().unwrap_or(constituent.start);
        }
        let family = reading.family(constituent);
        let known = family.head_keys().iter().find_map(|key| self.heads.get(key)).copied();
        // A noun phrase ends with its head, mostly; others start with it.
        let usual = if family.is_nominal() { words.len() - 1 } else { 0 };
        let head = known.map_or(usual, usize::from).min(words.len() - 1);
        for (child, &word) in words.iter().enumerate().filter(|(child, _)| *child != head) {
            let keys = family.arc_keys(head, child, &reading.seen(words[head], word));
            let (target, label) = keys.iter().find_map(|key| self.arcs.get(key)).copied().unwrap_or((0, Label::DEP.0));
            let sibling =
                child.checked_add_signed(target.into()).filter(|&sibling| target != 0 && sibling < words.len());
            reading.relate(words[sibling.unwrap_or(head)], word, Label(label));
        }
        words[head]
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let heads: BTreeMap<_, _> = self.heads.iter().map(|(&key, &head)| (key, head)).collect();
        words(out, &[heads.len() as u32]);
        words(out, &heads.keys().copied().collect::<Vec<_>>());
        out.extend(heads.values());
        let arcs: BTreeMap<_, _> = self.arcs.iter().map(|(&key, &arc)| (key, arc)).collect();
        words(out, &[arcs.len() as u32]);
        words(out, &arcs.keys().copied().collect::<Vec<_>>());
        out.extend(arcs.values().flat_map(|&(target, label)| [target as u8, label]));
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let count = take_u32(from)? as usize;
        let keys = take_words(from, count)?;
        let heads = keys.into_iter().zip(take(from, count)?.iter().copied()).collect();
        let count = take_u32(from)? as usize;
        let keys = take_words(from, count)?;
        let values = take(from, count.checked_mul(2)?)?.chunks_exact(2).map(|pair| (pair[0] as i8, pair[1]));
        let arcs: FxHashMap<u32, Relation> = keys.into_iter().zip(values).collect();
        let known = |&(_, label): &Relation| usize::from(label) < Label::NAMES.len();
        arcs.values().all(known).then_some(Self { heads, arcs })
    }
}

/// What training says of some question, in descriptions by level.
#[derive(Debug)]
struct Answers<A, const LEVELS: usize> {
    given: Vec<([u32; LEVELS], A)>,
}

impl<A: Copy + Ord, const LEVELS: usize> Answers<A, LEVELS> {
    /// The most frequent answer to each description, but where those that are less detailed lead to it all the same.
    fn finish(&self) -> FxHashMap<u32, A> {
        let mut kept: FxHashMap<u32, A> = FxHashMap::default();
        for level in (0..LEVELS).rev() {
            let mut counts: BTreeMap<u32, BTreeMap<A, usize>> = BTreeMap::new();
            for (keys, answer) in &self.given {
                *counts.entry(keys[level]).or_default().entry(*answer).or_default() += 1;
            }
            let most = |answers: &BTreeMap<A, usize>| {
                answers
                    .iter()
                    .max_by_key(|(answer, count)| (**count, std::cmp::Reverse(**answer)))
                    .map(|(answer, _)| *answer)
            };
            let best: BTreeMap<u32, A> =
                counts.iter().filter_map(|(&key, answers)| Some((key, most(answers)?))).collect();
            let mut needed = Vec::new();
            for (keys, _) in &self.given {
                let Some(&answer) = best.get(&keys[level]) else { continue };
                let without = keys[level + 1..].iter().find_map(|key| kept.get(key));
                if without != Some(&answer) {
                    needed.push((keys[level], answer));
                }
            }
            kept.extend(needed);
        }
        kept
    }
}

impl<A, const LEVELS: usize> Default for Answers<A, LEVELS> {
    fn default() -> Self {
        Self { given: Vec::new() }
    }
}

/// What the reference's dependencies say of its constituents.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    heads: Answers<u8, HEADS>,
    arcs: Answers<Relation, ARCS>,
}

impl Learner {
    /// Learns from a caption's constituents with its dependencies.
    pub(crate) fn add(&mut self, grammar: &Grammar, texts: &[&str], mut constituents: Vec<Constituent>, arcs: &[Arc]) {
        let mut reading = Reading::new(grammar, texts, &mut constituents);
        if arcs.len() == texts.len() {
            for constituent in &constituents {
                self.head(&mut reading, constituent, arcs);
            }
        }
    }

    /// The head of a constituent; `None` where the dependencies do not follow the constituents.
    fn head(&mut self, reading: &mut Reading, constituent: &Constituent, arcs: &[Arc]) -> Option<usize> {
        if constituent.children.is_empty() {
            return Some(constituent.start);
        }
        let words: Vec<Option<usize>> =
            constituent.children.iter().map(|child| self.head(reading, child, arcs)).collect();
        let words: Vec<usize> = words.into_iter().collect::<Option<_>>()?;
        if let [word] = words[..] {
            return Some(word);
        }
        let inside = |governor: usize| (constituent.start + 1..=constituent.end).contains(&governor);
        let mut outward = words.iter().enumerate().filter(|(_, word)| !inside(arcs[**word].0));
        let (head, _) = outward.next()?;
        if outward.next().is_some() {
            return None;
        }
        let family = reading.family(constituent);
        self.heads.given.push((family.head_keys(), head as u8));
        for (child, &word) in words.iter().enumerate().filter(|(child, _)| *child != head) {
            let (governor, label) = arcs[word];
            let sibling = words.iter().position(|&other| other + 1 == governor).filter(|&sibling| sibling != head);
            let target = sibling.map_or(0, |sibling| (sibling as i64 - child as i64) as i8);
            let keys = family.arc_keys(head, child, &reading.seen(words[head], word));
            // Agents are told from others once the verb's auxiliary is known.
            let label = if label == Label::AGENT { Label::NMOD } else { label };
            self.arcs.given.push((keys, (target, label.0)));
            reading.relate(governor.saturating_sub(1), word, label);
        }
        Some(words[head])
    }

    pub(crate) fn finish(&self) -> Relations {
        Relations { heads: self.heads.finish(), arcs: self.arcs.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spice::grammar::Symbol;

    const NAMES: [&str; 12] = ["ADVP", "DT", "IN", "JJ", "NN", "NP", "PP", "S", "TO", "VBN", "VBZ", "VP"];

    fn grammar() -> Grammar {
        let symbol = |category| Symbol { open: false, be: category == 10, category, before: 0, after: 0 };
        Grammar {
            categories: NAMES.map(String::from).to_vec(),
            symbols: (0..NAMES.len() as u8).map(symbol).collect(),
            ..Grammar::default()
        }
    }

    fn place(name: &str) -> u16 {
        NAMES.iter().position(|other| *other == name).unwrap() as u16
    }

    fn word(tag: &str, start: usize) -> Constituent {
        Constituent { outer: place(tag), inner: place(tag), start, end: start + 1, children: Vec::new() }
    }

    fn over(name: &str, children: Vec<Constituent>) -> Constituent {
        let (start, end) = (children[0].start, children.last().unwrap().end);
        Constituent { outer: place(name), inner: place(name), start, end, children }
    }

    fn noun_phrase(start: usize) -> Constituent {
        over("NP", vec![word("DT", start), word("NN", start + 1)])
    }

    #[test]
    fn prepositions_of_two_words_and_agents_are_told() {
        let grammar = grammar();
        // the car is parked by the man; the car is parked next to the man
        let by: Vec<&str> = "the car is parked by the man".split(' ').collect();
        let near: Vec<&str> = "the car is parked next to the man".split(' ').collect();
        let tree = |last: Vec<Constituent>| {
            let verbs = over("VP", [vec![word("VBN", 3)], last].concat());
            vec![over("S", vec![noun_phrase(0), over("VP", vec![word("VBZ", 2), verbs])])]
        };
        let of_by = tree(vec![over("PP", vec![word("IN", 4), noun_phrase(5)])]);
        let opened = over("ADVP", vec![word("JJ", 4), over("PP", vec![word("TO", 5), noun_phrase(6)])]);
        let of_near = tree(vec![opened]);
        let start = [(2, Label::DET), (4, Label::NSUBJPASS), (4, Label::AUXPASS), (0, Label::ROOT)];
        let arcs_by = [&start[..], &[(7, Label::CASE), (7, Label::DET), (4, Label::AGENT)]].concat();
        let arcs_near = [&start[..], &[(8, Label::CASE), (5, Label::MWE), (8, Label::DET), (4, Label::NMOD)]].concat();
        let mut learner = Learner::default();
        learner.add(&grammar, &by, of_by.clone(), &arcs_by);
        learner.add(&grammar, &near, of_near.clone(), &arcs_near);
        let relations = learner.finish();
        for (texts, tree, arcs) in [(&by, of_by, arcs_by), (&near, of_near, arcs_near)] {
            let (tags, found) = relations.read_off(&grammar, texts, tree);
            assert_eq!(found, arcs, "{texts:?}");
            assert_eq!(tags[..4], ["DT", "NN", "VBZ", "VBN"].map(|tag| u32::from(place(tag))));
        }
        let mut bytes = Vec::new();
        relations.write(&mut bytes);
        assert_eq!(Relations::read(&mut &bytes[..]), Some(relations));
    }

    #[test]
    fn parts_without_a_whole_depend_on_the_first() {
        let parts = vec![noun_phrase(0), word("VBZ", 2), noun_phrase(3)];
        let texts = ["a", "car", "is", "a", "car"];
        let (_, arcs) = Relations::default().read_off(&grammar(), &texts, parts);
        let heads: Vec<usize> = arcs.iter().map(|arc| arc.0).collect();
        assert_eq!(heads, [2, 0, 2, 5, 2]);
    }
}
