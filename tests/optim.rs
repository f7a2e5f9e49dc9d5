//! The optimisers against PyTorch's, their parts, clipping and saved state.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use rsic::train::Optimizer;
use rsic::train::{OptimizerConfig, OptimizerKind, PartConfig};
use serde_json::Value;
use tch::{Kind, Tensor};

const SHAPE: [i64; 2] = [8, 6];
const COUNT: i64 = 48;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optim.json")).unwrap()
}

/// The formulas of `golden/optim.py`.
fn start() -> Tensor {
    Tensor::from_slice(&(0..COUNT).map(|i| ((i * 53 % 97 + 16) as f64 / 64.0) as f32).collect::<Vec<_>>()).view(SHAPE)
}

fn gradient(step: i64) -> Tensor {
    let element = |i: i64| {
        let whole = (step * 37 + i * 101 + step * i * 7) % 2003 - 1001;
        (whole as f64 / 512.0 * 2f64.powi((i % 7 - 5) as i32)) as f32
    };
    Tensor::from_slice(&(0..COUNT).map(element).collect::<Vec<_>>()).view(SHAPE)
}

/// Makes `value`'s gradient the given one.
fn feed(value: &Tensor, gradient: &Tensor) {
    (value * gradient).sum(Kind::Float).backward();
}

fn config(case: &Value) -> OptimizerConfig {
    let number = |key: &str, default: f64| case[key].as_f64().unwrap_or(default);
    let usual = OptimizerConfig::default();
    OptimizerConfig {
        kind: if case["kind"] == "radam" { OptimizerKind::Radam } else { OptimizerKind::Adam },
        lr: number("lr", usual.lr),
        betas: serde_json::from_value(case["betas"].clone()).unwrap_or(usual.betas),
        eps: number("eps", usual.eps),
        weight_decay: number("weight_decay", usual.weight_decay),
        momentum: usual.momentum,
    }
}

fn optimizer(values: &[(&str, &Tensor)], config: &OptimizerConfig, parts: &[PartConfig]) -> Optimizer {
    let variables = values.iter().map(|(name, value)| ((*name).to_owned(), value.shallow_clone())).collect();
    Optimizer::new(variables, config, parts).unwrap()
}

fn part(prefix: &str) -> PartConfig {
    PartConfig { prefix: prefix.into(), lr_scale: 1.0, freeze: false, decay: true, clip_value: None }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().contiguous().flatten(0, -1)).unwrap()
}

/// Both ways of computing a step: fused over a contiguous parameter, and by tensor operations (another memory order).
#[test]
fn adam_and_radam_equal_pytorch_within_a_millionth_over_100_steps() {
    let golden = golden();
    let mut worst = 0f64;
    for (name, case) in golden["cases"].as_object().unwrap() {
        for transposed in [false, true] {
            let value = if transposed { start().tr().contiguous().tr() } else { start() }.set_requires_grad(true);
            assert_eq!(value.is_contiguous(), !transposed);
            let mut optimizer = optimizer(&[("w", &value)], &config(case), &[]);
            for step in 1..=100 {
                optimizer.zero_grad();
                feed(&value, &gradient(step));
                optimizer.step();
                let Some(expected) = case["parameter"].get(step.to_string()) else { continue };
                for (found, expected) in numbers(&value).into_iter().zip(expected.as_array().unwrap()) {
                    let expected = expected.as_f64().unwrap();
                    let error = (f64::from(found) - expected).abs() / expected.abs().max(1e-2);
                    worst = worst.max(error);
                    assert!(error < 1e-6, "{name}, step {step}: {found} is not {expected}");
                }
            }
        }
    }
    eprintln!("largest relative difference: {worst:.2e}");
}

