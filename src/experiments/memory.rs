//! How much of a GPU's memory a training takes, roughly.

use crate::experiment::Experiment;

/// MiB of tensors at most, in any case and for each example of a batch. Counted by the simulated device of `tests/gpu`
/// with the published sizes, at two batch sizes and more.
struct Counted {
    model: &'static str,
    /// Whether the encoder is trained with the model.
    tuned: bool,
    always: usize,
    example: usize,
}

const COUNTED: [Counted; 4] = [
    Counted { model: "fe_lws", tuned: false, always: 40, example: 1 },
    Counted { model: "jtts", tuned: false, always: 800, example: 5 },
    Counted { model: "cssa", tuned: false, always: 400, example: 18 },
    Counted { model: "s2cpnet", tuned: true, always: 1140, example: 171 },
];

/// What frozen encoders take at most while they make features, before the training.
const FEATURES: usize = 1200;

/// MiB of a GPU that the tensors of a training take at most; `None` for models, or encoders trained with them, for
/// which it has not been counted.
pub fn training_mib(experiment: &Experiment) -> Option<usize> {
    let tuned = experiment.encoders.iter().any(|encoder| encoder.tune.is_some());
    let counted = COUNTED.iter().find(|counted| counted.model == experiment.model.key() && counted.tuned == tuned)?;
    let stages = [Some(&experiment.train), experiment.first_stage.as_ref()];
    let batch = stages.into_iter().flatten().map(|stage| stage.batch_size).max()?;
    let training = counted.always.saturating_add(counted.example.saturating_mul(batch));
    Some(if tuned { training } else { training.max(FEATURES) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment;
    use std::path::Path;

    #[test]
    fn every_published_training_fits_a_card_of_24_gib_and_grows_with_the_batch() {
        for model in ["fe_lws", "jtts", "cssa", "s2cpnet"] {
            let path = format!("{}/experiments/{model}/ucm.yaml", env!("CARGO_MANIFEST_DIR"));
            let mib = |batch: Option<usize>| {
                let overrides: Vec<String> = batch.map(|size| format!("train.batch_size={size}")).into_iter().collect();
                training_mib(&experiment::load(Path::new(&path), &overrides).unwrap().experiment).unwrap()
            };
            assert!((512..22 * 1024).contains(&mib(None)), "{model}: {}", mib(None));
            assert!(mib(None) < mib(Some(4000)));
        }
    }
}
