//! A caption's words and the dependencies between them.

/// A kind of dependency: a place in [`Label::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub u8);

macro_rules! labels {
    ($($constant:ident $name:literal)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "only counts the labels")]
        enum Place { $($constant),* }
        impl Label {
            /// Universal Dependencies v1 in the reference's variant.
            pub const NAMES: &'static [&'static str] = &[$($name),*];
            $(pub const $constant: Self = Self(Place::$constant as u8);)*
        }
    };
}

labels! {
    ROOT "root" DET "det" CASE "case" NMOD "nmod" AMOD "amod" NSUBJ "nsubj" CONJ "conj" CC "cc" COMPOUND "compound"
    COP "cop" NUMMOD "nummod" EXPL "expl" NSUBJPASS "nsubjpass" ADVMOD "advmod" ACL "acl" AUXPASS "auxpass"
    DOBJ "dobj" DEP "dep" MWE "mwe" MARK "mark" ADVCL "advcl" AUX "aux" CCOMP "ccomp" XCOMP "xcomp" NEG "neg"
    IOBJ "iobj" CSUBJ "csubj" CSUBJPASS "csubjpass" PARATAXIS "parataxis" APPOS "appos" PUNCT "punct"
    DISCOURSE "discourse" RELCL "acl:relcl" PRT "compound:prt" PREDET "det:predet" PRECONJ "cc:preconj"
    AGENT "nmod:agent" POSS "nmod:poss" TMOD "nmod:tmod" NPMOD "nmod:npmod" QMOD "det:qmod" REF "ref"
}

impl Label {
    pub fn name(self) -> &'static str {
        Self::NAMES.get(usize::from(self.0)).copied().unwrap_or("dep")
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|&other| other == name).map(|place| Self(place as u8))
    }
}

/// One dependency. Words count from 1; 0 is above the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub governor: usize,
    pub dependent: usize,
    pub label: Label,
    /// What collapsing added: the preposition of `nmod:in_front_of`, the conjunction of `conj:and`.
    pub detail: Option<Box<str>>,
}

impl Edge {
    pub fn new(governor: usize, dependent: usize, label: Label) -> Self {
        Self { governor, dependent, label, detail: None }
    }

    pub fn with(mut self, detail: &str) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Reads the reference's name of a relation; unknown ones count as `dep`.
    pub fn named(name: &str, governor: usize, dependent: usize) -> Self {
        let edge = |label| Self::new(governor, dependent, label);
        if let Some(label) = Label::named(name) {
            return match label {
                Label::AGENT | Label::POSS | Label::TMOD | Label::NPMOD => edge(Label::NMOD).with(&name[5..]),
                label => edge(label),
            };
        }
        match name.split_once(':') {
            Some((base, detail)) => edge(Label::named(base).unwrap_or(Label::DEP)).with(detail),
            None => edge(Label::DEP),
        }
    }

    pub fn is(&self, label: Label) -> bool {
        self.label == label && self.detail.is_none()
    }

    /// Whether the relation is a nominal modifier of a known kind: `nmod:in`, `nmod:poss`, not `nmod`.
    pub fn nmod(&self) -> Option<&str> {
        if self.label == Label::NMOD { self.detail.as_deref() } else { None }
    }
}

/// A word with what the tagger and the lemmatiser say of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub text: String,
    pub tag: String,
    pub lemma: String,
}

impl Word {
    pub fn is_noun(&self) -> bool {
        matches!(self.tag.as_str(), "NN" | "NNS" | "NNP" | "NNPS")
    }

    pub fn is_plural_noun(&self) -> bool {
        matches!(self.tag.as_str(), "NNS" | "NNPS")
    }
}

/// The reference keeps neighbours in hash tables whose hash is a word's place: that order decides which of several
/// dependents is "the first". This is the least size of such a table.
const LEAST_BUCKETS: usize = 16;

/// The size of a hash table with so many entries: at most three quarters full.
fn buckets(entries: usize) -> usize {
    let mut buckets = LEAST_BUCKETS;
    while entries > buckets / 4 * 3 {
        buckets *= 2;
    }
    buckets
}

/// A sentence as a graph: a word may have several governors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    pub words: Vec<Word>,
    pub edges: Vec<Edge>,
    pub roots: Vec<usize>,
}

impl Graph {
    /// The word at a place that counts from 1.
    pub fn word(&self, place: usize) -> &Word {
        static NONE: Word = Word { text: String::new(), tag: String::new(), lemma: String::new() };
        place.checked_sub(1).and_then(|index| self.words.get(index)).unwrap_or(&NONE)
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Keeps each list of neighbours in the order of the words.
    pub fn sort(&mut self) {
        self.edges.sort_by_key(|edge| (edge.governor, edge.dependent));
    }

    /// Edges down from a word, in the reference's order of dependents.
    pub fn down(&self, governor: usize) -> impl Iterator<Item = &Edge> {
        let mut found: Vec<&Edge> = self.edges.iter().filter(|edge| edge.governor == governor).collect();
        let buckets = buckets(found.len());
        found.sort_by_key(|edge| (edge.dependent % buckets, edge.dependent)); // stable
        found.into_iter()
    }

    /// Edges up from a word.
    pub fn up(&self, dependent: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.dependent == dependent)
    }

    /// The first dependent with a relation.
    pub fn child(&self, governor: usize, label: Label) -> Option<usize> {
        let buckets = buckets(self.edges.iter().filter(|edge| edge.governor == governor).count());
        let children = self.edges.iter().filter(|edge| edge.governor == governor && edge.is(label));
        children.map(|edge| edge.dependent).min_by_key(|place| (place % buckets, *place))
    }

    /// The first governor.
    pub fn parent(&self, dependent: usize) -> Option<usize> {
        let governors = self.edges.iter().filter(|edge| edge.dependent == dependent && edge.governor != 0);
        governors.map(|edge| edge.governor).min_by_key(|place| (place % LEAST_BUCKETS, *place))
    }

    /// Governors before dependents; in the order of the words where the graph has a cycle.
    pub fn order(&self) -> Vec<usize> {
        let n = self.len();
        let mut children = vec![Vec::new(); n + 1];
        for edge in self.edges.iter().filter(|edge| edge.governor != 0) {
            if let Some(list) = children.get_mut(edge.governor) {
                list.push(edge.dependent);
            }
        }
        for list in &mut children {
            let buckets = buckets(list.len());
            list.sort_unstable_by_key(|place| (place % buckets, *place));
            list.dedup();
        }
        // 0: not seen, 1: being visited, 2: done.
        let mut state = vec![0u8; n + 1];
        let mut reversed = Vec::with_capacity(n);
        for start in 1..=n {
            if state[start] != 0 {
                continue;
            }
            state[start] = 1;
            let mut stack = vec![(start, 0usize)];
            while let Some(top) = stack.last_mut() {
                let (node, next) = *top;
                top.1 += 1;
                match children[node].get(next) {
                    Some(&child) => match state.get(child) {
                        Some(0) => {
                            state[child] = 1;
                            stack.push((child, 0));
                        }
                        Some(1) => return (1..=n).collect(),
                        _ => {}
                    },
                    None => {
                        state[node] = 2;
                        reversed.push(node);
                        stack.pop();
                    }
                }
            }
        }
        reversed.reverse();
        reversed
    }
}
