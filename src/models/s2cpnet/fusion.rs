//! From features of image and mask to the memory that the decoders look at.

use super::config::{Config, Fusion, SpatialPool};
use super::enhance::{Semantic, Spatial, on_places};
use super::init;
use super::unit::CrossUnit;
use crate::runtime::libtorch::upload;
use tch::nn::{self, Module, ModuleT};
use tch::{Kind, Tensor};

/// A residual block of convolutions and the norm after it: how the outputs of one unit join those of the units before.
///
/// Deviation: the paper has a 3x3 convolution with batch normalisation; the bottleneck of 1x1 convolutions around it,
/// the residual sum and the layer norm are the program's, also in the preset `paper`.
#[derive(Debug)]
struct Aggregation {
    convs: [nn::Conv2D; 3],
    norms: [nn::BatchNorm; 3],
    norm: nn::LayerNorm,
}

impl Aggregation {
    fn new(path: &nn::Path, unit: usize, width: i64) -> Self {
        let left = path / "resblock" / unit / "left";
        let half = width / 2;
        let sizes = [(width, half, 1), (half, half, 3), (half, width, 1)];
        let at = |index: usize| 3 * index; // convolution, norm, ReLU
        let ones = nn::BatchNormConfig { ws_init: nn::Init::Const(1.0), ..Default::default() };
        Self {
            convs: [0, 1, 2].map(|i| init::conv(&left / at(i), sizes[i].0, sizes[i].1, sizes[i].2)),
            norms: [0, 1, 2].map(|i| nn::batch_norm2d(&left / (at(i) + 1), sizes[i].1, ones)),
            norm: nn::layer_norm(path / "LN" / unit, vec![width], Default::default()),
        }
    }

    /// `[I, P, D]` -> `[I, P, D]`; the places are a square grid, row by row.
    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let size = xs.size();
        let side = (size[1] as f64).sqrt().round() as i64;
        let grid = xs.transpose(1, 2).reshape([size[0], size[2], side, side]);
        let mut left = grid.shallow_clone();
        for (index, (conv, norm)) in self.convs.iter().zip(&self.norms).enumerate() {
            left = norm.forward_t(&conv.forward(&left), train);
            if index < 2 {
                left = left.relu_();
            }
        }
        self.norm.forward(&(left + grid).relu().flatten(2, 3).transpose(1, 2))
    }
}

/// Enhancement, projection, positions and fusion.
///
/// Deviation: the paper gives the image view 2048 channels and the mask view 512; both are projected to one width here,
/// as in the program, for the fusion adds them.
#[derive(Debug)]
pub struct Encoder {
    semantic: Option<Semantic>,
    spatial: Option<Spatial>,
    pool: SpatialPool,
    projections: [Option<nn::Conv2D>; 2],
    /// Positions along a row, and down a column, of the grid.
    columns: nn::Embedding,
    rows: nn::Embedding,
    units: Vec<CrossUnit>,
    aggregations: Vec<Aggregation>,
    fusion: Fusion,
    grid: i64,
}

/// What lies between features and memory, for comparison with other programs.
#[derive(Debug, Default)]
pub struct Stages {
    /// Outputs of each unit, both views, `[I, P, D]`.
    pub units: Vec<(Tensor, Tensor)>,
    /// The memory after each unit, `[I, P, 2D]`.
    pub aggregations: Vec<Tensor>,
}

impl Encoder {
    pub(super) fn new(path: &nn::Path, config: &Config, channels: i64) -> Self {
        let (width, heads, grid) = (config.width as i64, config.heads as i64, config.grid as i64);
        let masks = config.uses_masks();
        let feat = path / "encoder_feat";
        let units = if config.fusion == Fusion::Cvff { config.units } else { 0 };
        let unit = |i| CrossUnit::new(&(&feat / "transformer" / i), width, heads, config.dropout, config.unit());
        let encoder = Self {
            semantic: config.semantic.then(|| Semantic::new(&(path / "sem_enhance"), channels)),
            spatial: (config.spatial && masks)
                .then(|| Spatial::new(&(path / "spatial_enhance"), channels, config.alpha_init())),
            pool: config.spatial_pool(),
            projections: [
                Some(init::conv(&feat / "projection1", channels, width, 1)),
                masks.then(|| init::conv(&feat / "projection2", channels, width, 1)),
            ],
            columns: init::table(&feat / "w_embedding", grid, width / 2),
            rows: init::table(&feat / "h_embedding", grid, width / 2),
            units: (0..units).map(unit).collect(),
            aggregations: (0..units).map(|i| Aggregation::new(&feat, i, 2 * width)).collect(),
            fusion: config.fusion,
            grid,
        };
        if config.freeze_enhancement() {
            encoder.semantic.iter().for_each(Semantic::freeze);
            encoder.spatial.iter().for_each(Spatial::freeze);
        }
        encoder
    }

    /// Features of image and mask, `[I, C, H, W]` each -> memory `[I, P, M]`.
    pub(super) fn forward(&self, features: &[Tensor], train: bool) -> Tensor {
        self.stages(features, train, None)
    }

