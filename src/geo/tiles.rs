//! The tiles of a scene: whole windows of one size in rows and columns.

use super::Georeference;
use anyhow::{Result, bail};

/// How a scene is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// Side of a tile, pixels.
    pub size: u32,
    /// Pixels that neighbours share.
    pub overlap: u32,
    /// Side of a tile's pixel on the ground, metres; the scene's own where it is `None`.
    pub resolution: Option<f64>,
}

/// A tile of a scene: its place in the grid and its window, in pixels of the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    pub row: u32,
    pub column: u32,
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Tile {
    /// x, y, width, height.
    pub fn window(&self) -> [f64; 4] {
        [self.x, self.y, self.width, self.height].map(f64::from)
    }
}

/// The tiles of a scene, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    across: Axis,
    down: Axis,
}

/// Windows along one side of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    length: u32,
    window: u32,
    step: u32,
    count: u32,
}

impl Axis {
    /// All windows are whole: the last one is moved back into the scene, and a scene that is smaller has one of its own
    /// size.
    fn new(length: u32, window: u32, overlap: u32) -> Self {
        let window = window.clamp(1, length.max(1));
        let step = window.saturating_sub(overlap).max(1);
        let count = if length == 0 { 0 } else { 1 + (length - window).div_ceil(step) };
        Self { length, window, step, count }
    }

    fn start(&self, index: u32) -> u32 {
        index.saturating_mul(self.step).min(self.length - self.window)
    }
}

impl Grid {
    /// The tiles of a scene of `width` x `height` pixels.
    ///
    /// Errors: an overlap that leaves nothing of a tile; a resolution where it is not known how large a pixel is.
    pub fn new([width, height]: [u32; 2], place: &Georeference, cut: &Cut) -> Result<Self> {
        let Cut { size, overlap, resolution } = *cut;
        if size == 0 || overlap >= size {
            bail!("tiles of {size} pixels that share {overlap} cannot cover a scene; --overlap must be below --tile");
        }
        let Some(resolution) = resolution else {
            return Ok(Self { across: Axis::new(width, size, overlap), down: Axis::new(height, size, overlap) });
        };
        let metres = pixel_metres([width, height], place)?;
        let [across, down] = metres.map(|metres| {
            let pixels = |of_tile: u32| (f64::from(of_tile) * resolution / metres).round();
            (pixels(size).max(1.0) as u32, pixels(overlap) as u32)
        });
        Ok(Self { across: Axis::new(width, across.0, across.1), down: Axis::new(height, down.0, down.1) })
    }

    /// Number of tiles.
    pub fn len(&self) -> u64 {
        u64::from(self.across.count) * u64::from(self.down.count)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tile at a place in the order; `None` behind the last.
    pub fn tile(&self, index: u64) -> Option<Tile> {
        if index >= self.len() {
            return None;
        }
        let columns = u64::from(self.across.count);
        let (row, column) = ((index / columns) as u32, (index % columns) as u32);
        let (x, y) = (self.across.start(column), self.down.start(row));
        Some(Tile { row, column, x, y, width: self.across.window, height: self.down.window })
    }
}

/// Width and height of a pixel in metres, in the middle of the scene.
fn pixel_metres([width, height]: [u32; 2], place: &Georeference) -> Result<[f64; 2]> {
    let Some(crs) = &place.crs else {
        bail!("a ground resolution needs a scene with a coordinate reference system; omit --resolution, or give --crs");
    };
    let middle = place.affine.apply([f64::from(width) / 2.0, f64::from(height) / 2.0]);
    let [_, latitude] = crs.to_lonlat(middle)?;
    let [along_x, along_y] = crs.metres(latitude);
    let [a, b, _, d, e, _] = place.affine.0;
    Ok([(a * along_x).hypot(d * along_y), (b * along_x).hypot(e * along_y)])
}

/// Part `number` of `of`, counted from 1: a run of places among `count`, all parts about equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub number: u64,
    pub of: u64,
}

