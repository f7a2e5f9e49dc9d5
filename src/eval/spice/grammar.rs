//! A probabilistic context-free grammar of captions: rules, words and their tags, with weights.
//!
//! The reference parser is such a grammar (Klein and Manning, ACL 2003: symbols that know something of what surrounds
//! them, rules that join two parts at a time). This one has the rules that the reference's trees of captions show, with
//! weights learnt so that the same trees are the best ones. All weights are integers.

use super::bytes::strings;
use super::bytes::{shorts, take, take_shorts, take_strings, take_u32, take_words, words};
use super::hash::number;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// What stands for a weight of 1, a factor of e in probability.
pub(crate) const ONE: f64 = 256.0;

/// What stands for no word, before or after a caption.
pub(crate) const EDGE: u128 = 1 << 127;

/// What stands for a word's category. Some categories share one; few of those are words'.
pub(crate) fn bit(category: u8) -> u128 {
    1 << (category % 127)
}

/// Kinds of keys of the lexicon.
const WORD: u8 = 0;
const ENDING: u8 = 1;
const SHAPE: u8 = 2;

/// Letters of the longest ending that tells the tags of an unknown word.
const LONGEST_ENDING: usize = 4;

/// Joins two parts, of which one is known where the rule is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub other: u16,
    pub parent: u16,
    pub weight: i32,
}

/// Symbols over a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The outermost.
    pub top: u16,
    pub weight: i32,
}

/// Rules by one of their parts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Of each symbol, where its rules start; one more at the end.
    pub starts: Vec<u32>,
    pub list: Vec<Rule>,
}

impl Rules {
    pub fn of(&self, symbol: u16) -> &[Rule] {
        part(&self.list, &self.starts, symbol)
    }

    /// Where the rules of a symbol lie.
    pub fn range(&self, symbol: u16) -> (u32, u32) {
        let at = usize::from(symbol);
        (self.starts[at], self.starts[at + 1])
    }
}

/// A tag of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagging {
    pub tag: u16,
    pub weight: i32,
}

/// A symbol's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Only joins: it is no constituent.
    pub open: bool,
    /// Of a form of "to be", or around one.
    pub be: bool,
    /// Its category, a place in [`Grammar::categories`]: the symbol without what surrounds it.
    pub category: u8,
    /// Categories of the word before it and of the word after it, a bit each; [`EDGE`] for none.
    pub before: u128,
    pub after: u128,
}

/// By category of a word, a bit's place, the symbols that can stand beside it, a bit each.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Neighbours {
    symbols: Vec<u64>,
    /// Numbers in a set of symbols.
    width: usize,
}

impl Neighbours {
    /// What can stand after words, and what before them.
    pub fn of(symbols: &[Symbol]) -> [Self; 2] {
        [|symbol: &Symbol| symbol.before, |symbol: &Symbol| symbol.after].map(|categories| {
            let width = symbols.len().div_ceil(64);
            let mut sets = vec![0; width * 128];
            for (number, symbol) in symbols.iter().enumerate() {
                for category in (0..128).filter(|category| categories(symbol) >> category & 1 != 0) {
                    sets[category * width + number / 64] |= 1 << (number % 64);
                }
            }
            Self { symbols: sets, width }
        })
    }

    /// Adds the set of what can stand beside a word of some categories.
    pub fn add_to(&self, categories: u128, sets: &mut Vec<u64>) {
        let start = sets.len();
        sets.resize(start + self.width, 0);
        let mut left = categories;
        while left != 0 {
            let set = left.trailing_zeros() as usize * self.width;
            left &= left - 1;
            sets[start..].iter_mut().zip(&self.symbols[set..]).for_each(|(all, set)| *all |= set);
        }
    }
}

/// Rules and words. Lists are sorted, and a list's places are the numbers of its features in training.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Grammar {
    pub categories: Vec<String>,
    /// Those that join come last.
    pub symbols: Vec<Symbol>,
    /// What `symbols` say of neighbours.
    pub neighbours: [Neighbours; 2],
    /// Rules by the left part, and by the right part those whose right part alone only joins: few rules have such a
    /// part in common.
    pub rules: [Rules; 2],
    /// Of each symbol, where the chains over it start; one more at the end.
    pub above: Vec<u32>,
    pub chains: Vec<Chain>,
    /// The symbols of each chain, from the outermost inwards; two at least.
    pub paths: Vec<Vec<u16>>,
    /// What a whole caption can be.
    pub roots: Vec<Tagging>,
    pub taggings: Vec<Tagging>,
    /// Taggings by the key of a word, an ending or a shape.
    pub lexicon: FxHashMap<u32, (u32, u32)>,
}