    /// [`Self::forward`], keeping what lies between where it is asked for.
    pub fn stages(&self, features: &[Tensor], train: bool, mut stages: Option<&mut Stages>) -> Tensor {
        let views: Vec<Tensor> = features.iter().zip(0..).map(|(view, index)| self.view(view, index)).collect();
        let [x1, x2] = match views.as_slice() {
            [x1, x2, ..] if self.fusion != Fusion::Image => [x1.shallow_clone(), x2.shallow_clone()],
            [x1, ..] => return x1.shallow_clone(),
            [] => return Tensor::new(),
        };
        match self.fusion {
            Fusion::Image => return x1,
            Fusion::Add => return x1 + x2,
            Fusion::Concat => return Tensor::cat(&[x1, x2], -1),
            Fusion::Cvff => {}
        }
        let (mut x1, mut x2) = (x1, x2);
        let mut memory: Option<Tensor> = None;
        for (unit, aggregation) in self.units.iter().zip(&self.aggregations) {
            (x1, x2) = unit.forward(&x1, &x2, train);
            let both = Tensor::cat(&[&x1, &x2], -1);
            let next =
                aggregation.forward(&memory.map_or_else(|| both.shallow_clone(), |memory| memory + &both), train);
            if let Some(stages) = stages.as_deref_mut() {
                stages.units.push((x1.shallow_clone(), x2.shallow_clone()));
                stages.aggregations.push(next.shallow_clone());
            }
            memory = Some(next);
        }
        memory.unwrap_or_else(|| Tensor::cat(&[x1, x2], -1))
    }

    /// Enhanced, projected and placed: `[I, C, H, W]` -> `[I, P, D]`. View 0 is the image, 1 the mask.
    fn view(&self, features: &Tensor, index: usize) -> Tensor {
        let (enhanced, repeats) = self.enhance(features, index);
        let projection = self.projections.get(index).and_then(Option::as_ref);
        let projected = projection.map_or_else(|| enhanced.shallow_clone(), |conv| on_places(conv, &enhanced));
        self.repeat(&projected, repeats) + self.positions()
    }

    /// The enhanced features of a view, on every place of the grid, `[I, P, C]`.
    pub fn enhanced(&self, features: &Tensor, index: usize) -> Tensor {
        let (enhanced, repeats) = self.enhance(features, index);
        self.repeat(&enhanced, repeats)
    }

    /// Enhanced features on the grid, or on a coarser one whose places come so many times, along rows and columns, in
    /// it.
    ///
    /// What an enlarged map repeats is computed once: everything up to the positions works place by place, or on means
    /// that repeating does not change.
    fn enhance(&self, features: &Tensor, index: usize) -> (Tensor, Option<[i64; 2]>) {
        let (height, width) = (features.size()[2], features.size()[3]);
        let enlarged = self.grid % height == 0 && self.grid % width == 0;
        let half = self.grid / 2;
        let repeats = enlarged.then_some([height, width]);
        let pooled =
            if enlarged { features.shallow_clone() } else { features.adaptive_avg_pool2d([self.grid, self.grid]) };
        let places = |grid: &Tensor| grid.flatten(2, 3).transpose(1, 2);
        let xs = places(&pooled);
        let xs = match (index, &self.semantic, &self.spatial) {
            (0, Some(semantic), _) => semantic.forward(&xs),
            (1, _, Some(spatial)) => match self.pool {
                SpatialPool::Global => {
                    let mean = xs.mean_dim([1i64].as_slice(), true, None::<Kind>);
                    spatial.forward(&xs, Some(&mean))
                }
                SpatialPool::Halved if half % height == 0 && half % width == 0 => spatial.forward(&xs, None),
                SpatialPool::Halved => {
                    let full = features.adaptive_avg_pool2d([self.grid, self.grid]);
                    let low = full.adaptive_avg_pool2d([half, half]);
                    let low = low.upsample_nearest2d([self.grid, self.grid], None, None);
                    return (spatial.forward(&places(&full), Some(&places(&low))), None);
                }
            },
            _ => xs,
        };
        (xs, repeats)
    }

    /// From places of a coarser grid to those of the grid, `[I, P', D]` -> `[I, P, D]`.
    fn repeat(&self, xs: &Tensor, coarse: Option<[i64; 2]>) -> Tensor {
        let Some([height, width]) = coarse.filter(|side| *side != [self.grid; 2]) else { return xs.shallow_clone() };
        let place = |at: i64| (at / self.grid * height / self.grid) * width + at % self.grid * width / self.grid;
        let places: Vec<i64> = (0..self.grid * self.grid).map(place).collect();
        xs.index_select(1, &upload(&places, xs.device()))
    }

    /// `[P, D]`: the column's vector, then the row's, of every place, row by row.
    fn positions(&self) -> Tensor {
        let (columns, rows) = (&self.columns.ws, &self.rows.ws);
        let shape = [self.grid, self.grid, columns.size()[1]];
        let both = [columns.unsqueeze(0).expand(shape, false), rows.unsqueeze(1).expand(shape, false)];
        Tensor::cat(&both, -1).flatten(0, 1)
    }
}
