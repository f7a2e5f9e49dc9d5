//! Resizing as OpenCV's `resize` with `INTER_LINEAR` does it for bytes: two samples a side, in fixed point.

use ::image::RgbImage;

/// One is 2048.
const BITS: u32 = 11;

/// What an output sample is made of: the first of two neighbours, the second, and their weights.
type Tap = (u32, u32, [i32; 2]);

/// Resizes to `size` x `size`: bytes by row, column, then red, green, blue. Where that is half of either side a pixel
/// is the mean of four, as OpenCV has it.
pub fn resize(image: &RgbImage, size: u32) -> Vec<u8> {
    let (width, height) = image.dimensions();
    if (width, height) == (size, size) {
        return image.as_raw().clone();
    }
    let at = |x: u32, y: u32, channel: usize| image.get_pixel(x, y).0.get(channel).map_or(0, |&value| i32::from(value));
    let mut resized = Vec::with_capacity(3 * size as usize * size as usize);
    if (width, height) == (2 * size, 2 * size) {
        for (y, x, channel) in places(size) {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| at(2 * x + dx, 2 * y + dy, channel));
            resized.push(((four.iter().sum::<i32>() + 2) >> 2) as u8);
        }
        return resized;
    }
    let (columns, rows) = (taps(width, size), taps(height, size));
    for &(above, below, [a, b]) in &rows {
        for &(left, right, [l, r]) in &columns {
            for channel in 0..3 {
                let across = |y: u32| (at(left, y, channel) * l + at(right, y, channel) * r) >> 4;
                let sum = ((a * across(above)) >> 16) + ((b * across(below)) >> 16);
                resized.push(((sum + 2) >> 2).clamp(0, 255) as u8);
            }
        }
    }
    resized
}

fn places(size: u32) -> impl Iterator<Item = (u32, u32, usize)> {
    (0..size).flat_map(move |y| (0..size).flat_map(move |x| (0..3).map(move |channel| (y, x, channel))))
}

/// Pixel centres of `to` samples among `from`; beyond the edges the edge.
fn taps(from: u32, to: u32) -> Vec<Tap> {
    let scale = f64::from(from) / f64::from(to);
    let last = i64::from(from) - 1;
    let tap = |index: u32| {
        let place = ((f64::from(index) + 0.5) * scale - 0.5) as f32;
        let (mut first, mut part) = (place.floor() as i64, place - place.floor());
        if first < 0 {
            (first, part) = (0, 0.0);
        }
        if first >= last {
            (first, part) = (last, 0.0);
        }
        let fixed = |weight: f32| (weight * (1 << BITS) as f32).round_ties_even() as i32;
        (first as u32, (first + 1).min(last) as u32, [fixed(1.0 - part), fixed(part)])
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `tests/golden/opencv.py` made the images.
    #[test]
    fn bytes_are_those_of_opencv() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let open = |path: &str| ::image::open(golden.join(path)).unwrap().into_rgb8();
        let mut cases: Vec<(String, String, u32)> = vec![("opencv/wide.32".into(), "opencv/square.16".into(), 16)];
        for (name, sizes) in [("wide", &[32, 47][..]), ("tall", &[16, 64]), ("photo_444.rgb", &[24])] {
            cases.extend(sizes.iter().map(|size| (format!("images/{name}"), format!("opencv/{name}.{size}"), *size)));
        }
        for (from, to, size) in cases {
            let (found, expected) = (resize(&open(&format!("{from}.png")), size), open(&format!("{to}.png")));
            assert!(found == *expected.as_raw(), "{to}");
        }
    }
}