/// The keys that tell the tags of an unknown word, from the surest on.
pub(crate) fn unknown_keys(word: &str) -> impl Iterator<Item = u32> {
    let shape = if word.bytes().any(|byte| byte.is_ascii_digit()) {
        Some("0")
    } else if !word.bytes().any(|byte| byte.is_ascii_alphanumeric()) && word.is_ascii() {
        Some(".")
    } else if word.bytes().skip(1).any(|byte| byte == b'-') {
        Some("-")
    } else {
        None
    };
    let starts: Vec<usize> = word.char_indices().map(|(at, _)| at).skip(1).collect();
    let first = starts.len().saturating_sub(LONGEST_ENDING);
    let endings: Vec<u32> =
        starts.iter().skip(first).filter_map(|&at| word.get(at..)).map(|end| number(ENDING, &[end])).collect();
    let shaped = shape.map(|shape| number(SHAPE, &[shape]));
    // A number or a sign is one whatever its end.
    let endings = if matches!(shape, Some("0" | ".")) { Vec::new() } else { endings };
    shaped.into_iter().filter(move |_| shape != Some("-")).chain(endings).chain([number(SHAPE, &[""])])
}

pub(crate) fn word_key(word: &str) -> u32 {
    number(WORD, &[word])
}

/// Where each symbol's part of a list starts that is sorted by `of`.
pub(crate) fn starts<T>(list: &[T], symbols: usize, of: impl Fn(&T) -> u16) -> Vec<u32> {
    (0..=symbols).map(|symbol| list.partition_point(|item| usize::from(of(item)) < symbol) as u32).collect()
}

fn part<'l, T>(list: &'l [T], starts: &[u32], symbol: u16) -> &'l [T] {
    let at = usize::from(symbol);
    match (starts.get(at), starts.get(at + 1)) {
        (Some(&start), Some(&end)) => list.get(start as usize..end as usize).unwrap_or_default(),
        _ => &[],
    }
}

impl Grammar {
    /// Whether a symbol only joins.
    pub fn is_open(&self, symbol: u16) -> bool {
        self.symbols.get(usize::from(symbol)).is_some_and(|symbol| symbol.open)
    }

    /// Number of symbols that do more than join.
    pub fn closed(&self) -> usize {
        self.symbols.partition_point(|symbol| !symbol.open)
    }

    /// The chains over a symbol, and the number of the first.
    pub fn chains_over(&self, bottom: u16) -> (usize, &[Chain]) {
        let first = self.above.get(usize::from(bottom)).map_or(0, |&start| start as usize);
        (first, part(&self.chains, &self.above, bottom))
    }

    fn range(&self, key: u32) -> Option<Range<usize>> {
        self.lexicon.get(&key).map(|&(start, end)| start as usize..end as usize)
    }

    /// Where the taggings of a word lie; those of its ending or its shape where it is unknown.
    pub fn taggings_of(&self, word: &str) -> Range<usize> {
        self.range(word_key(word)).unwrap_or_else(|| self.unknown(word))
    }

    /// Where the taggings lie that a word would have were it unknown.
    pub fn unknown(&self, word: &str) -> Range<usize> {
        unknown_keys(word).find_map(|key| self.range(key)).unwrap_or(0..self.taggings.len().min(1))
    }

    /// The categories of taggings, a bit each.
    pub fn categories_of(&self, taggings: &[Tagging]) -> u128 {
        let bit = |tagging: &Tagging| self.symbols.get(usize::from(tagging.tag)).map_or(0, |tag| bit(tag.category));
        taggings.iter().map(bit).fold(0, |all, bit| all | bit)
    }

