//! Losses on the attributes: Eqs. (31) and (32).

use super::AttributeLoss;
use tch::{Kind, Reduction, Tensor};

/// Binary cross-entropy of attribute logits against targets, both `[I, A]`, mean over the images: Eq. (32).
///
/// Deviation: the equation lacks its minus sign.
pub fn attribute_cross_entropy(logits: &Tensor, targets: &Tensor, over: AttributeLoss) -> Tensor {
    let of = |reduction| logits.binary_cross_entropy_with_logits::<Tensor>(targets, None, None, reduction);
    match over {
        AttributeLoss::Mean => of(Reduction::Mean),
        AttributeLoss::Sum => of(Reduction::Sum) / logits.size().first().copied().unwrap_or(1).max(1) as f64,
    }
}

/// The dynamic contrast loss, Eq. (31): the mean probability of an image's attributes must exceed the greatest
/// probability of the others by `margin`; mean over the images that have an attribute.
///
/// Deviation: as printed, with the signs the other way round, the loss would push the attributes below the others; the
/// text says what is computed here. Images without an attribute have no mean and are left out.
pub fn dynamic_contrast(probabilities: &Tensor, targets: &Tensor, margin: f64) -> Tensor {
    let dims = [-1i64].as_slice();
    let others: Tensor = (1.0 - targets) * probabilities;
    let (hardest, _) = others.max_dim(-1, false);
    let count = targets.sum_dim_intlist(dims, false, Kind::Float);
    let positive = (targets * probabilities).sum_dim_intlist(dims, false, Kind::Float) / count.clamp_min(1.0);
    let has_any = count.gt(0.0).to_kind(Kind::Float);
    let hinge = (hardest - positive + margin).relu() * &has_any;
    hinge.sum(Kind::Float) / has_any.sum(Kind::Float).clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[f32; 3]]) -> Tensor {
        Tensor::from_slice2(rows)
    }

    /// By hand: image 1: hardest 0.7, mean (0.9 + 0.3) / 2 = 0.6: 0.7 - 0.6 + 0.2 = 0.3; image 2: 0.1 - 0.8 + 0.2 < 0:
    /// nothing; image 3 has no attribute. Mean over two: 0.15.
    #[test]
    fn contrast_and_its_gradient_equal_the_hand_computed_ones() {
        let probabilities = table(&[[0.9, 0.7, 0.3], [0.8, 0.1, 0.05], [0.5, 0.4, 0.3]]).set_requires_grad(true);
        let targets = table(&[[1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
        let loss = dynamic_contrast(&probabilities, &targets, 0.2);
        assert!((loss.double_value(&[]) - 0.15).abs() < 1e-6, "{loss:?}");
        loss.backward();
        let expected = table(&[[-0.25, 0.5, -0.25], [0.0; 3], [0.0; 3]]);
        assert!((probabilities.grad() - expected).abs().max().double_value(&[]) < 1e-6);
    }

    /// By hand: logits 0, ln 3, -ln 3 have probabilities 1/2, 3/4, 1/4.
    #[test]
    fn cross_entropy_equals_the_hand_computed_one() {
        let three = 3f32.ln();
        let (logits, targets) = (table(&[[0.0, three, -three]; 2]), table(&[[1.0, 1.0, 1.0]; 2]));
        let expected = -(0.5f64.ln() + 0.75f64.ln() + 0.25f64.ln());
        for (over, parts) in [(AttributeLoss::Mean, 3.0), (AttributeLoss::Sum, 1.0)] {
            let loss = attribute_cross_entropy(&logits, &targets, over).double_value(&[]);
            assert!((loss - expected / parts).abs() < 1e-6, "{over:?}: {loss}");
        }
    }

    #[test]
    fn no_attribute_at_all_costs_nothing() {
        let loss = dynamic_contrast(&table(&[[0.5, 0.4, 0.3]]), &table(&[[0.0; 3]]), 0.2);
        assert_eq!(loss.double_value(&[]), 0.0);
    }
}
