//! The affine map from pixels to coordinates.

/// `x = a column + b row + c`, `y = d column + e row + f`: the coefficients in this order, rasterio's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// Of a scene that is nowhere: columns to the right, rows down.
    pub const PIXELS: Self = Self([1.0, 0.0, 0.0, 0.0, -1.0, 0.0]);

    pub fn apply(&self, [column, row]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.0;
        [a * column + b * row + c, d * column + e * row + f]
    }

    /// The same map, pixels counted from a point `columns` to the right and `rows` down.
    pub fn moved(&self, columns: f64, rows: f64) -> Self {
        let [a, b, _, d, e, _] = self.0;
        let [c, f] = self.apply([columns, rows]);
        Self([a, b, c, d, e, f])
    }

    /// `None` where all pixels lie on a line, or a coefficient is no number.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f] = self.0;
        let area = self.determinant();
        let sound = area.is_finite() && area != 0.0 && c.is_finite() && f.is_finite();
        sound.then(|| Self([e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area]))
    }

    /// Area of a pixel; negative where rows run against the second axis, as they do in maps with north up.
    pub fn determinant(&self) -> f64 {
        let [a, b, _, d, e, _] = self.0;
        a * e - b * d
    }

    /// The closed ring around a window of pixels, anticlockwise.
    pub fn ring(&self, [x, y, width, height]: [f64; 4]) -> [[f64; 2]; 5] {
        let mut corners =
            [[x, y], [x, y + height], [x + width, y + height], [x + width, y]].map(|pixel| self.apply(pixel));
        if self.determinant() > 0.0 {
            corners.swap(1, 3);
        }
        let [first, second, third, fourth] = corners;
        [first, second, third, fourth, first]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_area(ring: &[[f64; 2]]) -> f64 {
        ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum::<f64>() / 2.0
    }

    #[test]
    fn rings_run_anticlockwise_whichever_way_the_rows_run() {
        for affine in
            [[0.5, 0.0, 100.0, 0.0, -0.5, 900.0], [0.5, 0.0, 100.0, 0.0, 0.5, 900.0], [0.3, 0.4, 0.0, 0.4, -0.3, 0.0]]
        {
            let affine = Affine(affine);
            let ring = affine.ring([10.0, 20.0, 4.0, 6.0]);
            assert!((signed_area(&ring) - 24.0 * affine.determinant().abs()).abs() < 1e-9);
            assert_eq!(ring[0], affine.apply([10.0, 20.0]));
        }
    }

    #[test]
    fn the_inverse_gives_pixels_back_and_a_flat_map_has_none() {
        let affine = Affine([0.3, 0.4, 5e5, 0.4, -0.3, 5e6]);
        let [column, row] = affine.inverse().unwrap().apply(affine.apply([12.5, 7.0]));
        assert!((column - 12.5).abs() < 1e-6 && (row - 7.0).abs() < 1e-6);
        assert_eq!(Affine([1.0, 2.0, 0.0, 2.0, 4.0, 0.0]).inverse(), None);
        assert_eq!(affine.moved(2.0, 3.0).apply([0.0, 0.0]), affine.apply([2.0, 3.0]));
    }
}
