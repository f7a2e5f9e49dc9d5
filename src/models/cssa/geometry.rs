//! The dynamic geometry bias of the DG-former (DGP in the paper).

use super::config::{Config, Geometry};
use crate::models::layers::linear;
use crate::runtime::libtorch::upload;
use std::f64::consts::PI;
use tch::nn::{self, Module};
use tch::{Device, Tensor};

/// Least distance in cells before its logarithm.
///
/// Deviation: cells of the same row or column give the paper's equation `log 0`; it does not say what is done. Programs
/// of this family clamp to the same value.
const LEAST: f64 = 1e-3;

/// `Omega^l = G d(l)` with `G_ij = ReLU(W_lo ReLU(W_hi r_ij + b) + c)`, one number a head, shared by the layers.
///
/// Deviation: the paper describes the map of `r` as "to a higher, then to a lower dimension" without its widths; here
/// it is 2 -> `geometry_hidden` -> heads.
#[derive(Debug)]
pub struct DynamicGeometry {
    high: nn::Linear,
    low: nn::Linear,
    decay: Geometry,
    /// `s` where it is learnt.
    rate: Option<Tensor>,
}

impl DynamicGeometry {
    /// `None` where the model has no geometry.
    pub fn new(path: &nn::Path, config: &Config) -> Option<Self> {
        if config.geometry == Geometry::None {
            return None;
        }
        let (hidden, heads) = (config.geometry_hidden as i64, config.heads as i64);
        // Deviation: with s = 0 the paper says "no dynamic adjustment" of a learnable s, which would move: it is
        // frozen.
        let learnt = config.geometry == Geometry::Exp && config.exp_start != 0.0;
        Some(Self {
            high: linear(path / "high", 2, hidden),
            low: linear(path / "low", hidden, heads),
            decay: config.geometry,
            rate: learnt.then(|| path.var("rate", &[1], nn::Init::Const(config.exp_start))),
        })
    }

    /// `G` of a grid of `height` x `width` cells, `[heads, S, S]`. Few pairs of cells differ in their distance: each
    /// distance is worked out once.
    pub fn bias(&self, (height, width): (i64, i64)) -> Tensor {
        let device = self.high.ws.device();
        let each = self.low.forward(&self.high.forward(&relations(height, width, device)).relu()).relu();
        let (cells, heads) = (height * width, each.size()[1]);
        each.index_select(0, &pairs(height, width, device)).view([cells, cells, heads]).permute([2, 0, 1]).contiguous()
    }

    /// `Omega^l` of layer `layer` of `layers`, of `G`.
    pub fn at(&self, bias: &Tensor, layer: usize, layers: usize) -> Tensor {
        match &self.rate {
            Some(rate) => bias * (rate * -(layer as f64)).exp(),
            None => bias * decay(self.decay, 0.0, layer, layers),
        }
    }
}

/// `d(l)` for `l = 0, 1, ..` of `L` layers; `s` is the rate of the exponential.
pub fn decay(form: Geometry, s: f64, layer: usize, layers: usize) -> f64 {
    let (l, most) = (layer as f64, layers as f64);
    match form {
        Geometry::None => 0.0,
        Geometry::Exp => (-l * s).exp(),
        Geometry::Log => 1.0 - (l + 1.0).ln() / (most + 1.0).ln(),
        Geometry::Cos => (l * PI / (most + 1.0)).cos(),
        Geometry::CosHalf => (l * PI / (2.0 * (most + 1.0))).cos(),
    }
}

/// `r = (log(|dx| / w), log(|dy| / h))` in cells, for every `(|dy|, |dx|)` of a grid: `[H * W, 2]`.
///
/// Distances are divided by the cell's own size, as the paper says; programs of this family divide by `max - min + 1`,
/// twice the cell.
pub fn relations(height: i64, width: i64, device: Device) -> Tensor {
    let logarithm = |cells: i64| (cells as f64).max(LEAST).ln() as f32;
    let values: Vec<f32> =
        (0..height).flat_map(|dy| (0..width).flat_map(move |dx| [logarithm(dx), logarithm(dy)])).collect();
    upload(&values, device).view([height * width, 2])
}

/// The row of [`relations`] of every pair of cells, cells counted row by row: `[S * S]` Int64.
fn pairs(height: i64, width: i64, device: Device) -> Tensor {
    let cells = || (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)));
    let rows: Vec<i64> =
        cells().flat_map(|(y, x)| cells().map(move |(v, u)| (y - v).abs() * width + (x - u).abs())).collect();
    upload(&rows, device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;
    use tch::nn::VarStore;

    #[test]
    fn relations_are_logarithms_of_distances_in_cells() {
        let table = relations(2, 3, Device::Cpu);
        let pairs: Vec<i64> = Vec::try_from(pairs(2, 3, Device::Cpu)).unwrap();
        // From cell (row 0, column 0) to (row 1, column 2), by hand: dx 2 cells, dy 1.
        let row = pairs[5];
        assert!((table.double_value(&[row, 0]) - 2f64.ln()).abs() < 1e-6);
        assert_eq!(table.double_value(&[row, 1]), 0.0);
        // A cell with itself: both clamped.
        for axis in 0..2 {
            assert!((table.double_value(&[pairs[0], axis]) - (1e-3f64).ln()).abs() < 1e-5);
        }
        assert_eq!(pairs[5], pairs[5 * 6], "the relation is symmetric");
    }

    #[test]
    fn decays_are_those_computed_by_hand() {
        let values = |form, s| [0, 1, 2, 3].map(|l| (decay(form, s, l, 4) * 1000.0).round() / 1000.0);
        assert_eq!(values(Geometry::Exp, 1.0), [1.0, 0.368, 0.135, 0.05]);
        assert_eq!(values(Geometry::Exp, 0.0), [1.0; 4]);
        assert_eq!(values(Geometry::Log, 0.0), [1.0, 0.569, 0.317, 0.139]);
        assert_eq!(values(Geometry::Cos, 0.0), [1.0, 0.809, 0.309, -0.309]);
        assert_eq!(values(Geometry::CosHalf, 0.0), [1.0, 0.951, 0.809, 0.588]);
    }

    #[test]
    fn the_bias_of_a_pair_is_the_two_layers_on_its_relation() {
        tch::manual_seed(1);
        let store = VarStore::new(Device::Cpu);
        let config = Config { heads: 2, geometry_hidden: 3, ..Config::default() };
        let geometry = DynamicGeometry::new(&store.root(), &config).unwrap();
        let bias = geometry.bias((2, 3));
        assert_eq!(bias.size(), [2, 6, 6]);
        let relation = Tensor::from_slice(&[2f32.ln(), 0.0]);
        let by_hand = geometry.low.forward(&geometry.high.forward(&relation).relu()).relu();
        for head in 0..2 {
            let (found, expected) = (bias.double_value(&[head, 0, 5]), by_hand.double_value(&[head]));
            assert!((found - expected).abs() < 1e-6);
        }
        let third = geometry.at(&bias, 2, 4);
        assert!((third - &bias * (-2f64).exp()).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn s_is_learnt_unless_it_is_zero() {
        for (start, learnt) in [(0.0, false), (0.5, true)] {
            let store = VarStore::new(Device::Cpu);
            let config = Config { exp_start: start, ..Config::default() };
            let geometry = DynamicGeometry::new(&store.root(), &config).unwrap();
            assert_eq!(store.variables().contains_key("rate"), learnt);
            let bias = geometry.bias((7, 7));
            geometry.at(&bias, 1, 4).sum(Kind::Float).backward();
        }
    }
}
