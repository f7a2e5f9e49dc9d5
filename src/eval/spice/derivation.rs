//! How a grammar derives a caption, and the constituents that this means.

use serde::Deserialize;

/// A part of a caption, derived: symbols from the outermost inwards, then one word or two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation<S> {
    /// One symbol over the other; never empty.
    pub path: Vec<S>,
    pub parts: Option<Box<[Derivation<S>; 2]>>,
}

/// As parses are written: `[symbol, word]`, `[symbol, part]` or `[symbol, part, part]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Nested {
    Text(String),
    List(Vec<Nested>),
}

impl Derivation<String> {
    /// `None` where the lists are of another form.
    pub fn read(nested: Nested) -> Option<Self> {
        let mut path = Vec::new();
        let mut next = nested;
        loop {
            let Nested::List(list) = next else { return None };
            let mut items = list.into_iter();
            let Some(Nested::Text(symbol)) = items.next() else { return None };
            path.push(symbol);
            match (items.next()?, items.next(), items.next()) {
                (Nested::Text(_), None, None) => return Some(Self { path, parts: None }),
                (part, None, None) => next = part,
                (left, Some(right), None) => {
                    let parts = Some(Box::new([Self::read(left)?, Self::read(right)?]));
                    return Some(Self { path, parts });
                }
                _ => return None,
            }
        }
    }
}

impl<S> Derivation<S> {
    /// Number of words.
    pub fn words(&self) -> usize {
        self.parts.as_ref().map_or(1, |parts| parts.iter().map(Self::words).sum())
    }

    /// The same with other names of symbols.
    pub fn map<T>(&self, name: &mut impl FnMut(&S) -> T) -> Derivation<T> {
        let path = self.path.iter().map(&mut *name).collect();
        let parts = self.parts.as_deref().map(|[left, right]| Box::new([left.map(name), right.map(name)]));
        Derivation { path, parts }
    }
}

/// A constituent with all its children, after the symbols that only join two at a time are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constituent {
    /// The symbol that its parent sees, and the one that its children see; of a word, the latter is its tag.
    pub outer: u16,
    pub inner: u16,
    /// Words, from and to.
    pub start: usize,
    pub end: usize,
    /// Empty for a word.
    pub children: Vec<Constituent>,
}

/// The constituents of a derivation that starts at a word: one, unless its symbols are all among the `open` ones, which
/// only join.
pub(crate) fn constituents(derivation: &Derivation<u16>, open: &[bool], start: usize) -> Vec<Constituent> {
    let mut children = Vec::new();
    if let Some([left, right]) = derivation.parts.as_deref() {
        children = constituents(left, open, start);
        let middle = start + left.words();
        children.extend(constituents(right, open, middle));
    }
    let is_closed = |symbol: &&u16| !open.get(usize::from(**symbol)).copied().unwrap_or(false);
    let mut closed = derivation.path.iter().filter(is_closed);
    let Some(&outer) = closed.next() else { return children };
    let inner = closed.next_back().copied().unwrap_or(outer);
    vec![Constituent { outer, inner, start, end: start + derivation.words(), children }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_that_only_join_are_gone() {
        let text = r#"["NP", ["@a", ["DT", "the"], ["@b", ["@c", ["JJ", "red"]], ["NP2", ["NN", "car"]]]]]"#;
        let read = |text: &str| Derivation::read(serde_json::from_str(text).unwrap());
        let derivation = read(text).unwrap();
        assert_eq!((derivation.words(), &derivation.path[..]), (3, &["NP".to_owned(), "@a".to_owned()][..]));
        let names = ["NP", "@a", "DT", "@b", "@c", "JJ", "NP2", "NN"];
        let place = |name: &String| names.iter().position(|other| other == name).unwrap() as u16;
        let open: Vec<bool> = names.iter().map(|name| name.starts_with('@')).collect();
        let found = constituents(&derivation.map(&mut { place }), &open, 0);
        let [whole] = &found[..] else { panic!("{found:?}") };
        assert_eq!((whole.outer, whole.inner, whole.start, whole.end), (0, 0, 0, 3));
        let children: Vec<_> = whole.children.iter().map(|child| (child.outer, child.inner, child.start)).collect();
        assert_eq!(children, [(2, 2, 0), (5, 5, 1), (6, 7, 2)]);
        for wrong in [r#"["NP"]"#, r#"[["NP"], "a"]"#, r#""a""#, r#"["NP", ["A", "a"], ["B", "b"], ["C", "c"]]"#] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