    /// The name of a tag without what surrounds it.
    pub fn tag_name(&self, tag: u16) -> &str {
        let symbol = self.symbols.get(usize::from(tag));
        symbol.and_then(|symbol| self.categories.get(usize::from(symbol.category))).map_or("", String::as_str)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let weight = |weight: i32| weight.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        strings(out, self.categories.iter().map(String::as_str));
        words(out, &[self.symbols.len() as u32]);
        for symbol in &self.symbols {
            out.extend([u8::from(symbol.open) | u8::from(symbol.be) << 1, symbol.category]);
            out.extend(symbol.before.to_le_bytes());
            out.extend(symbol.after.to_le_bytes());
        }
        for rules in &self.rules {
            words(out, &[rules.list.len() as u32]);
            words(out, &rules.starts);
            for rule in &rules.list {
                shorts(out, &[rule.other as i16, rule.parent as i16, weight(rule.weight)]);
            }
        }
        words(out, &[self.chains.len() as u32]);
        words(out, &self.above);
        for (chain, path) in self.chains.iter().zip(&self.paths) {
            out.push(path.len() as u8);
            shorts(out, &path.iter().map(|&symbol| symbol as i16).collect::<Vec<_>>());
            shorts(out, &[weight(chain.weight)]);
        }
        for list in [&self.roots, &self.taggings] {
            words(out, &[list.len() as u32]);
            list.iter().for_each(|tagging| shorts(out, &[tagging.tag as i16, weight(tagging.weight)]));
        }
        let mut lexicon: Vec<_> = self.lexicon.iter().collect();
        lexicon.sort_unstable();
        words(out, &[lexicon.len() as u32]);
        for (&key, &(start, end)) in lexicon {
            words(out, &[key, start]);
            shorts(out, &[(end - start) as i16]);
        }
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged or does not fit.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let categories = take_strings(from)?;
        let count = take_u32(from)? as usize;
        let mut symbol = || {
            let (flags, category) = (take(from, 1)?[0], take(from, 1)?[0]);
            let mut bits = || Some(u128::from_le_bytes(take(from, 16)?.try_into().ok()?));
            let (before, after) = (bits()?, bits()?);
            Some(Symbol { open: flags & 1 != 0, be: flags & 2 != 0, category, before, after })
        };
        let symbols = (0..count).map(|_| symbol()).collect::<Option<Vec<Symbol>>>()?;
        let known = |symbol: i16| Some(symbol as u16).filter(|&symbol| usize::from(symbol) < count);
        let in_order = |starts: &[u32], length: usize| {
            starts.is_sorted() && starts.last().is_some_and(|&end| end as usize == length)
        };
        let rule = |numbers: &[i16]| {
            let [other, parent, weight] = *numbers else { return None };
            Some(Rule { other: known(other)?, parent: known(parent)?, weight: weight.into() })
        };
        let mut rules = || {
            let length = take_u32(from)? as usize;
            let starts = take_words(from, count + 1)?;
            let list = take_shorts(from, length.checked_mul(3)?)?.chunks_exact(3).map(rule).collect::<Option<_>>()?;
            in_order(&starts, length).then_some(Rules { starts, list })
        };
        let rules = [rules()?, rules()?];
        let chains = take_u32(from)? as usize;
        let above = take_words(from, count + 1)?;
        let mut chain = || {
            let length = usize::from(take(from, 1)?[0]);
            let path = take_shorts(from, length)?.into_iter().map(known).collect::<Option<Vec<_>>>()?;
            let weight = i32::from(*take_shorts(from, 1)?.first()?);
            let top = *path.first().filter(|_| length > 1)?;
            Some((Chain { top, weight }, path))
        };
        let (chains, paths): (Vec<Chain>, Vec<Vec<u16>>) = (0..chains).map(|_| chain()).collect::<Option<_>>()?;
        let mut list = || {
            let count = take_u32(from)? as usize;
            let numbers = take_shorts(from, count.checked_mul(2)?)?;
            let tagging = |pair: &[i16]| Some(Tagging { tag: known(pair[0])?, weight: pair[1].into() });
            numbers.chunks_exact(2).map(tagging).collect::<Option<Vec<_>>>()
        };
        let (roots, taggings) = (list()?, list()?);
        let mut lexicon = FxHashMap::default();
        for _ in 0..take_u32(from)? {
            let (key, start) = (take_u32(from)?, take_u32(from)?);
            let end = start.checked_add(u32::from(*take_shorts(from, 1)?.first()? as u16))?;
            if end as usize > taggings.len() || start == end {
                return None;
            }
            lexicon.insert(key, (start, end));
        }
        let fits = in_order(&above, chains.len())
            && symbols.is_sorted_by_key(|symbol| symbol.open)
            && !taggings.is_empty()
            && symbols.iter().all(|symbol| usize::from(symbol.category) < categories.len());
        let neighbours = Neighbours::of(&symbols);
        fits.then_some(Self { categories, symbols, neighbours, rules, above, chains, paths, roots, taggings, lexicon })
    }
}
