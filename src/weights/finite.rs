//! Tensors with numbers that are none: NaN and infinity, which would go through a whole training unseen.

use std::fmt;
use tch::{Kind, Tensor};

/// A tensor with NaN or infinity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFinite {
    pub name: String,
    /// How many such values it has.
    pub count: i64,
    /// Of so many.
    pub of: usize,
    /// Where the first of them is.
    pub first: Vec<i64>,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count, of, first } = self;
        write!(f, "'{name}' has {count} of {of} values that are no finite numbers, the first at {first:?}")
    }
}

/// What there is to say against the numbers of a tensor; nothing against whole ones.
pub fn not_finite(name: &str, tensor: &Tensor) -> Option<NotFinite> {
    let floats = matches!(tensor.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
    if !floats || tensor.numel() == 0 {
        return None;
    }
    let bad = tensor.isfinite().logical_not();
    let count = bad.sum(Kind::Int64).int64_value(&[]);
    if count == 0 {
        return None;
    }
    let mut place = bad.flatten(0, -1).to_kind(Kind::Int64).argmax(0, false).int64_value(&[]);
    let mut first = Vec::new();
    for side in tensor.size().into_iter().rev() {
        first.insert(0, place % side);
        place /= side;
    }
    Some(NotFinite { name: name.to_owned(), count, of: tensor.numel(), first })
}
