//! The best derivation of a caption under a [`Grammar`] (Cocke, Kasami and Younger): of every span and symbol the best
//! way to make it, from the shortest spans up.

use super::derivation::Derivation;
use super::grammar::{EDGE, Grammar, ONE};
use super::lattice::Lattice;
use std::ops::Range;

/// Less than any sum of weights, twice over: two of them and a weight are still less than one.
const NONE: i32 = i32::MIN / 4;
const LEAST: i32 = NONE / 2;

/// Words of the longest span; a longer caption is taken in pieces.
const LONGEST: usize = 40;

/// How far a symbol over several words may be behind the best one over them, in the units of weights: a factor of e to
/// the twelfth. Further back are none of the reference's, or hardly any.
const BEAM: i32 = 12 * ONE as i32;

/// What stands for no chain.
const BARE: u16 = u16::MAX;

/// A symbol over a span, with what lies below its chain.
#[derive(Debug, Clone, Copy)]
struct Entry {
    symbol: u16,
    bottom: u16,
    chain: u16,
    score: i32,
}

/// A symbol over a span that rules join with another part, and where those rules lie.
#[derive(Debug, Clone, Copy)]
struct Half {
    symbol: u16,
    score: i32,
    rules: (u32, u32),
}

/// A symbol over a span before any chain: two parts that meet at a word, or a word (which meets nowhere: 0).
#[derive(Debug, Clone, Copy, Default)]
struct Base {
    symbol: u16,
    middle: u16,
    left: u16,
    right: u16,
}

#[derive(Debug, Clone, Default)]
struct Cell {
    entries: Range<usize>,
    bases: Range<usize>,
    /// What can be a left part by rules of left parts, and a right part by those of right parts.
    halves: [Range<usize>; 2],
}

/// Room to parse in, used again for the next caption.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    words: usize,
    /// Symbols that do more than join.
    width: usize,
    cells: Vec<Cell>,
    entries: Vec<Entry>,
    bases: Vec<Base>,
    halves: [Vec<Half>; 2],
    /// Of each span to the current end, by its start: the score of every symbol.
    columns: Vec<Vec<i32>>,
    /// Of every span, by start and length, the scores of the symbols that do more than join.
    closed: Vec<i32>,
    /// Of the current span, by symbol.
    scores: Vec<i32>,
    backs: Vec<Base>,
    touched: Vec<u16>,
    /// Of each word, between edges, the symbols that can stand after it, and those that can stand before it, a bit
    /// each.
    beside: [Vec<u64>; 2],
    /// The symbols that can stand where the current span is.
    fitting: Vec<u64>,
    tops: Vec<(u16, u16)>,
    present: Vec<u16>,
}

impl Chart {
    /// The best derivation of a caption; `None` where there is none of the whole.
    pub(crate) fn parse(&mut self, grammar: &Grammar, lattice: &Lattice) -> Option<Derivation<u16>> {
        self.fill(grammar, lattice);
        let root = |symbol: u16| grammar.roots.binary_search_by_key(&symbol, |root| root.tag).ok();
        let mut best: Option<(i32, u16)> = None;
        for entry in self.entries_of(0, self.words) {
            let weight = root(entry.symbol).and_then(|at| grammar.roots.get(at)).map(|root| root.weight);
            if let Some(score) = weight.map(|weight| weight + entry.score)
                && best.is_none_or(|best| score > best.0)
            {
                best = Some((score, entry.symbol));
            }
        }
        best.and_then(|(_, symbol)| self.derivation(grammar, 0, self.words, symbol))
    }

    fn cell(&self, start: usize, end: usize) -> Option<&Cell> {
        self.cells.get(start * (self.words + 1) + end)
    }

    fn entries_of(&self, start: usize, end: usize) -> &[Entry] {
        self.cell(start, end).and_then(|cell| self.entries.get(cell.entries.clone())).unwrap_or_default()
    }

