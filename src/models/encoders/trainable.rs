//! Encoders that are trained, whole or by stage.

use super::{Network, Spec, layers, spec};
use crate::weights::{self, LoadReport, StateDict};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// With which statistics batch normalisation works while a network is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormMode {
    /// With the batch's where its part is trained, with the running ones where its part is frozen.
    #[default]
    Follow,
    /// With the batch's everywhere: the running ones of frozen parts move too (PyTorch's `model.train()`).
    Train,
    /// With the running ones everywhere: they stay as the weight file has them.
    Eval,
}

/// Which stages of an encoder are trained, and how its batch normalisation behaves meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Beginnings of parameter names up to a dot (`layer3`, `features.denseblock4`, `fc`; `features.` may be left
    /// away); the rest is frozen. `None`: everything is trained.
    pub trainable: Option<Vec<String>>,
    pub norms: NormMode,
}

/// An encoder whose parameters live in a `VarStore`, for training it: pre-training on scene classes, or fine-tuning
/// inside a captioning model.
///
/// Frozen parameters ask for no gradient, and the backward pass ends where the last trained stage begins.
///
/// ```no_run
/// # use rsic::{models::encoders::{NormMode, Trainable, Tuning}, weights};
/// # fn main() -> anyhow::Result<()> {
/// let store = tch::nn::VarStore::new(tch::Device::Cpu);
/// let stages = ["layer2", "layer3", "layer4"].map(String::from).to_vec();
/// let tuning = Tuning { trainable: Some(stages), norms: NormMode::Train };
/// let encoder = Trainable::new("resnet101", &store, "encoder", None, &tuning)?;
/// encoder.load(&weights::read("weights/resnet101-63fe2227.pth".as_ref())?)?;
/// # let images = tch::Tensor::zeros([2, 3, 224, 224], (tch::Kind::Float, tch::Device::Cpu));
/// let grid = encoder.grid(&images, true); // [B, 2048, 7, 7]
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Trainable {
    spec: &'static Spec,
    network: Box<dyn Network>,
    /// Its parameters and running statistics by torchvision's names, sorted.
    variables: Vec<(String, Tensor)>,
    device: Device,
    folded: RefCell<Option<Folded>>,
}

/// The network's fastest equal, of parameters as they were.
#[derive(Debug)]
struct Folded {
    age: i64,
    network: Box<dyn Network>,
}

