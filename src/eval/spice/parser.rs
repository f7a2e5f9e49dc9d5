//! Dependency trees by transitions: the arc-hybrid system (Kuhlmann, Gómez-Rodríguez and Satta, ACL 2011).
//!
//! Words move from a buffer to a stack (shift); the top of the stack becomes a dependent of the buffer's first word
//! (left) or of the word below it (right). 0 lies at the bottom of the stack and stands for the root's governor.

use super::beam::System;
use super::convert::Arc;
use super::graph::Label;
use super::linear::{ACTIONS, Hash};

/// A caption's words and tags as the parser sees them.
#[derive(Debug, Clone, Default)]
pub struct Tagged {
    words: Vec<u32>,
    /// The word where its tag is closed or it belongs to fixed phrases, else the tag.
    classes: Vec<u32>,
    tags: Vec<u8>,
    /// Finite verbs from each place on, at most 3.
    finite: Vec<u8>,
    /// Coordinating conjunctions from each place on, at most 3.
    conjunctions: Vec<u8>,
    right: Vec<Arc>,
}

impl Tagged {
    /// `is_finite` and `is_conjunction` tell it of a tag.
    pub fn new(words: &[&str], tags: &[u8], kinds: Kinds, right: Vec<Arc>) -> Self {
        let from_here = |bits: u64| {
            let mut counts = vec![0u8; words.len() + 1];
            for place in (0..words.len()).rev() {
                let one = tags.get(place).is_some_and(|&tag| bits >> tag & 1 == 1);
                counts[place] = (counts[place + 1] + u8::from(one)).min(3);
            }
            counts
        };
        let class = |(word, &tag): (&&str, &u8)| {
            let closed = kinds.open >> tag & 1 == 0 || FIXED.contains(word);
            if closed { Hash::of(word) } else { u32::from(tag) + 1000 }
        };
        Self {
            classes: std::iter::once(2).chain(words.iter().zip(tags).map(class)).collect(),
            words: std::iter::once(2).chain(words.iter().map(|word| Hash::of(word))).collect(),
            tags: std::iter::once(250).chain(tags.iter().copied()).collect(),
            finite: from_here(kinds.finite),
            conjunctions: from_here(kinds.conjunctions),
            right,
        }
    }
}

/// Tags of a kind, by their bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinds {
    pub finite: u64,
    pub conjunctions: u64,
    /// Tags whose words count by their tag alone in most features.
    pub open: u64,
}

/// Words of open tags that take part in fixed phrases.
const FIXED: [&str; 34] = [
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "has",
    "have",
    "had",
    "do",
    "does",
    "can",
    "next",
    "front",
    "top",
    "close",
    "lot",
    "lots",
    "each",
    "other",
    "such",
    "according",
    "due",
    "well",
    "away",
    "far",
    "out",
    "many",
    "several",
    "surrounded",
    "arranged",
    "located",
    "parked",
];

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    governor: u16,
    label: u8,
    left: u8,
    right: u8,
    /// Outermost and second outermost dependents on either side.
    lefts: [u16; 2],
    rights: [u16; 2],
    /// The preposition.
    case: u16,
}

/// A stack, a buffer (the words from `next` on) and the arcs so far.
#[derive(Debug, Clone)]
pub struct State {
    stack: Vec<u16>,
    next: u16,
    nodes: Vec<Node>,
    last: [u8; 2],
}

impl State {
    /// The finished tree.
    pub fn tree(&self) -> Vec<Arc> {
        self.nodes.iter().skip(1).map(|node| (usize::from(node.governor), Label(node.label))).collect()
    }
}

const NONE: u16 = u16::MAX;
const SHIFT: usize = 0;

/// The relations that each direction can have, most frequent first.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    pub left: Vec<Label>,
    pub right: Vec<Label>,
}

impl Parser {
    fn left(&self, label: Label) -> usize {
        1 + self.left.iter().position(|&other| other == label).unwrap_or(0)
    }

    fn right(&self, label: Label) -> usize {
        1 + self.left.len() + self.right.iter().position(|&other| other == label).unwrap_or(0)
    }
}

impl System for Parser {
    type Input = Tagged;
    type State = State;

    fn start(&self, input: &Tagged) -> State {
        State {
            stack: vec![0],
            next: 1,
            nodes: vec![Node { lefts: [NONE; 2], rights: [NONE; 2], case: NONE, ..Node::default() }; input.words.len()],
            last: [0; 2],
        }
    }

    fn steps(&self, input: &Tagged) -> usize {
        2 * (input.words.len() - 1)
    }

    fn possible(&self, input: &Tagged, state: &State) -> u64 {
        let more = usize::from(state.next) < input.words.len();
        let bits = |from: usize, count: usize| ((1u64 << count) - 1) << from;
        let root = 1u64 << self.right(Label::ROOT);
        let mut possible = 0;
        if more {
            possible |= 1 << SHIFT;
        }
        match state.stack.len() {
            0 | 1 => {}
            2 if more => possible |= bits(1, self.left.len()),
            2 => possible |= root,
            _ => {
                possible |= bits(1 + self.left.len(), self.right.len()) & !root;
                if more {
                    possible |= bits(1, self.left.len());
                }
            }
        }
        possible
    }

