//! A fully connected layer as PyTorch initialises it.

use std::borrow::Borrow;
use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

/// Weight `[to, from]` and bias `[to]`, both uniform in `±1/sqrt(from)`: PyTorch's default, which tch's is not.
pub fn linear<'a>(path: impl Borrow<nn::Path<'a>>, from: i64, to: i64) -> nn::Linear {
    let bound = 1.0 / (from as f64).sqrt();
    let uniform = Init::Uniform { lo: -bound, up: bound };
    nn::linear(path, from, to, nn::LinearConfig { ws_init: uniform, bs_init: Some(uniform), bias: true })
}

/// Rows from which on [`dense`] takes the other way: below, laying out the weights anew costs more than it gains.
const ROWS: i64 = 128;

/// `xs w^T + b`, `[.., D]` -> `[.., O]`, for weights `[O, D]`.
///
/// On a CPU many rows go as a convolution of size 1, which is the same sum: LibTorch hands convolutions to oneDNN and
/// products to MKL, which leaves AVX-512 unused on AMD processors and is half as fast there.
pub fn dense(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let mut shape = xs.size();
    let (Some(&width), outputs) = (shape.last(), weight.size()[0]) else { return xs.linear(weight, bias) };
    let rows: i64 = shape.iter().rev().skip(1).product();
    if rows < ROWS || xs.device() != Device::Cpu || xs.kind() != Kind::Float {
        return xs.linear(weight, bias);
    }
    let image = xs.reshape([1, rows, 1, width]).permute([0, 3, 1, 2]);
    let kernel = weight.reshape([outputs, width, 1, 1]);
    let map = image.conv2d(&kernel, bias, 1, 0, 1, 1).permute([0, 2, 3, 1]);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    map.reshape(shape.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_give_what_few_give_also_in_gradients() {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let close = |one: &Tensor, other: &Tensor| {
            assert_eq!(one.size(), other.size());
            let difference = (one - other).abs().max().double_value(&[]);
            assert!(difference < 1e-3, "differs by {difference}");
        };
        let (xs, weight, bias) = (random(&[5, 40, 24]), random(&[2 * 16, 24]), random(&[16]));
        // The second half of a larger weight, as attention's projections are.
        let run = |product: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
            let out = product(&xs, &weight.narrow(0, 16, 16));
            (&out * Tensor::arange(16, (Kind::Float, Device::Cpu))).sum(Kind::Float).backward();
            let mut gradients = [xs.grad(), weight.grad(), bias.grad()];
            let copies = gradients.each_ref().map(Tensor::copy);
            gradients.iter_mut().for_each(|gradient| _ = gradient.zero_());
            (out, copies)
        };
        let (one, gradients) = run(&|xs, weight| dense(xs, weight, Some(&bias)));
        let (other, expected) = run(&|xs, weight| xs.linear(weight, Some(&bias)));
        close(&one, &other);
        gradients.iter().zip(&expected).for_each(|(one, other)| close(one, other));
    }
}
