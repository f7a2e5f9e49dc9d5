//! Where the automatic generator asks: crops of the image, and points within them.

/// A crop: left, upper, right, lower edge in pixels of the image, and its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    pub bounds: [i64; 4],
    pub layer: usize,
}

/// The image, then for each layer `l` from 1 on `4^l` crops that overlap, column by column.
pub(super) fn crops(width: i64, height: i64, layers: usize, overlap: f64) -> Vec<Crop> {
    let mut crops = vec![Crop { bounds: [0, 0, width, height], layer: 0 }];
    let short = width.min(height) as f64;
    for layer in 1..=layers {
        let count = 1i64 << layer;
        let overlap = (overlap * short * (2.0 / count as f64)) as i64;
        let length = |whole: i64| (overlap * (count - 1) + whole + count - 1) / count; // rounded up
        let (wide, tall) = (length(width), length(height));
        for column in 0..count {
            for row in 0..count {
                let (left, top) = ((wide - overlap) * column, (tall - overlap) * row);
                let bounds = [left, top, (left + wide).min(width), (top + tall).min(height)];
                crops.push(Crop { bounds, layer });
            }
        }
    }
    crops
}

/// `side` x `side` points spread evenly over a picture of `width` x `height`, row by row: `(x, y)`.
pub(super) fn points(side: usize, width: i64, height: i64) -> Vec<[f64; 2]> {
    let along: Vec<f64> = (0..side).map(|index| spread(side, index)).collect();
    let row = |&y: &f64| along.iter().map(move |&x| [x * width as f64, y * height as f64]);
    along.iter().flat_map(row).collect()
}

/// Number `index` of `side` numbers from `1 / 2 side` to `1 - 1 / 2 side`, rounded where NumPy's `linspace` rounds.
fn spread(side: usize, index: usize) -> f64 {
    let first = 1.0 / (2 * side) as f64;
    let last = 1.0 - first;
    match side {
        1 => first,
        _ if index + 1 == side => last,
        _ => index as f64 * ((last - first) / (side - 1) as f64) + first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_in_the_middles_of_even_cells() {
        assert_eq!(points(1, 10, 4), [[5.0, 2.0]]);
        assert_eq!(points(2, 8, 4), [[2.0, 1.0], [6.0, 1.0], [2.0, 3.0], [6.0, 3.0]]);
        assert_eq!(points(32, 1, 1).len(), 1024);
    }

    #[test]
    fn crops_overlap_and_stay_within_the_image() {
        let crops = crops(300, 200, 2, 512.0 / 1500.0);
        assert_eq!(crops.len(), 1 + 4 + 16);
        assert_eq!(crops[1].bounds, [0, 0, 184, 134]);
        assert_eq!(crops[2].bounds, [0, 66, 184, 200]);
        assert_eq!(crops[3].bounds, [116, 0, 300, 134]);
        assert!(crops.iter().all(|crop| crop.bounds[2] <= 300 && crop.bounds[3] <= 200));
        assert_eq!(crops[5].layer, 2);
    }
}