/// Parameters in another memory order go through the operations on many tensors that a GPU's go through.
#[test]
fn steps_of_many_parameters_at_a_time_are_those_of_each_alone() {
    for kind in [OptimizerKind::Adam, OptimizerKind::Adamw, OptimizerKind::Radam, OptimizerKind::Sgd] {
        let config = OptimizerConfig { kind, lr: 0.02, weight_decay: 0.1, momentum: 0.9, ..OptimizerConfig::default() };
        let parts = [PartConfig { lr_scale: 0.5, ..part("b") }];
        let run = |transposed: bool| -> Vec<f32> {
            let value = || if transposed { start().tr().contiguous().tr() } else { start() };
            let values: Vec<Tensor> = (0..4).map(|_| value().set_requires_grad(true)).collect();
            let named: Vec<(&str, &Tensor)> = ["a", "b", "c", "d"].into_iter().zip(&values).collect();
            let mut optimizer = optimizer(&named, &config, &parts);
            for step in 1..=8 {
                optimizer.zero_grad();
                // The last one has a gradient in some steps only.
                for (index, value) in values.iter().take(if step % 3 == 0 { 4 } else { 3 }).enumerate() {
                    feed(value, &(gradient(step) * (index as f64 + 1.0)));
                }
                optimizer.scale_gradients(0.5);
                optimizer.step();
            }
            values.iter().flat_map(numbers).collect()
        };
        for (alone, together) in run(false).into_iter().zip(run(true)) {
            assert!((alone - together).abs() <= 2e-6 * alone.abs().max(0.1), "{kind:?}: {together} is not {alone}");
        }
    }
}

/// 60 steps at a stretch, against 30, a saved state, and 30 with what it restored.
#[test]
fn a_restored_optimiser_goes_on_bit_for_bit() {
    for kind in [OptimizerKind::Adam, OptimizerKind::Radam] {
        let config = OptimizerConfig { kind, lr: 1e-2, ..OptimizerConfig::default() };
        let run = |optimizer: &mut Optimizer, value: &Tensor, steps: std::ops::RangeInclusive<i64>| {
            for step in steps {
                optimizer.zero_grad();
                feed(value, &gradient(step));
                optimizer.step();
            }
        };
        let whole = start().set_requires_grad(true);
        run(&mut optimizer(&[("w", &whole)], &config, &[]), &whole, 1..=60);
        let cut = start().set_requires_grad(true);
        let mut first = optimizer(&[("w", &cut)], &config, &[]);
        run(&mut first, &cut, 1..=30);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("optimizer.safetensors");
        Tensor::write_safetensors(&first.state(), &file).unwrap();
        let continued = cut.detach().copy().set_requires_grad(true);
        let mut second = optimizer(&[("w", &continued)], &config, &[]);
        second.restore(&Tensor::read_safetensors(&file).unwrap()).unwrap();
        run(&mut second, &continued, 31..=60);
        assert_eq!(numbers(&whole), numbers(&continued));
    }
}