impl Shard {
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    pub fn range(&self, count: u64) -> std::ops::Range<u64> {
        let end = |part: u64| (u128::from(count) * u128::from(part) / u128::from(self.of.max(1))) as u64;
        end(self.number.saturating_sub(1))..end(self.number)
    }
}

impl std::str::FromStr for Shard {
    type Err = anyhow::Error;

    /// `2/8`.
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => bail!("'{text}' is no part; write NUMBER/PARTS, from 1/8 to 8/8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Affine, Crs};

    const NOWHERE: Georeference = Georeference { affine: Affine::PIXELS, crs: None };

    fn grid(scene: [u32; 2], size: u32, overlap: u32) -> Grid {
        Grid::new(scene, &NOWHERE, &Cut { size, overlap, resolution: None }).unwrap()
    }

    #[test]
    fn every_pixel_is_in_a_whole_tile_and_none_is_outside() {
        for (scene, size, overlap) in [([10, 7], 4, 0), ([8, 8], 4, 0), ([9, 4], 4, 1), ([3, 2], 4, 2), ([50, 1], 7, 6)]
        {
            let grid = grid(scene, size, overlap);
            let tiles: Vec<Tile> = (0..grid.len()).map(|index| grid.tile(index).unwrap()).collect();
            assert_eq!(grid.tile(grid.len()), None);
            let whole = |t: &Tile| (t.width, t.height) == (size.min(scene[0]), size.min(scene[1]));
            assert!(tiles.iter().all(|t| whole(t) && t.x + t.width <= scene[0] && t.y + t.height <= scene[1]));
            for (x, y) in (0..scene[0]).flat_map(|x| (0..scene[1]).map(move |y| (x, y))) {
                let holds = |t: &&Tile| (t.x..t.x + t.width).contains(&x) && (t.y..t.y + t.height).contains(&y);
                assert!(tiles.iter().any(|t| holds(&t)), "{x} {y} of {scene:?}");
            }
        }
        let last = grid([10, 7], 4, 0).tile(5).unwrap();
        assert_eq!(last, Tile { row: 1, column: 2, x: 6, y: 3, width: 4, height: 4 });
        assert!(Grid::new([9, 9], &NOWHERE, &Cut { size: 4, overlap: 4, resolution: None }).is_err());
        assert!(grid([0, 5], 4, 0).is_empty());
    }

    #[test]
    fn a_ground_resolution_changes_the_windows() {
        let at =
            |affine: [f64; 6], code| Georeference { affine: Affine(affine), crs: Some(Crs::from_epsg(code).unwrap()) };
        let cut = Cut { size: 256, overlap: 128, resolution: Some(0.5) };
        let utm = at([0.25, 0.0, 5e5, 0.0, -0.125, 5e6], 32632);
        let first = Grid::new([4000, 4000], &utm, &cut).unwrap().tile(1).unwrap();
        assert_eq!((first.width, first.height, first.x), (512, 1024, 256));
        let degrees = at([1e-5, 0.0, 9.0, 0.0, -1e-5, 60.02], 4326);
        let first = Grid::new([4000, 4000], &degrees, &cut).unwrap().tile(0).unwrap();
        assert!(first.width.abs_diff(230) < 2 && first.height.abs_diff(115) < 2, "{first:?}");
        assert!(Grid::new([9, 9], &NOWHERE, &cut).unwrap_err().to_string().contains("--resolution"));
    }

    #[test]
    fn shards_are_about_equal_and_leave_nothing_out() {
        for (count, of) in [(10, 3), (2, 4), (0, 2), (1_000_000, 7)] {
            let ranges: Vec<_> = (1..=of).map(|number| Shard { number, of }.range(count)).collect();
            assert_eq!((ranges[0].start, ranges[of as usize - 1].end), (0, count));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(ranges.iter().all(|range| range.end - range.start <= count / of + 1));
        }
        assert_eq!("2/8".parse::<Shard>().unwrap(), Shard { number: 2, of: 8 });
        assert!(["0/8", "9/8", "2", "a/b", ""].iter().all(|text| text.parse::<Shard>().is_err()));
    }
}
