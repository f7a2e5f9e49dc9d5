//! Parts of speech, left to right, as a transition system: an action is a tag.

use super::beam::System;
use super::linear::Hash;

/// A caption's words as the tagger sees them.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    words: Vec<u32>,
    /// Hashes of the last one to four letters, the first three, and the shape.
    suffixes: Vec<[u32; 4]>,
    prefixes: Vec<u32>,
    shapes: Vec<u32>,
    /// Tags that the word had in training, by their bits; none where it is new.
    known: Vec<u64>,
    /// Finite auxiliaries before and after each word, and what the caption begins with.
    clause: Vec<u32>,
    /// Tags that are possible for new words.
    open: u64,
    right: Vec<usize>,
}

/// The tags of each frequent word in training, by their bits.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    pub known: rustc_hash::FxHashMap<u32, u64>,
    /// Tags that new words can have.
    pub open: u64,
}

const AUXILIARIES: [&str; 12] = ["is", "are", "has", "have", "was", "were", "can", "'s", "lies", "stands", "had", "do"];

impl Tokens {
    pub fn new(words: &[&str], lexicon: &Lexicon, right: Vec<usize>) -> Self {
        let mut tokens = Self { right, ..Self::default() };
        for word in words {
            let chars: Vec<char> = word.chars().collect();
            let suffix = |n: usize| Hash::of(&chars[chars.len().saturating_sub(n)..].iter().collect::<String>());
            let id = Hash::of(word);
            // A rare word is known by its ending alone, in training too.
            tokens.words.push(if lexicon.known.contains_key(&id) { id } else { suffix(2) ^ 0x55 });
            tokens.suffixes.push([suffix(1), suffix(2), suffix(3), suffix(4)]);
            tokens.prefixes.push(Hash::of(&chars[..chars.len().min(3)].iter().collect::<String>()));
            let digits = chars.iter().any(char::is_ascii_digit);
            tokens
                .shapes
                .push(u32::from(digits) | u32::from(word.contains('-')) << 1 | (chars.len().min(4) as u32) << 2);
            tokens.known.push(lexicon.known.get(&id).copied().unwrap_or(0));
        }
        tokens.open = lexicon.open;
        let there = u32::from(words.first() == Some(&"there") || words.first() == Some(&"here"));
        let is_auxiliary = |word: &&&str| AUXILIARIES.contains(word);
        for at in 0..words.len() {
            let before = words.iter().take(at).filter(is_auxiliary).count().min(2) as u32;
            let after = words.iter().skip(at + 1).filter(is_auxiliary).count().min(2) as u32;
            tokens.clause.push(there | before << 1 | after << 3);
        }
        tokens
    }
}

/// The tags so far.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub tags: Vec<u8>,
}

/// Which tags there are.
#[derive(Debug, Clone, Copy)]
pub struct Tagger;

impl System for Tagger {
    type Input = Tokens;
    type State = State;

    fn start(&self, input: &Tokens) -> State {
        State { tags: Vec::with_capacity(input.words.len()) }
    }

    fn steps(&self, input: &Tokens) -> usize {
        input.words.len()
    }

    fn possible(&self, input: &Tokens, state: &State) -> u64 {
        let at = state.tags.len();
        let right = input.right.get(at).map_or(0, |&tag| 1u64 << tag);
        match input.known.get(at) {
            None | Some(0) => input.open | right,
            Some(&known) => known | right,
        }
    }