#[test]
fn a_state_of_another_model_is_refused_by_name() {
    let small = Tensor::zeros([2], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
    let large = Tensor::zeros([3], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
    let config = OptimizerConfig::default();
    let state = optimizer(&[("w", &small)], &config, &[]).state();
    let refused = |values: &[(&str, &Tensor)]| optimizer(values, &config, &[]).restore(&state).unwrap_err().to_string();
    assert!(refused(&[("w", &large)]).contains("'m.w' has shape [2], the model needs [3]"));
    assert!(refused(&[("x", &small)]).contains("lacks 'm.x'"));
}

#[test]
fn parts_scale_freeze_and_keep_their_rate() {
    let names = ["a", "b.w", "c", "d"];
    let values: Vec<Tensor> = names.iter().map(|_| start().set_requires_grad(true)).collect();
    let parts = [
        PartConfig { lr_scale: 0.1, ..part("b") },
        PartConfig { freeze: true, ..part("c") },
        PartConfig { decay: false, ..part("d") },
    ];
    let config = OptimizerConfig { lr: 0.5, ..OptimizerConfig::default() };
    let named: Vec<(&str, &Tensor)> = names.iter().copied().zip(&values).collect();
    let mut optimizer = optimizer(&named, &config, &parts);
    optimizer.lr = 0.25; // what a schedule does
    assert!(!values[2].requires_grad(), "a frozen part costs no backward pass");
    for value in &values {
        if value.requires_grad() {
            feed(value, &(gradient(1).sign() + 0.5));
        }
    }
    optimizer.step();
    // The first step of Adam is the rate itself, against the gradient's sign.
    let moved = |value: &Tensor| f64::try_from((value.detach() - start()).abs().mean(Kind::Float)).unwrap();
    for (value, expected) in values.iter().zip([0.25, 0.025, 0.0, 0.5]) {
        assert!((moved(value) - expected).abs() < 1e-6, "{} is not {expected}", moved(value));
    }
    let none = Optimizer::new(
        vec![("a".into(), values[0].shallow_clone())],
        &config,
        &[PartConfig { freeze: true, ..part("a") }],
    );
    assert!(none.unwrap_err().to_string().contains("check train.parts"));
}

#[test]
fn clipping_clamps_by_part_and_then_bounds_the_common_norm() {
    let (a, b) = (start().set_requires_grad(true), start().set_requires_grad(true));
    let parts = [PartConfig { clip_value: Some(0.25), ..part("b") }];
    let mut optimizer = optimizer(&[("a", &a), ("b", &b)], &OptimizerConfig::default(), &parts);
    feed(&a, &(gradient(3) * 100));
    feed(&b, &(gradient(3) * 100));
    let largest = |value: &Tensor| value.grad().abs().max().double_value(&[]);
    optimizer.clip_value(None);
    assert!(largest(&a) > 5.0, "no limit for all");
    assert_eq!(largest(&b), 0.25);
    optimizer.clip_value(Some(5.0));
    assert_eq!((largest(&a), largest(&b)), (5.0, 0.25));
    let norm = (a.grad().square() + b.grad().square()).sum(Kind::Double).sqrt().double_value(&[]);
    assert!((optimizer.clip_norm(1.0).double_value(&[]) - norm).abs() < 1e-3 * norm);
    let norm = (a.grad().square() + b.grad().square()).sum(Kind::Double).sqrt().double_value(&[]);
    assert!((norm - 1.0).abs() < 1e-5);
    assert!(optimizer.clip_norm(2.0).double_value(&[]) < 1.00001, "a smaller norm stays");
}

/// Three steps on `sum(w^2 (1, 2)) / 2` from (1, -2).
fn three_steps(config: &OptimizerConfig, restored_after: Option<i64>) -> Vec<f32> {
    let w = Tensor::from_slice(&[1.0f32, -2.0]).set_requires_grad(true);
    let mut steps = optimizer(&[("w", &w)], config, &[]);
    for step in 0..3 {
        if restored_after == Some(step) {
            let state: Vec<_> = steps.state().iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
            steps = optimizer(&[("w", &w)], config, &[]);
            steps.restore(&state).unwrap();
        }
        steps.zero_grad();
        ((&w * &w * Tensor::from_slice(&[1.0f32, 2.0])).sum(Kind::Float) / 2.0).backward();
        steps.step();
    }
    numbers(&w)
}

/// The numbers are those of torch.optim.SGD, Adam and AdamW of PyTorch 2.11.
#[test]
fn steps_with_momentum_and_decay_equal_pytorch_and_survive_being_saved() {
    for (kind, expected) in [
        (OptimizerKind::Sgd, [0.439_648_99, -0.048_638_08]),
        (OptimizerKind::Adam, [0.701_586_25, -1.700_623_39]),
        (OptimizerKind::Adamw, [0.675_101_28, -1.644_368_65]),
    ] {
        let config = OptimizerConfig { kind, lr: 0.1, momentum: 0.9, weight_decay: 0.1, ..OptimizerConfig::default() };
        let found = three_steps(&config, None);
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{kind:?}: {found} is not {expected}");
        }
        assert_eq!(three_steps(&config, Some(2)), found, "{kind:?}");
    }
}