impl Trainable {
    /// The encoder `name` with unset parameters under `prefix` in the store (`""`: at its root), with a classification
    /// head where `classes` says how many.
    ///
    /// Errors: an unknown name, a stage that the encoder does not have.
    pub fn new(name: &str, store: &VarStore, prefix: &str, classes: Option<i64>, tuning: &Tuning) -> Result<Self> {
        let spec = spec::find(name)?;
        let path = prefix.split('.').filter(|part| !part.is_empty()).fold(store.root(), |path, part| path / part);
        let mut network = spec.network(&path, classes);
        let dotted = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        let own = |(name, tensor): (String, Tensor)| Some((name.strip_prefix(&dotted)?.to_owned(), tensor));
        let mut variables: Vec<_> = store.variables().into_iter().filter_map(own).collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(stages) = &tuning.trainable {
            freeze(spec, &variables, stages)?;
        }
        for norm in network.norms() {
            norm.mode = tuning.norms;
        }
        Ok(Self { spec, network, variables, device: store.device(), folded: RefCell::new(None) })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// Parameters and running statistics by torchvision's names, sorted.
    pub fn variables(&self) -> &[(String, Tensor)] {
        &self.variables
    }

    /// Takes the weights of a file, which must hold every tensor with its shape.
    ///
    /// Errors: weights that do not fit.
    pub fn load(&self, dict: &StateDict) -> Result<LoadReport> {
        let report = weights::load_variables(&self.variables, dict);
        super::check(self.spec, dict, &report)?;
        Ok(report)
    }

    /// [`Trainable::load`], but a classification head that the file does not have, or has for another number of
    /// classes, stays as it is. Gives the names of the tensors that stayed.
    pub fn load_but_head(&self, dict: &StateDict) -> Result<Vec<String>> {
        let mut report = weights::load_variables(&self.variables, dict);
        let head = self.spec.head_prefix();
        let mut stayed: Vec<String> = report.missing.extract_if(.., |name| name.starts_with(head)).collect();
        stayed.extend(report.clashing.extract_if(.., |clash| clash.name.starts_with(head)).map(|clash| clash.name));
        super::check(self.spec, dict, &report)?;
        stayed.sort();
        Ok(stayed)
    }

    /// `[B, 3, H, W]` Float, normalised as [`Spec::preprocessing`] says -> feature map `[B, C, h, w]`, with gradient
    /// where something is trained. `train` puts dropout in training mode, and batch normalisation as [`NormMode`] says.
    pub fn grid(&self, images: &Tensor, train: bool) -> Tensor {
        if train {
            self.folded.take(); // it moves running statistics, and needs the memory
        }
        self.network.grid(&self.input(images), train)
    }

    /// [`Trainable::grid`] in evaluation mode, without gradient: by a copy with its normalisation folded into its
    /// convolutions, which is made anew where parameters have changed.
    pub fn evaluate(&self, images: &Tensor) -> Tensor {
        tch::no_grad(|| {
            let age = self.age();
            let mut folded = self.folded.borrow_mut();
            let current = folded.take().filter(|folded| folded.age == age);
            let folded = folded.insert(current.unwrap_or_else(|| Folded { age, network: self.fold() }));
            folded.network.grid(&self.input(images), false)
        })
    }

    fn input(&self, images: &Tensor) -> Tensor {
        layers::channels_last(&images.to_device(self.device))
    }

    /// Grows with each write to a parameter.
    fn age(&self) -> i64 {
        self.variables.iter().map(|(_, variable)| variable.internal_version()).sum()
    }

    fn fold(&self) -> Box<dyn Network> {
        let store = VarStore::new(self.device);
        let mut network = self.spec.network(&store.root(), None);
        let copies = store.variables();
        for (name, variable) in &self.variables {
            if let Some(copy) = copies.get(name) {
                copy.shallow_clone().copy_(variable);
            }
        }
        network.fold(Kind::Float);
        network
    }

    /// Feature map `[B, C, h, w]` -> class scores `[B, classes]`; `None` where it was built without a head.
    pub fn logits(&self, grid: &Tensor, train: bool) -> Option<Tensor> {
        self.network.logits(grid, train)
    }
}

/// Lets only the named stages ask for gradients.
fn freeze(spec: &Spec, variables: &[(String, Tensor)], stages: &[String]) -> Result<()> {
    let below = |name: &str, stage: &str| {
        let inside = |name: &str| name.strip_prefix(stage).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        inside(name) || name.strip_prefix("features.").is_some_and(inside)
    };
    if let Some(stage) = stages.iter().find(|stage| !variables.iter().any(|(name, _)| below(name, stage))) {
        let stages: BTreeSet<&str> = variables.iter().map(|(name, _)| stage_of(name)).collect();
        let list: Vec<&str> = stages.into_iter().collect();
        bail!("{} has no stage '{stage}'; stages: {}", spec.name, list.join(", "));
    }
    for (name, variable) in variables {
        if variable.requires_grad() && !stages.iter().any(|stage| below(name, stage)) {
            let _ = variable.set_requires_grad(false);
        }
    }
    Ok(())
}

/// `layer3` of `layer3.0.conv1.weight`, `denseblock4` of `features.denseblock4...`.
fn stage_of(name: &str) -> &str {
    let name = name.strip_prefix("features.").unwrap_or(name);
    name.split('.').next().unwrap_or(name)
}
