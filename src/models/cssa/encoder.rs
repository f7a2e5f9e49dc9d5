//! The image encoder: projected grid features through the DG-former.

use super::config::Config;
use super::geometry::DynamicGeometry;
use crate::models::layers::transformer::{EncoderLayer, Sizes};
use crate::models::layers::{Mask, dense, dropout, linear};
use tch::Tensor;
use tch::nn::{self, Module};

#[derive(Debug)]
pub(super) struct ImageEncoder {
    project: nn::Linear,
    norm: Option<nn::LayerNorm>,
    geometry: Option<DynamicGeometry>,
    layers: Vec<EncoderLayer>,
    grid: Option<i64>,
    dropout: f64,
}

impl ImageEncoder {
    /// `channels`: of all encoders together.
    pub(super) fn new(path: &nn::Path, config: &Config, sizes: Sizes, channels: i64) -> Self {
        let norm = || nn::layer_norm(path / "norm", vec![sizes.width], Default::default());
        Self {
            project: linear(path / "project", channels, sizes.width),
            norm: config.project_norm.then(norm),
            geometry: DynamicGeometry::new(&(path / "geometry"), config),
            layers: (0..config.encoder_layers).map(|l| EncoderLayer::new(&(path / "layers" / l), sizes)).collect(),
            grid: config.grid.map(|side| side as i64),
            dropout: config.dropout,
        }
    }

    /// Cells in height and width: as configured, else those of the first encoder.
    pub(super) fn grid(&self, features: &[Tensor]) -> (i64, i64) {
        let own = || features.first().map_or((1, 1), |map| (map.size()[2], map.size()[3]));
        self.grid.map_or_else(own, |side| (side, side))
    }

    /// `[I, C, H, W]` per encoder -> `[I, S, D]`, cells row by row.
    pub(super) fn forward(&self, features: &[Tensor], train: bool) -> Tensor {
        let grid @ (height, width) = self.grid(features);
        let pooled = features.iter().map(|map| match map.size()[2..] == [height, width] {
            true => map.shallow_clone(),
            false => map.adaptive_avg_pool2d([height, width]),
        });
        let cells = Tensor::cat(&pooled.collect::<Vec<_>>(), 1).flatten(2, 3).transpose(1, 2);
        // As rows of a matrix, which the product takes as they are.
        let mut xs = dense(&cells.contiguous(), &self.project.ws, self.project.bs.as_ref());
        if let Some(norm) = &self.norm {
            xs = norm.forward(&dropout(&xs.relu(), self.dropout, train));
        }
        let bias = self.geometry.as_ref().map(|geometry| (geometry, geometry.bias(grid)));
        for (index, layer) in self.layers.iter().enumerate() {
            xs = match &bias {
                None => layer.forward(&xs, Mask::None, train),
                Some((geometry, bias)) => {
                    layer.forward(&xs, Mask::Bias(&geometry.at(bias, index, self.layers.len())), train)
                }
            };
        }
        xs
    }
}
