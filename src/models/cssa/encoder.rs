//! The image encoder: projected grid features through the DG-former.

use super::config::Config;
use super::geometry::DynamicGeometry;
use crate::models::layers::transformer::{EncoderLayer, Sizes};
use crate::models::layers::{Mask, dense, dropout, linear};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

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
        let xs = self.cells(features, train);
        self.through(self.grid(features), xs, |layer, xs, mask| layer.forward(xs, mask, train))
    }

    /// How much the cells of one image look at each of them, the mean over cells and heads of every layer, `[L, H, W]`
    /// (Fig. 4).
    pub(super) fn looks(&self, features: &[Tensor]) -> Tensor {
        let grid @ (height, width) = self.grid(features);
        let mut looks = Vec::with_capacity(self.layers.len());
        let _ = self.through(grid, self.cells(features, false), |layer, xs, mask| {
            let (look, xs) = layer.looks(xs, mask);
            looks.push(look.mean_dim([0i64].as_slice(), false, Kind::Float).view([height, width]));
            xs
        });
        Tensor::stack(&looks, 0)
    }

    /// The projected features, `[I, S, D]`.
    fn cells(&self, features: &[Tensor], train: bool) -> Tensor {
        let (height, width) = self.grid(features);
        let pooled = features.iter().map(|map| match map.size()[2..] == [height, width] {
            true => map.shallow_clone(),
            false => map.adaptive_avg_pool2d([height, width]),
        });
        let cells = Tensor::cat(&pooled.collect::<Vec<_>>(), 1).flatten(2, 3).transpose(1, 2);
        // As rows of a matrix, which the product takes as they are.
        let xs = dense(&cells.contiguous(), &self.project.ws, self.project.bs.as_ref());
        match &self.norm {
            Some(norm) => norm.forward(&dropout(&xs.relu(), self.dropout, train)),
            None => xs,
        }
    }

    /// Layer by layer, each with its geometry bias.
    fn through(
        &self,
        grid: (i64, i64),
        mut xs: Tensor,
        mut step: impl FnMut(&EncoderLayer, &Tensor, Mask) -> Tensor,
    ) -> Tensor {
        let bias = self.geometry.as_ref().map(|geometry| (geometry, geometry.bias(grid)));
        for (index, layer) in self.layers.iter().enumerate() {
            xs = match &bias {
                None => step(layer, &xs, Mask::None),
                Some((geometry, bias)) => step(layer, &xs, Mask::Bias(&geometry.at(bias, index, self.layers.len()))),
            };
        }
        xs
    }
}
