//! Comparison-based beam search (FE-LWS; Hoxha et al. 2020): of the captions that beam search found, the one most like
//! the captions of similar training images.

use crate::decode::{ComparisonConfig, ComparisonPool};
use crate::eval::{MetricSet, References, Scores};
use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};

/// A caption in the running, with its log-probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub caption: String,
    pub log_prob: f64,
}

/// For each query image its `count` most similar of the known images, nearest first.
///
/// Features are one tensor per encoder, `[Q, D]` and `[T, D]`, or grids `[.., C, H, W]`, of which the mean is taken.
/// Each encoder's vector is scaled to length one and the vectors are concatenated; nearness is the Euclidean distance,
/// whose order is that of the scalar product here.
pub fn nearest_images(queries: &[Tensor], known: &[Tensor], count: usize) -> Vec<Vec<usize>> {
    let fuse = |features: &[Tensor]| {
        let unit: Vec<Tensor> = features
            .iter()
            .map(|f| {
                let float = f.to_kind(Kind::Float);
                let flat = if f.dim() == 4 { float.mean_dim([2i64, 3].as_slice(), false, None) } else { float };
                let norm = flat.norm_scalaropt_dim(2, [1i64].as_slice(), true).clamp_min(1e-12);
                flat / norm
            })
            .collect();
        Tensor::cat(&unit, 1)
    };
    tch::no_grad(|| {
        let likeness = fuse(queries).matmul(&fuse(known).tr()).to_device(Device::Cpu).contiguous();
        let columns = likeness.size()[1] as usize;
        let mut values = vec![0f32; likeness.numel()];
        let length = values.len();
        likeness.copy_data(&mut values, length);
        values
            .chunks(columns.max(1))
            .map(|row| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
                order.truncate(count);
                order
            })
            .collect()
    })
}

/// Which candidate of each image wins: the greatest mean of BLEU-2, METEOR and ROUGE-L against the captions of the
/// image's neighbours (indices into `references`), ties by log-probability.
pub fn choose(
    candidates: &[Vec<Candidate>],
    neighbours: &[Vec<usize>],
    references: &References,
    config: &ComparisonConfig,
) -> Result<Vec<usize>> {
    let mut items = Vec::new();
    for (candidates, neighbours) in candidates.iter().zip(neighbours) {
        for candidate in candidates {
            match config.pool {
                ComparisonPool::Union => items.push((candidate.caption.clone(), neighbours.clone())),
                ComparisonPool::PerImage => {
                    items.extend(neighbours.iter().map(|&image| (candidate.caption.clone(), vec![image])));
                }
            }
        }
    }
    let scores = references.score_sentences(&items, MetricSet::SENTENCE)?;
    let mut likeness = scores.iter().map(comparison_score);
    let mut chosen = Vec::with_capacity(candidates.len());
    for (candidates, neighbours) in candidates.iter().zip(neighbours) {
        let scores_each = if config.pool == ComparisonPool::Union { 1 } else { neighbours.len() };
        let mut ranked = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate() {
            let sum = likeness.by_ref().take(scores_each).sum::<Result<f64>>()?;
            ranked.push((sum / scores_each.max(1) as f64, candidate.log_prob, index));
        }
        let best = ranked.into_iter().max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)));
        chosen.push(best.context("an image has no candidate caption")?.2);
    }
    Ok(chosen)
}

/// The arithmetic mean of sentence BLEU-2, METEOR and ROUGE-L.
fn comparison_score(scores: &Scores) -> Result<f64> {
    let get = |wanted: &str| {
        let found = scores.0.iter().find(|(name, _)| name.split(' ').next() == Some(wanted));
        found.map(|(_, value)| *value).with_context(|| format!("there is no sentence score {wanted}"))
    };
    Ok((get("BLEU-2")? + get("METEOR")? + get("ROUGE_L")?) / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_nearest_by_direction_of_each_encoder() {
        let tensor = |rows: &[[f32; 2]]| Tensor::from_slice2(rows);
        let known = [tensor(&[[1.0, 0.0], [0.0, 5.0], [3.0, 3.0]]), tensor(&[[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])];
        let queries = [tensor(&[[0.0, 2.0]]), tensor(&[[0.0, 9.0]])];
        assert_eq!(nearest_images(&queries, &known, 2), [[1, 2]]);
        assert_eq!(nearest_images(&queries, &known, 9), [[1, 2, 0]]);
    }

    #[test]
    fn the_candidate_that_reads_like_the_neighbours_wins_and_ties_go_to_the_likelier() {
        let group = |captions: &[&str]| captions.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let references = References::new(&[
            group(&["many planes are parked near a terminal", "several planes at an airport"]),
            group(&["a river runs through a forest"]),
            group(&["planes are parked in an airport"]),
        ])
        .with_resources(None);
        let candidate = |caption: &str, log_prob| Candidate { caption: caption.into(), log_prob };
        let candidates = [
            vec![candidate("a forest with a river", -1.0), candidate("planes are parked near a terminal", -3.0)],
            vec![candidate("xyz", -2.0), candidate("zyx", -1.0)],
        ];
        for pool in [ComparisonPool::PerImage, ComparisonPool::Union] {
            let config = ComparisonConfig { pool, ..ComparisonConfig::default() };
            let chosen = choose(&candidates, &[vec![0, 2], vec![1]], &references, &config).unwrap();
            assert_eq!(chosen, [1, 1]);
        }
    }

    /// Hand-computed: one neighbour with one caption of four words, the candidate equal to it. BLEU-2 and ROUGE-L are
    /// 1; METEOR of a perfect single-chunk match is 1.
    #[test]
    fn a_perfect_candidate_scores_one() {
        let references = References::new(&[vec!["a b c d".to_owned()]]).with_resources(None);
        let scores = references.score_sentence("a b c d", &[0], MetricSet::SENTENCE).unwrap();
        assert!((comparison_score(&scores).unwrap() - 1.0).abs() < 1e-6);
    }
}