    fn apply(&self, _: &Tagged, state: &mut State, action: usize) {
        state.last = [action as u8, state.last[0]];
        if action == SHIFT {
            state.stack.push(state.next);
            state.next += 1;
            return;
        }
        let Some(dependent) = state.stack.pop() else { return };
        let left = action <= self.left.len();
        let (governor, label) = if left {
            (state.next, self.left.get(action - 1))
        } else {
            (state.stack.last().copied().unwrap_or(0), self.right.get(action - 1 - self.left.len()))
        };
        let label = label.copied().unwrap_or(Label::DEP);
        if let Some(node) = state.nodes.get_mut(usize::from(dependent)) {
            (node.governor, node.label) = (governor, label.0);
        }
        if let Some(node) = state.nodes.get_mut(usize::from(governor)) {
            if left {
                node.left = node.left.saturating_add(1);
                node.lefts = [dependent, node.lefts[0]];
            } else {
                node.right = node.right.saturating_add(1);
                node.rights = [dependent, node.rights[0]];
            }
            if label == Label::CASE {
                node.case = dependent;
            }
        }
    }

    fn right(&self, input: &Tagged) -> Vec<usize> {
        let n = input.right.len();
        let governor = |place: usize| input.right[place - 1].0;
        let mut last_child = vec![0; n + 1];
        for place in 1..=n {
            last_child[governor(place)] = place;
        }
        let mut stack = vec![0usize];
        let mut next = 1;
        let mut actions = Vec::with_capacity(2 * n);
        while actions.len() < 2 * n {
            let top = stack.last().copied().unwrap_or(0);
            let below = stack.len().checked_sub(2).map(|at| stack[at]);
            if top != 0 && next <= n && governor(top) == next {
                actions.push(self.left(input.right[top - 1].1));
                stack.pop();
            } else if top != 0
                && below == Some(governor(top))
                && last_child[top] < next
                && (governor(top) != 0 || next > n)
            {
                actions.push(self.right(input.right[top - 1].1));
                stack.pop();
            } else if next <= n {
                actions.push(SHIFT);
                stack.push(next);
                next += 1;
            } else {
                return Vec::new(); // crossing arcs: there is no derivation
            }
        }
        actions
    }