    fn fill(&mut self, grammar: &Grammar, lattice: &Lattice) {
        let (words, symbols) = (lattice.words(), grammar.symbols.len());
        self.words = words;
        self.width = grammar.closed();
        self.look_around(grammar, lattice);
        self.cells.clear();
        self.cells.resize(words * (words + 1), Cell::default());
        self.entries.clear();
        self.bases.clear();
        self.halves.iter_mut().for_each(Vec::clear);
        if self.scores.len() != symbols {
            self.scores = vec![LEAST; symbols];
            self.backs = vec![Base::default(); symbols];
            self.tops = vec![(0, 0); symbols];
            self.columns.clear();
            self.closed.clear();
        }
        if self.columns.len() < words {
            self.columns.resize(words, vec![NONE; symbols]);
        }
        let room = words * words.min(LONGEST) * self.width;
        if self.closed.len() < room {
            self.closed.resize(room, NONE);
        }
        for end in 1..=words {
            let least = end.saturating_sub(LONGEST);
            for start in (least..end).rev() {
                if !lattice.is_open(start, end) {
                    continue;
                }
                if end - start == 1 {
                    for tagging in lattice.taggings(start) {
                        self.offer(Base { symbol: tagging.tag, ..Base::default() }, tagging.weight);
                    }
                }
                self.fit(start, end);
                for middle in start + 1..end {
                    self.join(grammar, start, middle, end);
                }
                self.close(grammar, start, end);
            }
            for start in least..end {
                let cell = &self.cells[start * (words + 1) + end];
                for entry in &self.entries[cell.entries.clone()] {
                    self.columns[start][usize::from(entry.symbol)] = NONE;
                }
            }
        }
        for end in 1..=words {
            for start in end.saturating_sub(LONGEST)..end {
                let closed = self.closed_of(start, end);
                for entry in &self.entries[self.cells[start * (words + 1) + end].entries.clone()] {
                    if usize::from(entry.symbol) < self.width {
                        self.closed[closed + usize::from(entry.symbol)] = NONE;
                    }
                }
            }
        }
    }

    /// Notes what each word lets stand beside it.
    fn look_around(&mut self, grammar: &Grammar, lattice: &Lattice) {
        self.beside.iter_mut().for_each(Vec::clear);
        let categories = (0..self.words).map(|word| grammar.categories_of(lattice.taggings(word)));
        for categories in std::iter::once(EDGE).chain(categories).chain([EDGE]) {
            for (beside, neighbours) in self.beside.iter_mut().zip(&grammar.neighbours) {
                neighbours.add_to(categories, beside);
            }
        }
    }

    fn fit(&mut self, start: usize, end: usize) {
        let bits = self.scores.len().div_ceil(64);
        let [after, before] = &self.beside;
        self.fitting.clear();
        let both = after[start * bits..][..bits].iter().zip(&before[(end + 1) * bits..][..bits]);
        self.fitting.extend(both.map(|(after, before)| after & before));
    }

    fn offer(&mut self, base: Base, score: i32) {
        let at = usize::from(base.symbol);
        if score > self.scores[at] {
            if self.scores[at] == LEAST {
                self.touched.push(base.symbol);
            }
            self.scores[at] = score;
            self.backs[at] = base;
        }
    }

    /// Where the scores of a span's closed symbols start.
    fn closed_of(&self, start: usize, end: usize) -> usize {
        (start * self.words.min(LONGEST) + end - start - 1) * self.width
    }

    /// Every rule's parent over two spans side by side.
    fn join(&mut self, grammar: &Grammar, start: usize, middle: usize, end: usize) {
        let first = self.cells[start * (self.words + 1) + middle].halves[0].clone();
        let second = self.cells[middle * (self.words + 1) + end].halves[1].clone();
        let (closed, width) = (self.closed_of(start, middle), self.width);
        let Self { halves: [lefts, rights], columns, closed: all_closed, fitting, scores, backs, touched, .. } = self;
        let mut offer = |score: i32, parent: u16, left: u16, right: u16| {
            let known = &mut scores[usize::from(parent)];
            if score > *known {
                if *known == LEAST {
                    // It never stands beside such words: it is of no use here.
                    if !is_in(fitting, parent) {
                        return;
                    }
                    touched.push(parent);
                }
                *known = score;
                backs[usize::from(parent)] = Base { symbol: parent, middle: middle as u16, left, right };
            }
        };
        let [by_left, by_right] = &grammar.rules;
        let scores_of = &columns[middle];
        for left in &lefts[first] {
            for rule in &by_left.list[left.rules.0 as usize..left.rules.1 as usize] {
                let score = scores_of[usize::from(rule.other)] + left.score + rule.weight;
                offer(score, rule.parent, left.symbol, rule.other);
            }
        }
        let scores_of = &all_closed[closed..closed + width];
        for right in &rights[second] {
            for rule in &by_right.list[right.rules.0 as usize..right.rules.1 as usize] {
                let score = scores_of[usize::from(rule.other)] + right.score + rule.weight;
                offer(score, rule.parent, rule.other, right.symbol);
            }
        }
    }

