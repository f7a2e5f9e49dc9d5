//! Segment Anything against the packages it comes from: `tests/golden/sam.py`, `tests/golden/sam_mobile.py`.
#![allow(clippy::unwrap_used)]

use anyhow::Result;
use image::{Rgb, RgbImage};
use rsic::data::masks::Rle;
use rsic::models::sam::{
    Candidates, Config, DecoderConfig, EncoderConfig, Frame, GeneratorRules, Predictor, Prompt, Sam, TinyVitConfig,
    VitConfig, generate,
};
use rsic::util::fs::sha256;
use rsic::weights::{Format, StateDict, random_values};
use serde_json::Value;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/sam.json")).unwrap()
}

fn golden_mobile() -> Value {
    serde_json::from_str(include_str!("golden/sam_mobile.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// Values by the formula of the weights' module, at the scales that the golden script has.
fn parameter(name: &str, shape: &[i64]) -> Tensor {
    let inner: i64 = shape.iter().skip(1).product();
    let (centre, scale) = match (shape.len(), name.ends_with("weight")) {
        _ if name.ends_with("running_var") => (1.0, 0.25),
        (2.., _) => (0.0, (6.0 / inner as f64).sqrt()),
        (_, true) => (1.0, 0.1),
        _ => (0.0, 0.1),
    };
    let count = shape.iter().product::<i64>() as usize;
    let values: Vec<f64> =
        random_values(name, count).into_iter().map(|unit| centre + scale * f64::from(unit)).collect();
    Tensor::from_slice(&values).to_kind(Kind::Float).view(shape)
}

/// A file's content with the tensors of a model of these sizes.
fn seeded(config: &Config) -> StateDict {
    let shapes = Sam::new(config.clone(), Device::Cpu).unwrap().variables();
    let tensors: BTreeMap<String, Tensor> =
        shapes.into_iter().map(|(name, shape)| (name.clone(), parameter(&name, &shape.size()))).collect();
    StateDict { path: "seeded.pth".into(), format: Format::TorchZip, tensors }
}

fn integers<const N: usize>(value: &Value) -> [i64; N] {
    value.as_array().unwrap().iter().map(integer).collect::<Vec<_>>().try_into().unwrap()
}

fn small(model: &Value) -> Config {
    let blocks: Vec<i64> = model["blocks"].as_array().unwrap().iter().map(integer).collect();
    let encoder = EncoderConfig::Vit(VitConfig {
        patch: 8,
        width: 48,
        heads: 3,
        mlp: 96,
        window: integer(&model["window"]),
        global: (0..3).map(|block| blocks.contains(&block)).collect(),
        reach: integer(&model["reach"]),
    });
    Config { image_size: integer(&model["image_size"]), channels: 64, encoder, decoder: small_decoder(32) }
}

fn small_decoder(inner: i64) -> DecoderConfig {
    DecoderConfig { mlp: 96, inner, iou_width: 40, mask_channels: 8, ..DecoderConfig::default() }
}

fn small_mobile(model: &Value) -> Config {
    let encoder = EncoderConfig::TinyVit(TinyVitConfig {
        widths: integers(&model["widths"]),
        depths: integers(&model["depths"]),
        heads: integers(&model["heads"]),
        windows: integers(&model["windows"]),
        expansion: 4,
        classes: 9,
    });
    Config { image_size: integer(&model["image_size"]), channels: 256, encoder, decoder: small_decoder(128) }
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * 7 + y * 13) as u8]))
}

/// The greatest difference, as part of the greatest value.
fn difference(found: &Tensor, step: i64, expected: &Value) -> f64 {
    let found: Vec<f64> = found.flatten(0, -1).slice(0, None, None, step).to_kind(Kind::Double).try_into().unwrap();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    found.iter().zip(&expected).fold(0.0f64, |most, (a, b)| most.max((a - b).abs())) / largest
}

#[test]
fn the_published_sizes_have_the_names_and_shapes_of_the_packages() {
    let hash = |name: &str| golden()["published"][name].as_str().unwrap().to_owned();
    for (name, config, expected) in [
        ("vit_b", Config::vit_b(), hash("vit_b")),
        ("vit_l", Config::vit_l(), hash("vit_l")),
        ("vit_h", Config::vit_h(), hash("vit_h")),
        ("mobile_sam", Config::mobile(), golden_mobile()["published"].as_str().unwrap().to_owned()),
    ] {
        let variables = Sam::new(config.clone(), Device::Cpu).unwrap().variables();
        let shape = |tensor: &Tensor| tensor.size().iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        let mut lines: Vec<String> =
            variables.iter().map(|(name, tensor)| format!("{name} {}\n", shape(tensor))).collect();
        lines.sort();
        assert_eq!(sha256(lines.concat().as_bytes()), expected, "{name}");
        // What a file's shapes say is what the model was made from.
        let tensors = variables.into_iter().collect();
        let dict = StateDict { path: name.into(), format: Format::TorchZip, tensors };
        assert_eq!(Config::recognise(&dict), Some(config), "{name}");
    }
}

