//! Small islands and holes of masks.

use super::rle::{Rle, RunLengths};

impl Rle {
    /// Holes filled, then islands taken away, of fewer than `least` pixels; the pixels of a region touch by sides or
    /// corners. Where all islands are small the largest stays. `None` where nothing is small.
    pub fn without_small_regions(&self, least: usize) -> Option<Self> {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut mask = vec![false; width * height];
        self.for_each(|place| {
            if let Some(pixel) = mask.get_mut(place) {
                *pixel = true;
            }
        });
        let holes = clean(&mut mask, width, least, Small::Holes);
        let islands = clean(&mut mask, width, least, Small::Islands);
        if !holes && !islands {
            return None;
        }
        let mut runs = RunLengths::default();
        for x in 0..width {
            mask.iter().skip(x).step_by(width).for_each(|&pixel| runs.push(pixel, 1));
        }
        runs.finish(self.height, self.width).ok()
    }
}

/// What is too small and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Small {
    Holes,
    Islands,
}

/// Takes the small regions of one kind out of a mask that lies row by row; whether there were any.
fn clean(mask: &mut [bool], width: usize, least: usize, small: Small) -> bool {
    let wanted = small == Small::Islands;
    let (labels, areas) = regions(mask, width, wanted);
    let is_small = |region: usize| areas[region] < least;
    if !(0..areas.len()).any(is_small) {
        return false;
    }
    let mut falls: Vec<bool> = (0..areas.len()).map(is_small).collect();
    if small == Small::Islands && falls.iter().all(|&falls| falls) {
        // The first of the largest.
        let largest = (0..areas.len()).rev().max_by_key(|&region| areas[region]);
        if let Some(largest) = largest {
            falls[largest] = false;
        }
    }
    for (pixel, label) in mask.iter_mut().zip(&labels) {
        if let Some(region) = label.checked_sub(1)
            && falls[region as usize]
        {
            *pixel = !wanted;
        }
    }
    true
}

/// For each pixel the number of its region from 1 on, 0 where it is not `wanted`; and the areas. Regions are numbered
/// by the first of their blocks of 2 x 2 pixels, as OpenCV's are.
fn regions(mask: &[bool], width: usize, wanted: bool) -> (Vec<u32>, Vec<usize>) {
    let height = mask.len() / width.max(1);
    let mut labels = vec![0u32; mask.len()];
    let mut areas = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for top in (0..height).step_by(2) {
        for left in (0..width).step_by(2) {
            for (y, x) in [(top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)] {
                let start = y * width + x;
                if y >= height || x >= width || mask[start] != wanted || labels[start] != 0 {
                    continue;
                }
                areas.push(0);
                let label = areas.len() as u32;
                labels[start] = label;
                open.push(start);
                let mut area = 0;
                while let Some(at) = open.pop() {
                    area += 1;
                    let (x, y) = (at % width, at / width);
                    for y in y.saturating_sub(1)..(y + 2).min(height) {
                        for x in x.saturating_sub(1)..(x + 2).min(width) {
                            let near = y * width + x;
                            if mask[near] == wanted && labels[near] == 0 {
                                labels[near] = label;
                                open.push(near);
                            }
                        }
                    }
                }
                if let Some(last) = areas.last_mut() {
                    *last = area;
                }
            }
        }
    }
    (labels, areas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> (Vec<bool>, usize) {
        (rows.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect(), rows[0].len())
    }

    fn cleaned(rows: &[&str], least: usize, small: Small) -> (bool, Vec<bool>) {
        let (mut mask, width) = mask(rows);
        (clean(&mut mask, width, least, small), mask)
    }

    #[test]
    fn small_holes_are_filled_and_the_background_stays() {
        let rows = ["#####....", "#.###....", "#####..#.", "....."];
        let rows: Vec<String> = rows.iter().map(|row| format!("{row:.<9}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let (changed, mask) = cleaned(&rows, 2, Small::Holes);
        assert!(changed && mask[10]);
        assert_eq!(mask.iter().filter(|&&set| set).count(), 16);
        assert!(!cleaned(&rows, 1, Small::Holes).0);
    }

    #[test]
    fn small_islands_go_but_the_largest_stays() {
        let rows = ["##..#", "##...", "...##"];
        let (changed, found) = cleaned(&rows, 3, Small::Islands);
        assert!(changed);
        assert_eq!(found, mask(&["##...", "##...", "....."]).0);
        assert_eq!(cleaned(&rows, 100, Small::Islands).1, mask(&["##...", "##...", "....."]).0);
    }

    #[test]
    fn of_islands_of_one_size_the_first_stays() {
        assert_eq!(cleaned(&["#...#"], 9, Small::Islands).1, mask(&["#...."]).0);
        // The right one begins in an earlier row, but both in the first row of blocks.
        assert_eq!(cleaned(&["....#", "#...."], 9, Small::Islands).1, mask(&[".....", "#...."]).0);
    }

    #[test]
    fn regions_touch_by_corners() {
        assert!(!cleaned(&["#..", ".#.", "..#"], 3, Small::Islands).0);
        assert!(!cleaned(&["...", "...", "..."], 3, Small::Islands).0);
    }
}
