//! What a model computes for one image and one caption, counted.
//!
//! Convention: only matrix products and convolutions count, as most counters have it; sums, activations, normalisation
//! and softmax are left out. A multiply-add is two floating-point operations.

use super::encoders::{self, EncoderConfig};
use super::{FeatureKind, Inputs, ModelConfig};
use crate::data::batch::{Batch, NounBatch, PackedCaptions};
use crate::data::{Dataset, END, START, Split};
use anyhow::Result;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// `cost.cpp`.
mod shim {
    unsafe extern "C" {
        pub(super) safe fn rsic_count_begin() -> u64;
        pub(super) safe fn rsic_count_end(handle: u64) -> u64;
    }
}

/// Multiply-adds of the matrix products and convolutions that `work` asks LibTorch for, in this thread.
pub fn multiply_adds(work: impl FnOnce()) -> u64 {
    struct End(u64);
    impl Drop for End {
        fn drop(&mut self) {
            shim::rsic_count_end(self.0);
        }
    }
    let counting = End(shim::rsic_count_begin()); // ends also when `work` panics
    work();
    let handle = counting.0;
    std::mem::forget(counting);
    shim::rsic_count_end(handle)
}

/// The features that encoders give of a blank image (and of its mask picture, where the model looks at one), and the
/// multiply-adds of making them.
///
/// Errors: an unknown encoder.
pub fn encoders(model: &ModelConfig, encoders: &[EncoderConfig]) -> Result<(Vec<Tensor>, u64)> {
    let (mut features, mut products) = (Vec::new(), 0);
    for encoder in encoders {
        let spec = encoders::spec::find(&encoder.name)?;
        let store = VarStore::new(Device::Cpu);
        let network = spec.network(&store.root(), None);
        let side = i64::from(encoder.image_size);
        let images = Tensor::zeros([1, 3, side, side], (Kind::Float, Device::Cpu));
        let mut grid = Tensor::new();
        products += multiply_adds(|| grid = tch::no_grad(|| network.grid(&images, false)));
        features.push(match model.features() {
            FeatureKind::Pooled => encoders::layers::pool(&grid),
            FeatureKind::Grid => grid,
        });
    }
    if model.masks().is_some() {
        products *= 2;
        features.extend(features.iter().map(Tensor::shallow_clone).collect::<Vec<_>>());
    }
    Ok((features, products))
}

/// Multiply-adds of what the captioning stage computes in its forward pass from the features of one image (a row of
/// each encoder) and a caption of so many words, which are given.
pub fn captioner(config: &ModelConfig, inputs: &Inputs, features: Vec<Tensor>, words: usize) -> u64 {
    let store = VarStore::new(Device::Cpu);
    let model = config.build(&store.root(), inputs);
    let batch = batch(config, inputs, features, words);
    multiply_adds(|| drop(model.losses(&batch, false)))
}

/// Words of the training captions, on average.
pub fn mean_words(dataset: &Dataset) -> usize {
    let train = dataset.images.iter().filter(|image| image.split == Split::Train);
    let (count, words) = train
        .flat_map(|image| &image.captions)
        .fold((0, 0), |(count, words), caption| (count + 1, words + caption.words.len()));
    (words as f64 / f64::from(count.max(1))).round() as usize
}

/// One image with one caption; three nouns where the model predicts nouns.
fn batch(model: &ModelConfig, inputs: &Inputs, features: Vec<Tensor>, words: usize) -> Batch {
    let caption = |words: usize| -> Vec<i64> {
        let word = inputs.vocabulary - 1;
        std::iter::once(START).chain(std::iter::repeat_n(word, words)).chain([END]).collect()
    };
    let row = || Tensor::zeros([1], (Kind::Int64, Device::Cpu));
    let nouns =
        model.nouns().map(|_| NounBatch { words: PackedCaptions::new(&[&caption(3)], Device::Cpu), image_rows: row() });
    let attributes = model.attributes().map(|_| Tensor::ones([1, inputs.attributes], (Kind::Float, Device::Cpu)));
    Batch {
        captions: PackedCaptions::new(&[&caption(words)], Device::Cpu),
        image_rows: row(),
        features,
        attributes,
        augmented: None,
        nouns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::rand(shape, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn products_and_convolutions_count_once_and_nothing_else_does() {
        let linear = multiply_adds(|| drop(random(&[5, 7]).linear(&random(&[3, 7]), Some(&random(&[3])))));
        assert_eq!(linear, 5 * 7 * 3);
        assert_eq!(multiply_adds(|| drop(random(&[2, 4, 5]).matmul(&random(&[2, 5, 6])))), 2 * 4 * 5 * 6);
        assert_eq!(multiply_adds(|| drop(random(&[4, 5]).matmul(&random(&[5])))), 4 * 5);
        assert_eq!(multiply_adds(|| drop(random(&[4, 5]).relu().softmax(-1, Kind::Float) + 1.0)), 0);
        let (images, weight) = (random(&[2, 6, 9, 9]), random(&[8, 3, 3, 3]));
        let convolve = || drop(images.conv2d(&weight, None::<&Tensor>, [2, 2], [1, 1], [1, 1], 2));
        assert_eq!(multiply_adds(convolve), 2 * 8 * 5 * 5 * (3 * 3 * 3), "groups");
        drop(random(&[2, 2]).matmul(&random(&[2, 2])));
        assert_eq!(multiply_adds(|| ()), 0, "what is not asked for is not counted");
    }

    /// torchvision's documentation gives 4.09 and 15.47 GFLOPS, by which it means multiply-adds, the head included: 2.0
    /// and 123.6 million.
    #[test]
    fn encoders_cost_what_torchvision_says() {
        for (name, expected) in [("resnet50", 4.09e9 - 2.0e6), ("vgg16", 15.47e9 - 123.6e6)] {
            let store = VarStore::new(Device::Cpu);
            let network = encoders::spec::find(name).unwrap().network(&store.root(), None);
            let counted = multiply_adds(|| drop(tch::no_grad(|| network.grid(&random(&[1, 3, 224, 224]), false))));
            assert!((counted as f64 / expected - 1.0).abs() < 0.002, "{name}: {counted}");
        }
    }
}