#[test]
fn embeddings_masks_and_their_quality_are_those_of_the_package() {
    for model in golden()["models"].as_array().unwrap() {
        let config = small(model);
        let dict = seeded(&config);
        assert_eq!(Config::recognise(&dict), Some(config.clone()));
        let sam = Sam::of_weights(&dict, Device::Cpu, false).unwrap();
        let (width, height) = (integer(&model["width"]) as u32, integer(&model["height"]) as u32);
        let frame = Frame::new(config.image_size, width, height);
        let embedding = sam.embed(&frame.pixels(&picture(width, height)).unwrap());
        let points: Vec<[f64; 2]> = model["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| frame.point(numbers(point).try_into().unwrap()))
            .collect();
        let answers = sam.ready(&embedding, None).masks(&points, None).unwrap();
        assert_eq!(answers.points, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        let found = [
            ("embedding", difference(&embedding, 11, &model["embedding"])),
            ("iou", difference(&Tensor::from_slice(&answers.ious), 1, &model["iou"])),
            ("logits", difference(&answers.logits, 17, &model["logits"])),
            ("masks", difference(&frame.masks(&answers.logits), 37, &model["masks"])),
        ];
        for (what, difference) in found {
            println!("{} {what}: {difference:.1e}", config.image_size);
            assert!(difference < 1e-3, "{what} differs by {difference}");
        }
        // Masks that are not wanted are left out, and the others are the same.
        let middle = {
            let mut ious = answers.ious.clone();
            ious.sort_by(f32::total_cmp);
            ious[4]
        };
        let better = sam.ready(&embedding, None).masks(&points, Some(middle)).unwrap();
        let kept: Vec<usize> = (0..9).filter(|&mask| answers.ious[mask] > middle).collect();
        assert_eq!(better.points, kept.iter().map(|mask| mask / 3).collect::<Vec<_>>());
        for (row, &mask) in (0..).zip(&kept) {
            let apart = (better.logits.get(row) - answers.logits.get(mask as i64)).abs().max().double_value(&[]);
            assert!(apart < 1e-4, "mask {mask} differs by {apart}");
        }
    }
}

#[test]
fn mobile_sams_embeddings_masks_and_their_quality_are_those_of_its_program() {
    for model in golden_mobile()["models"].as_array().unwrap() {
        let config = small_mobile(model);
        let dict = seeded(&config);
        // What side of image it is for stands in no tensor.
        assert_eq!(Config::recognise(&dict), Some(Config { image_size: 1024, ..config.clone() }));
        let sam = Sam::of_sizes(config.clone(), &dict, Device::Cpu, false).unwrap();
        let (width, height) = (integer(&model["width"]) as u32, integer(&model["height"]) as u32);
        let frame = Frame::new(config.image_size, width, height);
        let pixels = frame.pixels(&picture(width, height)).unwrap();
        let embedding = sam.embed(&pixels);
        let points: Vec<[f64; 2]> =
            model["points"].as_array().unwrap().iter().map(|point| numbers(point).try_into().unwrap()).collect();
        let answers = sam.ready(&embedding, None).masks(&points, None).unwrap();
        let found = [
            ("embedding", difference(&embedding, 97, &model["embedding"])),
            ("iou", difference(&Tensor::from_slice(&answers.ious), 1, &model["iou"])),
            ("logits", difference(&answers.logits, 37, &model["logits"])),
        ];
        for (what, difference) in found {
            println!("{} {what}: {difference:.1e}", config.image_size);
            assert!(difference < 1e-3, "{what} differs by {difference}");
        }
        let half = Sam::of_sizes(config, &dict, Device::Cpu, true).unwrap().embed(&pixels);
        let apart = (&embedding - &half).abs().mean(Kind::Float) / embedding.abs().mean(Kind::Float);
        assert!(apart.double_value(&[]) < 0.1, "{apart:?}");
    }
}

#[test]
fn points_with_labels_boxes_and_masks_are_answered_as_the_package_does() {
    for model in golden()["models"].as_array().unwrap() {
        let config = small(model);
        let sam = Sam::of_weights(&seeded(&config), Device::Cpu, false).unwrap();
        let (width, height) = (integer(&model["width"]) as u32, integer(&model["height"]) as u32);
        let pixels = Frame::new(config.image_size, width, height).pixels(&picture(width, height)).unwrap();
        let embedding = sam.embed(&pixels);
        let drawn = {
            let steps = Tensor::arange(4 * config.grid(), (Kind::Int64, Device::Cpu));
            ((steps.view([-1, 1]) * 5 + steps * 3).remainder(17) - 8).to_kind(Kind::Float)
        };
        for asked in model["prompts"].as_array().unwrap() {
            let place = |value: &Value| -> [f64; 2] { numbers(value).try_into().unwrap() };
            let (places, labels) = (asked["points"].as_array().unwrap(), asked["labels"].as_array().unwrap());
            let prompt = Prompt {
                points: places.iter().map(place).zip(labels.iter().map(|label| integer(label) == 1)).collect(),
                corners: asked["box"].as_array().map(|_| {
                    let [left, top, right, bottom] = numbers(&asked["box"]).try_into().unwrap();
                    [[left, top], [right, bottom]]
                }),
            };
            let mask = asked["mask"].as_bool().unwrap().then_some(&drawn);
            let answer = sam.ready(&embedding, mask).object(&prompt).unwrap();
            let iou = difference(&Tensor::from_slice(&answer.ious), 1, &asked["iou"]);
            let logits = difference(&answer.logits, 17, &asked["logits"]);
            println!("{prompt:?}, mask {}: iou {iou:.1e}, logits {logits:.1e}", mask.is_some());
            assert!(iou < 1e-3 && logits < 1e-3, "{prompt:?}: iou differs by {iou}, logits by {logits}");
        }
    }
}

#[test]
fn bfloat16_stays_near_single_precision() {
    let config = small(&golden()["models"][0]);
    let dict = seeded(&config);
    let pixels = Frame::new(64, 64, 48).pixels(&picture(64, 48)).unwrap();
    let [whole, half] = [false, true].map(|half| Sam::of_weights(&dict, Device::Cpu, half).unwrap().embed(&pixels));
    assert_eq!(half.kind(), Kind::Float);
    let apart = (&whole - &half).abs().mean(Kind::Float) / whole.abs().mean(Kind::Float);
    assert!(apart.double_value(&[]) < 0.05, "{apart:?}");
}

#[test]
fn a_file_of_other_weights_is_refused_by_name() {
    let config = small(&golden()["models"][0]);
    let error = |dict: &StateDict| format!("{:#}", Sam::of_weights(dict, Device::Cpu, false).err().unwrap());
    let mut dict = seeded(&config);
    dict.tensors.remove("mask_decoder.iou_token.weight");
    assert!(error(&dict).contains("mask_decoder.iou_token.weight"), "{}", error(&dict));
    dict.tensors.remove("image_encoder.pos_embed");
    let says = error(&dict);
    assert!(says.contains("seeded.pth") && says.contains("rsic weights fetch sam_vit_b"), "{says}");
}

/// The golden script's `mix`.
fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut h = (a.wrapping_mul(73_856_093) ^ b.wrapping_mul(19_349_663) ^ c.wrapping_mul(83_492_791)) & 0xFFFF_FFFF;
    h ^= h >> 13;
    h = h.wrapping_mul(0x5BD1_E995) & 0xFFFF_FFFF;
    h ^ (h >> 15)
}

/// The golden script's `Drawn`.
struct Drawn {
    frame: Frame,
    origin: [f64; 2],
}

impl Drawn {
    const SIDE: i64 = 256;
    const LOW: u64 = 64;

    fn answer(&self, [x, y]: [f64; 2], m: u64) -> (Vec<f32>, f32) {
        let (width, height) = self.frame.inner();
        let over = self.frame.width as f64 / width as f64;
        let down = self.frame.height as f64 / height as f64;
        let (fx, fy) = (x * over + self.origin[0], y * down + self.origin[1]);
        let cell = (30 * (m + 1)) as f64;
        let (cx, cy) = ((fx / cell) as u64, (fy / cell) as u64);
        let h = mix(cx, cy, m);
        let (mx, my) = ((cx as f64 + 0.5) * cell, (cy as f64 + 0.5) * cell);
        let radius = cell * (0.3 + 0.04 * (h % 8) as f64);
        let at = |index: u64| (index as f64 + 0.5) * (Self::SIDE as f64 / Self::LOW as f64);
        let logit = |i: u64, j: u64| {
            let (u, v) = (at(j) * over + self.origin[0], at(i) * down + self.origin[1]);
            let round = 1.0 + 0.25 * (h % 3) as f64;
            let shape = radius * radius - (u - mx) * (u - mx) - (v - my) * (v - my) * round;
            let grain = (mix(j, i, m + 7) % 1000) as f64;
            (shape * 0.5 + (grain * 0.001 - 0.5) * (12.0 * m as f64 + 3.0 * (h % 5) as f64)) as f32
        };
        let logits = (0..Self::LOW).flat_map(|i| (0..Self::LOW).map(move |j| (i, j))).map(|(i, j)| logit(i, j));
        let apart = ((cx * 31 + cy * 17 + m * 7) % 97) as f64; // ovals of equal quality have no order
        (logits.collect(), (0.8 + 0.002 * (h % 100) as f64 + 0.00001 * apart) as f32)
    }
}

impl Predictor for Drawn {
    fn look(&mut self, image: &RgbImage) -> Result<Frame> {
        let [red, green, _] = image.get_pixel(0, 0).0;
        self.origin = [red.into(), green.into()];
        self.frame = Frame::new(Self::SIDE, image.width(), image.height());
        Ok(self.frame)
    }

    fn predict(&mut self, points: &[[f64; 2]], above: Option<f32>) -> Result<Candidates> {
        let mut candidates = Candidates { points: Vec::new(), ious: Vec::new(), logits: Tensor::new() };
        let mut all = Vec::new();
        for (index, &point) in points.iter().enumerate() {
            for m in 0..3 {
                let (logits, iou) = self.answer(self.frame.point(point), m);
                if above.is_none_or(|above| iou > above) {
                    candidates.points.push(index);
                    candidates.ious.push(iou);
                    all.extend(logits);
                }
            }
        }
        candidates.logits = Tensor::from_slice(&all).view([-1, Self::LOW as i64, Self::LOW as i64]);
        Ok(candidates)
    }
}

fn rules(settings: &Value) -> GeneratorRules {
    let mut rules = GeneratorRules::default();
    for (name, value) in settings.as_object().unwrap() {
        let (number, count) = (value.as_f64().unwrap(), value.as_u64().unwrap_or(0) as usize);
        match name.as_str() {
            "points_per_side" => rules.points_per_side = count,
            "points_per_batch" => rules.points_per_batch = count,
            "pred_iou_thresh" => rules.pred_iou_thresh = number,
            "stability_score_thresh" => rules.stability_score_thresh = number,
            "stability_score_offset" => rules.stability_score_offset = number,
            "box_nms_thresh" => rules.box_nms_thresh = number,
            "crop_n_layers" => rules.crop_n_layers = count,
            "crop_nms_thresh" => rules.crop_nms_thresh = number,
            "crop_overlap_ratio" => rules.crop_overlap_ratio = number,
            "crop_n_points_downscale_factor" => rules.crop_n_points_downscale_factor = count,
            "min_mask_region_area" => rules.min_mask_region_area = count,
            other => unreachable!("{other}"),
        }
    }
    rules
}

/// The package writes whole numbers as fractions where a crop before has shown nothing.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[test]
fn the_generator_writes_the_records_of_the_package_in_its_order() {
    for run in golden()["generated"].as_array().unwrap() {
        let image = picture(integer(&run["width"]) as u32, integer(&run["height"]) as u32);
        let mut drawn = Drawn { frame: Frame::new(1, 1, 1), origin: [0.0; 2] };
        let found = generate(&mut drawn, &image, &rules(&run["settings"])).unwrap();
        let expected = run["records"].as_array().unwrap();
        println!("{}: {} records", run["settings"], found.len());
        assert_eq!(found.len(), expected.len(), "{}", run["settings"]);
        for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
            let record: Value = serde_json::from_str(&found.to_json(true).to_string()).unwrap();
            for (field, value) in record.as_object().unwrap() {
                let same = same(value, &expected[field]);
                assert!(same, "{}: {field} of record {number}: {value}, not {}", run["settings"], expected[field]);
            }
            assert_eq!(record.as_object().unwrap().len(), expected.as_object().unwrap().len());
        }
    }
}

#[test]
fn small_regions_go_as_in_the_package() {
    for case in golden()["cleaned"].as_array().unwrap() {
        let [height, width] = [0, 1].map(|side| integer(&case["size"][side]) as u32);
        let code = |name: &str| Rle::parse(height, width, case[name].as_str().unwrap()).unwrap();
        let cleaned = code("before").without_small_regions(integer(&case["area"]) as usize);
        assert_eq!(cleaned.unwrap_or_else(|| code("before")), code("after"));
    }
}
