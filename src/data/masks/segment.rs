//! Objects of an image without supervision: Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation",
//! IJCV 2004, in place of Segment Anything.
//!
//! Deviation: S2CPNet's masks come from Segment Anything (ViT-H), whose weights are not at hand everywhere. This
//! segmenter needs none; what it finds are regions of even colour, not objects.

use super::Labels;
use ::image::RgbImage;
use ::image::imageops::{FilterType, resize};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Settings of the segmenter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmenterRules {
    /// Regions grow larger with it: `k` of the paper, for colours of 0 to 255.
    pub scale: f64,
    /// Width of the Gaussian that smooths the image first, pixels.
    pub sigma: f64,
    /// Smaller regions are merged with a neighbour: part of the image's pixels.
    pub min_area: f64,
    /// Larger images are segmented at this side, pixels.
    pub max_side: u32,
}

impl Default for SegmenterRules {
    fn default() -> Self {
        Self { scale: 300.0, sigma: 0.8, min_area: 0.002, max_side: 512 }
    }
}

/// The regions of an image, all of it covered, the largest first. The same on every machine.
pub fn segment(image: &RgbImage, rules: &SegmenterRules) -> Result<Labels> {
    let (width, height) = image.dimensions();
    let most = rules.max_side.max(1);
    let side = width.max(height);
    if side > most {
        let to = |length: u32| ((u64::from(length) * u64::from(most) / u64::from(side)) as u32).max(1);
        let small = resize(image, to(width), to(height), FilterType::Triangle);
        return Ok(segment(&small, rules)?.resized(width, height));
    }
    let pixels = smooth(image, rules.sigma);
    let edges = edges(&pixels, width as usize, height as usize);
    let mut regions = Regions::new(pixels.len());
    for edge in &edges {
        regions.join_where_even(edge, rules.scale as f32);
    }
    let least = (rules.min_area * pixels.len() as f64).round() as u32;
    for edge in &edges {
        regions.join_small(edge, least);
    }
    let mut found: Vec<u32> = (0..pixels.len() as u32).map(|pixel| regions.find(pixel) + 1).collect();
    share_out_thin(&mut found, width as usize, height as usize);
    Labels::from_regions(width, height, &found)
}

/// A region is thin if no square of twice this and one pixels lies within it.
const THIN: usize = 2;

/// Gives the pixels of thin regions, which are blurred borders between others, to the nearest region that is not thin.
fn share_out_thin(regions: &mut [u32], width: usize, height: usize) {
    let mut solid = vec![false; regions.len() + 1];
    for y in 0..height {
        for x in 0..width {
            let here = regions[y * width + x];
            let mut rows = y.saturating_sub(THIN)..(y + THIN + 1).min(height);
            let columns = x.saturating_sub(THIN)..(x + THIN + 1).min(width);
            if !solid[here as usize] && rows.all(|y| columns.clone().all(|x| regions[y * width + x] == here)) {
                solid[here as usize] = true;
            }
        }
    }
    let mut open: VecDeque<usize> = (0..regions.len()).filter(|&at| solid[regions[at] as usize]).collect();
    let mut settled: Vec<bool> = regions.iter().map(|&region| solid[region as usize]).collect();
    while let Some(at) = open.pop_front() {
        let (x, y) = (at % width, at / width);
        let around = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then_some(at + 1),
            (y > 0).then(|| at - width),
            (y + 1 < height).then_some(at + width),
        ];
        for near in around.into_iter().flatten().filter(|&near| !std::mem::replace(&mut settled[near], true)) {
            regions[near] = regions[at];
            open.push_back(near);
        }
    }
}

/// Two neighbouring pixels and how far their colours lie apart.
struct Edge {
    weight: f32,
    ends: [u32; 2],
}

/// Neighbours, diagonals too, by rising weight, equal ones row by row.
fn edges(pixels: &[[f32; 3]], width: usize, height: usize) -> Vec<Edge> {
    let mut edges = Vec::with_capacity(4 * pixels.len());
    for y in 0..height {
        for x in 0..width {
            let here = y * width + x;
            let mut add = |there: usize| {
                let (a, b) = (pixels[here], pixels[there]);
                let square: f32 = (0..3).map(|c| (a[c] - b[c]) * (a[c] - b[c])).sum();
                edges.push(Edge { weight: square.sqrt(), ends: [here as u32, there as u32] });
            };
            let (right, below) = (x + 1 < width, y + 1 < height);
            if right {
                add(here + 1);
            }
            if below {
                add(here + width);
            }
            if right && below {
                add(here + width + 1);
            }
            if right && y > 0 {
                add(here + 1 - width);
            }
        }
    }
    edges.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    edges
}

