//! The best projective tree (Eisner, COLING 1996) over scores of arcs, with one root.

/// A table over spans by their ends, kept so that the spans that an inner loop reads lie side by side.
struct Table {
    size: usize,
    scores: Vec<f32>,
}

impl Table {
    fn new(size: usize) -> Self {
        Self { size, scores: vec![0.0; size * size] }
    }

    fn row(&self, row: usize, from: usize, to: usize) -> &[f32] {
        &self.scores[row * self.size + from..row * self.size + to]
    }

    fn set(&mut self, row: usize, column: usize, score: f32) {
        self.scores[row * self.size + column] = score;
    }
}

/// The greatest sum of two numbers at the same place, the first of equal ones, and its place.
fn most(a: &[f32], b: &[f32]) -> (f32, usize) {
    let mut best = (f32::NEG_INFINITY, 0);
    for (place, (a, b)) in a.iter().zip(b).enumerate() {
        if a + b > best.0 {
            best = (a + b, place);
        }
    }
    best
}

/// The governor of each word (words count from 1; 0: none, it is the root). `scores` is `[words, words + 1]`: of each
/// word with each governor.
pub fn best(scores: &[f32], words: usize) -> Vec<usize> {
    let mut governors = vec![0; words];
    if words == 0 {
        return governors;
    }
    let size = words + 1;
    let arc = |governor: usize, dependent: usize| scores[(dependent - 1) * size + governor];
    // Complete spans have all dependents of their head, which is at the left or at the right; spans with an arc between
    // their ends lack some of the dependent's. A row has the spans from one word, or (`to`) those to one word.
    let [mut left, mut left_to, mut right, mut right_to, mut left_arc, mut right_arc_to] =
        std::array::from_fn(|_| Table::new(size));
    // Where the two parts of a span meet: of arcs, of complete ones with the head at the left and at the right.
    let mut middles = vec![[0u16; 3]; size * size];
    for length in 1..words {
        for from in 1..size - length {
            let to = from + length;
            let (meet, arcs) = most(left.row(from, from, to), right_to.row(to, from + 1, to + 1));
            left_arc.set(from, to, meet + arc(from, to));
            right_arc_to.set(to, from, meet + arc(to, from));
            let (score, lefts) = most(left_arc.row(from, from + 1, to + 1), left_to.row(to, from + 1, to + 1));
            left.set(from, to, score);
            left_to.set(to, from, score);
            let (score, rights) = most(right.row(from, from, to), right_arc_to.row(to, from, to));
            right.set(from, to, score);
            right_to.set(to, from, score);
            middles[from * size + to] = [arcs, lefts, rights].map(|place| (from + place) as u16);
        }
    }
    // The root has all words before it and after it below it.
    let mut root = (f32::NEG_INFINITY, 1);
    for (word, (before, after)) in (1..).zip(right.row(1, 1, size).iter().zip(left_to.row(words, 1, size))) {
        let score = before + after + arc(0, word);
        if score > root.0 {
            root = (score, word);
        }
    }
    // Spans to open: their ends, whether the head is at the left, whether they are complete.
    let mut open = vec![(1, root.1, false, true), (root.1, words, true, true)];
    while let Some((from, to, at_left, complete)) = open.pop() {
        if from == to {
            continue;
        }
        let [arcs, lefts, rights] = middles[from * size + to].map(usize::from);
        match (at_left, complete) {
            (true, true) => open.extend([(from, lefts + 1, true, false), (lefts + 1, to, true, true)]),
            (false, true) => open.extend([(from, rights, false, true), (rights, to, false, false)]),
            (at_left, false) => {
                let (governor, dependent) = if at_left { (from, to) } else { (to, from) };
                governors[dependent - 1] = governor;
                open.extend([(from, arcs, true, true), (arcs + 1, to, false, true)]);
            }
        }
    }
    governors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    /// Whether every arc's words between its ends lie below the governor, and one word has none.
    fn is_projective(governors: &[usize]) -> bool {
        let above = |mut word: usize, governor: usize| {
            for _ in 0..=governors.len() {
                if word == governor {
                    return true;
                }
                if word == 0 {
                    return false;
                }
                word = governors[word - 1];
            }
            false
        };
        governors.iter().filter(|&&governor| governor == 0).count() == 1
            && governors.iter().zip(1..).all(|(&governor, dependent): (&usize, usize)| {
                (governor.min(dependent)..governor.max(dependent)).skip(1).all(|word| above(word, governor))
                    && above(dependent, 0)
            })
    }

    #[test]
    fn it_is_the_best_of_all_projective_trees() {
        let mut rng = Rng::new(&[5]);
        for words in 1..=5usize {
            for _ in 0..20 {
                let scores: Vec<f32> = (0..words * (words + 1)).map(|_| rng.unit() as f32).collect();
                let total = |tree: &[usize]| -> f32 {
                    tree.iter().enumerate().map(|(word, &governor)| scores[word * (words + 1) + governor]).sum()
                };
                let mut most = f32::NEG_INFINITY;
                for code in 0..(words + 1).pow(words as u32) {
                    let tree: Vec<usize> =
                        (0..words).map(|word| code / (words + 1).pow(word as u32) % (words + 1)).collect();
                    if is_projective(&tree) {
                        most = most.max(total(&tree));
                    }
                }
                let tree = best(&scores, words);
                assert!(is_projective(&tree) && (total(&tree) - most).abs() < 1e-5, "{tree:?}");
            }
        }
        assert!(best(&[], 0).is_empty());
    }
}