    fn features(&self, input: &Tokens, state: &State, features: &mut Vec<u32>) {
        let i = state.tags.len();
        let word =
            |offset: isize| i.checked_add_signed(offset).and_then(|at| input.words.get(at)).copied().unwrap_or(1);
        let suffix = |offset: isize, n: usize| {
            i.checked_add_signed(offset).and_then(|at| input.suffixes.get(at)).map_or(1, |suffixes| suffixes[n])
        };
        let known = |offset: isize| {
            let bits = i.checked_add_signed(offset).and_then(|at| input.known.get(at)).copied().unwrap_or(1 << 63);
            (bits ^ bits >> 32).wrapping_mul(0x9E37_79B9) as u32
        };
        let tag = |back: usize| i.checked_sub(back).and_then(|at| state.tags.get(at)).map_or(99, |&tag| u32::from(tag));
        let mut template = 0;
        let mut push = |values: &[u32]| {
            template += 1;
            features.push(values.iter().fold(Hash::new(template), |hash, &value| hash.and(value)).finish());
        };
        let clause = input.clause.get(i).copied().unwrap_or(0);
        let (w, t1, t2) = (word(0), tag(1), tag(2));
        push(&[w]);
        push(&[w, t1]);
        push(&[w, t1, t2]);
        push(&[w, word(-1)]);
        push(&[w, word(1)]);
        push(&[w, word(-1), word(1)]);
        push(&[w, word(1), word(2)]);
        push(&[w, word(-1), word(-2)]);
        push(&[w, word(2)]);
        push(&[w, word(-2)]);
        push(&[w, word(3)]);
        push(&[w, word(-3)]);
        push(&[w, word(-2), word(-1), word(1)]);
        push(&[w, word(-1), word(1), word(2)]);
        push(&[w, word(1), word(2), word(3)]);
        push(&[w, word(-1), word(-2), word(-3)]);
        push(&[w, word(-2), word(-1), word(1), word(2)]);
        push(&[w, t1, known(1)]);
        push(&[w, t1, word(1)]);
        push(&[w, known(1), known(2)]);
        push(&[w, t1, t2, known(1)]);
        push(&[w, t1, t2, tag(3)]);
        push(&[w, suffix(1, 1), t1]);
        push(&[w, suffix(1, 2), t1]);
        push(&[w, clause]);
        push(&[w, t1, clause]);
        push(&[known(0), t1, clause]);
        push(&[known(0), clause, word(1)]);
        push(&[known(0), clause, word(-1), word(1)]);
        push(&[known(0), clause, t1, known(1)]);
        push(&[suffix(0, 1), t1, clause]);
        push(&[t1]);
        push(&[t1, t2]);
        push(&[t1, t2, tag(3)]);
        push(&[known(0)]);
        push(&[known(0), t1]);
        push(&[known(0), t1, t2]);
        push(&[known(0), known(1)]);
        push(&[known(0), known(1), t1]);
        push(&[known(0), known(1), known(2)]);
        push(&[known(0), t1, known(1), known(2)]);
        push(&[known(0), word(1)]);
        push(&[known(0), word(-1)]);
        push(&[known(0), word(-1), word(1)]);
        push(&[known(0), suffix(1, 2), t1]);
        push(&[t1, word(1)]);
        push(&[word(-1), word(1)]);
        push(&[t1, known(1)]);
        push(&[word(-1)]);
        push(&[word(1)]);
        push(&[word(-1), word(-2)]);
        push(&[word(1), word(2)]);
        for n in 0..4 {
            push(&[suffix(0, n)]);
            push(&[suffix(0, n), t1]);
            push(&[suffix(0, n), t1, t2]);
        }
        push(&[suffix(0, 2), suffix(1, 2)]);
        push(&[suffix(0, 2), known(1)]);
        push(&[suffix(0, 2), known(1), t1]);
        push(&[suffix(0, 1), word(1), t1]);
        push(&[suffix(0, 2), word(-1)]);
        push(&[input.prefixes.get(i).copied().unwrap_or(1), suffix(0, 1)]);
        push(&[input.shapes.get(i).copied().unwrap_or(1)]);
        push(&[input.shapes.get(i).copied().unwrap_or(1), suffix(0, 1), t1]);
        push(&[u32::from(i == 0), suffix(0, 2)]);
    }

    fn apply(&self, _: &Tokens, state: &mut State, action: usize) {
        state.tags.push(action as u8);
    }

    fn right(&self, input: &Tokens) -> Vec<usize> {
        input.right.clone()
    }
}