/// The image under a Gaussian, colours of 0 to 255; pixels beyond the border are those of the border.
fn smooth(image: &RgbImage, sigma: f64) -> Vec<[f32; 3]> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let radius = (4.0 * sigma).ceil() as usize;
    // Rounded, so that another mathematics library gives the same weights.
    let weight = |at: usize| ((-0.5 * (at as f64 / sigma).powi(2)).exp() * 65536.0).round();
    let half: Vec<f64> = (0..=radius).map(weight).collect();
    let sum = half.iter().skip(1).sum::<f64>() * 2.0 + half.first().copied().unwrap_or(1.0);
    let half: Vec<f32> = half.iter().map(|weight| (weight / sum) as f32).collect();
    let pixels: Vec<[f32; 3]> = image.pixels().map(|pixel| pixel.0.map(f32::from)).collect();
    let pass = |pixels: &[[f32; 3]], step: usize, length: usize| -> Vec<[f32; 3]> {
        let blurred = |at: usize| {
            let place = at / step % length;
            let start = at - place * step;
            let mut sum = pixels[at].map(|value| value * half[0]);
            for (offset, weight) in half.iter().enumerate().skip(1) {
                let before = pixels[start + place.saturating_sub(offset) * step];
                let after = pixels[start + (place + offset).min(length - 1) * step];
                sum = std::array::from_fn(|c| sum[c] + weight * (before[c] + after[c]));
            }
            sum
        };
        (0..pixels.len()).map(blurred).collect()
    };
    pass(&pass(&pixels, 1, width), width, height)
}

/// Disjoint sets of pixels.
struct Regions {
    parents: Vec<u32>,
    sizes: Vec<u32>,
    /// The heaviest edge within, and the slack over it.
    limits: Vec<f32>,
}

impl Regions {
    fn new(pixels: usize) -> Self {
        Self { parents: (0..pixels as u32).collect(), sizes: vec![1; pixels], limits: vec![f32::INFINITY; pixels] }
    }

    fn find(&mut self, mut pixel: u32) -> u32 {
        while self.parents[pixel as usize] != pixel {
            let parent = self.parents[pixel as usize];
            self.parents[pixel as usize] = self.parents[parent as usize]; // halves the path
            pixel = parent;
        }
        pixel
    }

    /// Joins the regions of an edge that is no heavier than the inner difference of both, plus `scale / size`.
    fn join_where_even(&mut self, edge: &Edge, scale: f32) {
        let [a, b] = edge.ends.map(|end| self.find(end));
        // A single pixel has no inner difference: its limit is the slack alone.
        let limit = |regions: &Self, region: u32| match regions.limits[region as usize] {
            limit if limit.is_finite() => limit,
            _ => scale,
        };
        if a != b && edge.weight <= limit(self, a).min(limit(self, b)) {
            let joined = self.join(a, b);
            // Edges come by rising weight, so this one is the heaviest.
            self.limits[joined as usize] = edge.weight + scale / self.sizes[joined as usize] as f32;
        }
    }

    fn join_small(&mut self, edge: &Edge, least: u32) {
        let [a, b] = edge.ends.map(|end| self.find(end));
        if a != b && self.sizes[a as usize].min(self.sizes[b as usize]) < least {
            self.join(a, b);
        }
    }

    fn join(&mut self, a: u32, b: u32) -> u32 {
        let (large, small) = if self.sizes[a as usize] >= self.sizes[b as usize] { (a, b) } else { (b, a) };
        self.parents[small as usize] = large;
        self.sizes[large as usize] += self.sizes[small as usize];
        large
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::Rgb;

    /// Two fields and a roof, with a little texture.
    fn picture(size: u32) -> RgbImage {
        RgbImage::from_fn(size, size, |x, y| {
            let grain = ((x * 7 + y * 13) % 5) as u8;
            let roof = (size / 4..size / 2).contains(&x) && (size / 4..size / 2).contains(&y);
            Rgb(match (roof, x < 3 * size / 4) {
                (true, _) => [200 + grain, 60, 50],
                (_, true) => [60, 120 + grain, 60],
                _ => [150, 140, 90 + grain],
            })
        })
    }

    #[test]
    fn regions_of_even_colour_are_found_and_ranked_by_area() {
        let labels = segment(&picture(64), &SegmenterRules::default()).unwrap();
        assert_eq!(labels.objects(), 3);
        let at = |x: u32, y: u32| labels.ranks[(y * 64 + x) as usize];
        assert_eq!((at(5, 5), at(24, 24), at(60, 40)), (1, 3, 2));
        assert!(labels.ranks.iter().all(|&rank| rank > 0));
    }

    #[test]
    fn large_images_are_segmented_at_a_smaller_side() {
        let rules = SegmenterRules { max_side: 64, ..SegmenterRules::default() };
        let labels = segment(&picture(200), &rules).unwrap();
        assert_eq!((labels.width, labels.height, labels.objects()), (200, 200, 3));
    }

    #[test]
    fn no_region_is_smaller_than_the_least_and_one_pixel_is_one() {
        let rules = SegmenterRules { min_area: 0.2, scale: 1.0, ..SegmenterRules::default() };
        let labels = segment(&picture(40), &rules).unwrap();
        let mut areas = vec![0; labels.objects() + 1];
        labels.ranks.iter().for_each(|&rank| areas[usize::from(rank)] += 1);
        assert!(areas[1..].iter().all(|&area| area >= 320), "{areas:?}");
        assert_eq!(segment(&RgbImage::new(1, 1), &SegmenterRules::default()).unwrap().ranks, [1]);
    }
}