    fn features(&self, input: &Tagged, state: &State, features: &mut Vec<u32>) {
        let depth = state.stack.len();
        let at = |down: usize| depth.checked_sub(down + 1).and_then(|at| state.stack.get(at)).copied().unwrap_or(NONE);
        let ahead = |by: u16| if usize::from(state.next + by) < input.words.len() { state.next + by } else { NONE };
        let node = |place: u16| {
            state.nodes.get(usize::from(place)).copied().unwrap_or(Node {
                lefts: [NONE; 2],
                rights: [NONE; 2],
                case: NONE,
                ..Node::default()
            })
        };
        let w = |place: u16| input.words.get(usize::from(place)).copied().unwrap_or(3);
        let t = |place: u16| input.tags.get(usize::from(place)).map_or(251, |&tag| u32::from(tag));
        let l = |place: u16| if place == NONE { 252 } else { u32::from(node(place).label) };
        let (s0, s1, s2) = (at(0), at(1), at(2));
        let (b0, b1, b2, b3) = (ahead(0), ahead(1), ahead(2), ahead(3));
        let (n0, n1, nb) = (node(s0), node(s1), node(b0));
        let distance = |a: u16, b: u16| if a == NONE || b == NONE { 9 } else { u32::from(b.abs_diff(a)).min(7) };
        let far0 = distance(s0, b0);
        let far1 = distance(s1, s0);
        let from = usize::from(state.next) - 1;
        let finite = u32::from(input.finite.get(from).copied().unwrap_or(0));
        let before = u32::from(input.finite.first().copied().unwrap_or(0));
        let conjunctions = u32::from(input.conjunctions.get(from).copied().unwrap_or(0));
        let clause = finite | before << 2;
        let (t0, t1, t2, u0, u1, u2, u3) = (t(s0), t(s1), t(s2), t(b0), t(b1), t(b2), t(b3));
        let c = |place: u16| input.classes.get(usize::from(place)).copied().unwrap_or(3);
        let (w0, w1, x0) = (w(s0), w(s1), w(b0));
        let (c0, c1, c2, c3) = (c(s0), c(s1), c(s2), c(at(3)));
        let (d0, d1, d2, d3) = (c(b0), c(b1), c(b2), c(b3));
        let (p0, p1, p2) = (w(n0.case), w(n1.case), w(node(s2).case));
        let (l0, r0, l1, r1) = (n0.lefts[0], n0.rights[0], n1.lefts[0], n1.rights[0]);
        let all =
            |node: &Node| l(node.lefts[0]) | l(node.lefts[1]) << 8 | l(node.rights[0]) << 16 | l(node.rights[1]) << 24;
        let two = |side: [u16; 2]| l(side[0]) | l(side[1]) << 8;
        let (a0, a1, ab) = (all(&n0), all(&n1), all(&nb));
        let shape0 = u32::from(n0.left) << 8 | u32::from(n0.right);
        let shape1 = u32::from(n1.left) << 8 | u32::from(n1.right);
        let (last, last2) = (u32::from(state.last[0]), u32::from(state.last[1]));
        let mut template = 100;
        let mut push = |values: &[u32]| {
            template += 1;
            features.push(values.iter().fold(Hash::new(template), |hash, &value| hash.and(value)).finish());
        };
        // Places alone and in pairs.
        push(&[c0]);
        push(&[c1, far1]);
        push(&[d0]);
        push(&[c0, d0]);
        push(&[c0, c1]);
        push(&[c0, d0, far0]);
        push(&[c0, c1, far1]);
        push(&[c0, d0, d1]);
        push(&[c0, c1, d0]);
        push(&[c0, c1, d0, d1]);
        push(&[c0, c1, c2]);
        push(&[c0, c1, c2, d0]);
        push(&[c0, c1, c2, d0, d1]);
        push(&[c0, d0, d1, d2]);
        push(&[c0, c1, d0, d1, d2]);
        push(&[c0, c1, c2, d0, d1, d2]);
        push(&[c0, c1, c2, c3, d0, d1]);
        push(&[c0, c1, c2, c3, d0]);
        push(&[c0, c1, d0, d1, d2, d3]);
        push(&[c0, d0, d1, d2, d3]);
        push(&[t0, u0, u1, u2, u3, t1]);
        push(&[t0, t1, u0]);
        push(&[t0, t1, u0, u1]);
        push(&[t0, t1, t2, u0]);
        push(&[t0, u0]);
        push(&[t0, t1]);
        // Words.
        push(&[w0, t0]);
        push(&[w1, t1, t0]);
        push(&[x0, u0, t0]);
        push(&[w0, d0]);
        push(&[w0, d0, d1]);
        push(&[w0, c1, d0]);
        push(&[w1, c0, d0]);
        push(&[x0, c0, c1]);
        push(&[w0, w1]);
        push(&[w0, x0]);
        push(&[w0, w1, p0]);
        // Prepositions.
        push(&[t0, t1, p0]);
        push(&[c0, c1, p0, p1]);
        push(&[c0, c1, p0, d0]);
        push(&[c0, c1, p0, p1, d0, d1]);
        push(&[c0, c1, c2, p0, p1]);
        push(&[c0, c1, c2, p0, p1, p2, d0]);
        push(&[c0, c1, p0, d0, clause]);
        push(&[c0, c1, p0, p1, d0, clause]);
        push(&[c0, w1, p0]);
        push(&[c0, w1, p0, d0]);
        push(&[p0, p1, c2, d0]);
        // Dependents.
        push(&[c0, a0]);
        push(&[c0, a0, d0]);
        push(&[c0, a0, c1]);
        push(&[c1, a1, c0]);
        push(&[c0, a0, c1, a1]);
        push(&[c0, a0, c1, a1, d0]);
        push(&[c0, a0, c1, a1, d0, d1]);
        push(&[c0, a0, d0, d1, d2]);
        push(&[c0, d0, ab]);
        push(&[c0, two(n0.lefts), c1, p0]);
        push(&[c0, c1, two(n1.rights), p0]);
        push(&[c0, c1, two(n1.rights), p0, d0]);
        push(&[c0, c1, c(r1), w(node(r1).case), p0]);
        push(&[c0, c1, c(r1), p0, d0]);
        push(&[c0, c1, c(l1), d0]);
        push(&[c0, c(l0), c1, d0]);
        push(&[c0, c(r0), c1, d0]);
        push(&[c0, c(l0), c(r0), d0]);
        push(&[c0, shape0, d0, d1]);
        push(&[c0, c1, shape0, shape1, d0]);
        push(&[c0, c1, c2, l(r1), a0, d0]);
        // The clause.
        push(&[c0, c1, d0, clause]);
        push(&[c0, c1, d0, d1, clause]);
        push(&[c0, c1, d0, conjunctions, clause]);
        push(&[c0, a0, c1, clause]);
        push(&[c0, a0, c1, a1, clause, d0]);
        push(&[c0, c1, c2, d0, clause, conjunctions]);
        push(&[c0, c1, c2, c3, d0, clause]);
        push(&[w0, c1, clause]);
        push(&[c0, w1, clause, d0]);
        push(&[c0, c1, d0, depth.min(6) as u32, clause]);
        // What was done last.
        push(&[last, c0, d0]);
        push(&[last, last2, c0, c1, d0]);
    }
}
