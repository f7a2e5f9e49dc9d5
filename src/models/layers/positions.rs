//! Positions of words as sines and cosines (Vaswani et al. 2017, section 3.5).

use tch::{Device, Kind, Tensor};

/// `[length, width]` Float: `sin(t / 10000^(2i/width))` in column `2i`, the cosine of the same in column `2i + 1`.
pub fn sinusoidal(length: i64, width: i64, device: Device) -> Tensor {
    let options = (Kind::Double, Device::Cpu);
    let times = Tensor::arange(length, options).unsqueeze(1);
    let even = Tensor::arange_start_step(0, width + width % 2, 2, options);
    let angles = times * (even * (-(10000f64.ln()) / width as f64)).exp().unsqueeze(0);
    let pairs = Tensor::stack(&[angles.sin(), angles.cos()], 2).flatten(1, 2);
    pairs.narrow(1, 0, width).to_kind(Kind::Float).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_formula() {
        for width in [6, 5] {
            let table = sinusoidal(4, width, Device::Cpu);
            assert_eq!(table.size(), [4, width]);
            for time in 0..4i32 {
                for column in 0..width {
                    let angle = f64::from(time) / 10000f64.powf((column - column % 2) as f64 / width as f64);
                    let expected = if column % 2 == 0 { angle.sin() } else { angle.cos() };
                    let found = table.double_value(&[i64::from(time), column]);
                    assert!((found - expected).abs() < 1e-6, "time {time}, column {column}: {found}, not {expected}");
                }
            }
        }
    }
}