    /// Puts chains over what was found of a span, and keeps all of it.
    fn close(&mut self, grammar: &Grammar, start: usize, end: usize) {
        let (closed, width) = (self.closed_of(start, end), self.width);
        let Self {
            entries,
            bases,
            halves,
            columns,
            closed: all_closed,
            fitting,
            scores,
            backs,
            touched,
            tops,
            present,
            ..
        } = self;
        let column = &mut columns[start];
        let mut reach = |symbol: u16, bottom: u16, chain: u16, score: i32| {
            let known = &mut column[usize::from(symbol)];
            if score > *known {
                if *known == NONE {
                    present.push(symbol);
                }
                *known = score;
                tops[usize::from(symbol)] = (bottom, chain);
            }
        };
        for &bottom in touched.iter() {
            let score = scores[usize::from(bottom)];
            reach(bottom, bottom, BARE, score);
            let (first, chains) = grammar.chains_over(bottom);
            for (chain, number) in chains.iter().zip(first..) {
                if is_in(fitting, chain.top) {
                    reach(chain.top, bottom, number as u16, score + chain.weight);
                }
            }
        }
        if end - start > 1 {
            let best = present.iter().map(|&symbol| column[usize::from(symbol)]).max().unwrap_or(0);
            present.retain(|&symbol| {
                let score = &mut column[usize::from(symbol)];
                let near = *score >= best - BEAM;
                if !near {
                    *score = NONE;
                }
                near
            });
        }
        let mut cell = Cell {
            entries: entries.len()..entries.len() + present.len(),
            bases: bases.len()..bases.len() + touched.len(),
            halves: [halves[0].len()..0, halves[1].len()..0],
        };
        for symbol in touched.drain(..) {
            bases.push(backs[usize::from(symbol)]);
            scores[usize::from(symbol)] = LEAST;
        }
        for symbol in present.drain(..) {
            let (bottom, chain) = tops[usize::from(symbol)];
            let score = column[usize::from(symbol)];
            entries.push(Entry { symbol, bottom, chain, score });
            if usize::from(symbol) < width {
                all_closed[closed + usize::from(symbol)] = score;
            }
            for (half, rules) in halves.iter_mut().zip(&grammar.rules) {
                let rules = rules.range(symbol);
                if rules.0 < rules.1 {
                    half.push(Half { symbol, score, rules });
                }
            }
        }
        cell.halves.iter_mut().zip(halves.iter()).for_each(|(range, halves)| range.end = halves.len());
        self.cells[start * (self.words + 1) + end] = cell;
    }

    fn derivation(&self, grammar: &Grammar, start: usize, end: usize, symbol: u16) -> Option<Derivation<u16>> {
        let cell = self.cell(start, end)?;
        let entry = self.entries.get(cell.entries.clone())?.iter().find(|entry| entry.symbol == symbol)?;
        let base = self.bases.get(cell.bases.clone())?.iter().find(|base| base.symbol == entry.bottom)?;
        let path = match entry.chain {
            BARE => vec![symbol],
            chain => grammar.paths.get(usize::from(chain))?.clone(),
        };
        let parts = match usize::from(base.middle) {
            0 => None,
            middle => Some(Box::new([
                self.derivation(grammar, start, middle, base.left)?,
                self.derivation(grammar, middle, end, base.right)?,
            ])),
        };
        Some(Derivation { path, parts })
    }

