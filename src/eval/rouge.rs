//! ROUGE-L as coco-caption computes it (Lin, ACL workshop 2004): the best precision and the best recall over the
//! references, each taken on its own, in one F-measure.

const BETA: f64 = 1.2;

/// ROUGE-L of one caption; words are compared by number. Zero where there is no reference.
pub(crate) fn rouge_l<'r>(hypothesis: &[u32], references: impl IntoIterator<Item = &'r [u32]>) -> f64 {
    let (mut precision, mut recall) = (0.0f64, 0.0f64);
    let mut row = Vec::new();
    for reference in references {
        let common = longest_common_subsequence(hypothesis, reference, &mut row) as f64;
        precision = precision.max(common / hypothesis.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    ((1.0 + BETA * BETA) * precision * recall) / (recall + BETA * BETA * precision)
}

pub(crate) fn longest_common_subsequence(a: &[u32], b: &[u32], row: &mut Vec<u32>) -> u32 {
    row.clear();
    row.resize(b.len(), 0);
    for word in a {
        let (mut diagonal, mut left) = (0, 0);
        for (other, best) in b.iter().zip(row.iter_mut()) {
            let above = *best;
            left = if word == other { diagonal + 1 } else { left.max(above) };
            *best = left;
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_recall_may_come_from_different_references() {
        // Against [1] precision is 1/2 and recall 1; against [1, 2, 3, 4] precision is 1 and recall 1/2.
        assert_eq!(rouge_l(&[1, 2], [&[1][..], &[1, 2, 3, 4]]), 1.0);
        assert_eq!(rouge_l(&[1, 2], [&[3][..]]), 0.0);
    }

    #[test]
    fn the_order_of_words_counts() {
        let f = |p: f64, r: f64| (1.0 + BETA * BETA) * p * r / (r + BETA * BETA * p);
        assert!((rouge_l(&[1, 2, 3], [&[3, 1, 2, 5][..]]) - f(2.0 / 3.0, 0.5)).abs() < 1e-15);
    }
}
