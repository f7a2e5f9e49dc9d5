//! Contrastive losses between two lists of vectors, and retrieval by them.

use tch::Tensor;

/// Vectors of length one, `[N, D]`.
pub fn unit(xs: &Tensor) -> Tensor {
    xs / xs.norm_scalaropt_dim(2, [1i64].as_slice(), true).clamp_min(1e-12)
}

/// `L_cl(x, y)`: how badly each of `x` is told from the others' partners in `y`, weighted `direction`, and the other
/// way round, weighted `1 - direction`. `[N, D]` each, of length one; row `i` of both is a pair.
///
/// Deviation: the paper's equation shows neither the temperature nor the norms (nor, in print, its minus sign); they
/// are ConVIRT's, whose loss it is.
pub fn contrastive_loss(x: &Tensor, y: &Tensor, temperature: f64, direction: f64) -> Tensor {
    let likeness = x.matmul(&y.tr()) / temperature;
    // The pairs stand on the diagonal.
    let log_share = |dim: i64| likeness.log_softmax(dim, None).diagonal(0, 0, 1).mean(None);
    -(log_share(1) * direction + log_share(0) * (1.0 - direction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// The sums of the equation one by one, in double precision.
    fn directly(x: &[Vec<f64>], y: &[Vec<f64>], temperature: f64, direction: f64) -> f64 {
        let normed = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let length = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>().sqrt();
            rows.iter().map(|row| row.iter().map(|v| v / length(row)).collect()).collect()
        };
        let (x, y) = (normed(x), normed(y));
        let power = |i: usize, j: usize| (x[i].iter().zip(&y[j]).map(|(a, b)| a * b).sum::<f64>() / temperature).exp();
        let count = x.len();
        let mut sum = 0.0;
        for i in 0..count {
            let forth: f64 = (0..count).map(|j| power(i, j)).sum();
            let back: f64 = (0..count).map(|j| power(j, i)).sum();
            sum += direction * (power(i, i) / forth).ln() + (1.0 - direction) * (power(i, i) / back).ln();
        }
        -sum / count as f64
    }

    #[test]
    fn the_loss_and_its_gradients_are_those_of_the_equation() {
        tch::manual_seed(3);
        let random = || Tensor::randn([4, 3], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let (x, y) = (random(), random());
        let rows = |xs: &Tensor| Vec::<Vec<f64>>::try_from(xs.detach()).unwrap();
        let (temperature, direction) = (0.3, 0.75);
        let loss = contrastive_loss(&unit(&x), &unit(&y), temperature, direction);
        assert!((loss.double_value(&[]) - directly(&rows(&x), &rows(&y), temperature, direction)).abs() < 1e-12);
        loss.backward();
        let step = 1e-6;
        for (which, gradient) in [x.grad(), y.grad()].iter().enumerate() {
            for i in 0..4 {
                for j in 0..3 {
                    let moved = |by: f64| {
                        let mut both = [rows(&x), rows(&y)];
                        both[which][i][j] += by;
                        directly(&both[0], &both[1], temperature, direction)
                    };
                    let expected = (moved(step) - moved(-step)) / (2.0 * step);
                    let found = gradient.double_value(&[i as i64, j as i64]);
                    assert!((found - expected).abs() < 1e-7, "[{which}][{i}][{j}]: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn equal_vectors_leave_the_logarithm_of_their_number() {
        let ones = unit(&Tensor::ones([5, 2], (Kind::Double, Device::Cpu)));
        assert!((contrastive_loss(&ones, &ones, 0.1, 0.6).double_value(&[]) - 5f64.ln()).abs() < 1e-12);
    }
}