    /// The fewest parts that make the last caption, the best of as many.
    pub(crate) fn pieces(&self, grammar: &Grammar) -> Vec<Derivation<u16>> {
        // Up to each word: the number of parts, the negative score, where the last part starts, its symbol.
        let mut best: Vec<(usize, i64, usize, u16)> = vec![(0, 0, 0, 0)];
        for end in 1..=self.words {
            let parts = (end.saturating_sub(LONGEST)..end).filter_map(|start| {
                let entry = self
                    .entries_of(start, end)
                    .iter()
                    .max_by_key(|entry| (entry.score, std::cmp::Reverse(entry.symbol)))?;
                let (count, score, ..) = best.get(start).copied()?;
                Some((count + 1, score - i64::from(entry.score), start, entry.symbol))
            });
            best.push(parts.min().unwrap_or((end, 0, end - 1, BARE)));
        }
        let mut end = self.words;
        let mut pieces = Vec::new();
        while end > 0 {
            let Some(&(_, _, start, symbol)) = best.get(end) else { break };
            pieces.extend(self.derivation(grammar, start, end, symbol));
            end = start;
        }
        pieces.reverse();
        pieces
    }
}

fn is_in(symbols: &[u64], symbol: u16) -> bool {
    symbols[usize::from(symbol) / 64] >> (symbol % 64) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::super::grammar::{Chain, Neighbours, Rule, Rules, Symbol, Tagging, starts};
    use super::*;
    use rsic_util::rng::Rng;

    const SYMBOLS: u16 = 7;

    fn is_open(symbol: u16) -> bool {
        symbol > 3
    }

    /// A grammar of a few symbols with random rules and chains, all within the beam; every word has two tags.
    fn random(rng: &mut Rng) -> Grammar {
        let symbol =
            |number| Symbol { open: is_open(number), be: false, category: 0, before: u128::MAX, after: u128::MAX };
        let mut sides: [Vec<(u16, Rule)>; 2] = Default::default();
        let mut pick = |bound: u16| rng.below(bound.into()) as u16;
        for _ in 0..14 {
            let (left, right, parent) = (pick(SYMBOLS), pick(SYMBOLS), pick(SYMBOLS));
            let weight = i32::from(pick(90)) - 70;
            let (side, known, other) =
                if is_open(right) && !is_open(left) { (1, right, left) } else { (0, left, right) };
            sides[side].push((known, Rule { other, parent, weight }));
        }
        let rules = sides.map(|mut side| {
            side.sort_by_key(|(known, rule)| (*known, rule.other, rule.parent));
            side.dedup_by_key(|(known, rule)| (*known, rule.other, rule.parent));
            let starts = starts(&side, SYMBOLS.into(), |(known, _)| *known);
            Rules { starts, list: side.into_iter().map(|(_, rule)| rule).collect() }
        });
        let mut chains: Vec<([u16; 3], i32)> =
            (0..5).map(|_| ([pick(SYMBOLS), pick(SYMBOLS), pick(SYMBOLS)], i32::from(pick(500)) - 400)).collect();
        chains.sort_by_key(|(path, _)| path[2]);
        let tagging = |pick: &mut dyn FnMut(u16) -> u16| Tagging { tag: pick(4), weight: -i32::from(pick(50)) };
        let symbols: Vec<Symbol> = (0..SYMBOLS).map(symbol).collect();
        Grammar {
            categories: vec!["X".into()],
            neighbours: Neighbours::of(&symbols),
            symbols,
            rules,
            above: starts(&chains, SYMBOLS.into(), |(path, _)| path[2]),
            paths: chains.iter().map(|(path, _)| path.to_vec()).collect(),
            chains: chains.into_iter().map(|(path, weight)| Chain { top: path[0], weight }).collect(),
            roots: vec![Tagging { tag: 0, weight: -3 }, Tagging { tag: 2, weight: -20 }],
            taggings: (0..12).map(|_| tagging(&mut pick)).collect(),
            ..Grammar::default()
        }
    }

    fn parents(grammar: &Grammar, left: u16, right: u16) -> impl Iterator<Item = (u16, i32)> {
        let with = |side: usize, known: u16, other: u16| {
            grammar.rules[side]
                .of(known)
                .iter()
                .filter(move |rule| rule.other == other)
                .map(|rule| (rule.parent, rule.weight))
        };
        with(0, left, right).chain(with(1, right, left))
    }

    /// The best score of every symbol over words, from all ways to make it.
    fn all(grammar: &Grammar, taggings: &[Range<usize>]) -> Vec<Option<i32>> {
        let mut base = vec![None; SYMBOLS.into()];
        let better = |known: &mut Option<i32>, score: i32| *known = Some(known.map_or(score, |known| known.max(score)));
        if let [range] = taggings {
            grammar.taggings[range.clone()].iter().for_each(|one| better(&mut base[usize::from(one.tag)], one.weight));
        }
        for middle in 1..taggings.len() {
            let (first, second) = (all(grammar, &taggings[..middle]), all(grammar, &taggings[middle..]));
            for (left, right) in (0..SYMBOLS).flat_map(|left| (0..SYMBOLS).map(move |right| (left, right))) {
                if let (Some(one), Some(other)) = (first[usize::from(left)], second[usize::from(right)]) {
                    for (parent, weight) in parents(grammar, left, right) {
                        better(&mut base[usize::from(parent)], one + other + weight);
                    }
                }
            }
        }
        let mut tops = base.clone();
        for (chain, path) in grammar.chains.iter().zip(&grammar.paths) {
            if let Some(score) = base[usize::from(path[2])] {
                better(&mut tops[usize::from(chain.top)], score + chain.weight);
            }
        }
        tops
    }

    /// A derivation's score, where a chain or a tagging given twice counts as the better one.
    fn score(grammar: &Grammar, derivation: &Derivation<u16>, taggings: &[Range<usize>]) -> i32 {
        let bottom = *derivation.path.last().unwrap();
        let same = grammar.chains.iter().zip(&grammar.paths).filter(|(_, path)| **path == derivation.path);
        let chain = if derivation.path.len() > 1 { same.map(|(chain, _)| chain.weight).max().unwrap() } else { 0 };
        let Some([left, right]) = derivation.parts.as_deref() else {
            let tags = grammar.taggings[taggings[0].clone()].iter().filter(|one| one.tag == bottom);
            return chain + tags.map(|one| one.weight).max().unwrap();
        };
        let (before, after) = taggings.split_at(left.words());
        let (_, weight) = parents(grammar, left.path[0], right.path[0]).find(|(parent, _)| *parent == bottom).unwrap();
        chain + weight + score(grammar, left, before) + score(grammar, right, after)
    }

    #[test]
    fn it_is_the_best_of_all_derivations() {
        let mut rng = Rng::new(&[3]);
        let (mut chart, mut lattice) = (Chart::default(), Lattice::default());
        let mut whole = 0;
        for words in (1..=6).cycle().take(300) {
            let grammar = random(&mut rng);
            let taggings: Vec<Range<usize>> = (0..words).map(|word| word * 2..word * 2 + 2).collect();
            let tops = all(&grammar, &taggings);
            let best = grammar.roots.iter().filter_map(|root| Some(tops[usize::from(root.tag)]? + root.weight)).max();
            lattice.fill(&grammar, &taggings);
            let found = chart.parse(&grammar, &lattice);
            assert_eq!(chart.pieces(&grammar).iter().map(Derivation::words).sum::<usize>(), words);
            assert_eq!(found.is_some(), best.is_some());
            if let (Some(found), Some(best)) = (&found, best) {
                let root = grammar.roots.iter().find(|root| root.tag == found.path[0]).unwrap();
                assert_eq!(score(&grammar, found, &taggings) + root.weight, best);
                whole += 1;
            }
        }
        assert!(whole > 100, "{whole}");
    }

    #[test]
    fn a_symbol_beside_words_that_it_never_meets_is_left_out() {
        let mut rng = Rng::new(&[4]);
        let mut grammar = random(&mut rng);
        grammar.symbols.iter_mut().for_each(|symbol| symbol.after = 0);
        grammar.neighbours = Neighbours::of(&grammar.symbols);
        let taggings: Vec<Range<usize>> = vec![0..2, 2..4, 4..6];
        let (mut chart, mut lattice) = (Chart::default(), Lattice::default());
        lattice.fill(&grammar, &taggings);
        assert_eq!(chart.parse(&grammar, &lattice), None);
        assert_eq!(chart.pieces(&grammar).len(), 3);
        lattice.fill(&grammar, &[]);
        assert_eq!(chart.parse(&grammar, &lattice), None);
        assert!(chart.pieces(&grammar).is_empty());
    }
}
