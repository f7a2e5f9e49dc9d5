//! Non-maximum suppression of boxes.

/// Indices of the boxes (left, upper, right, lower) that are kept, best score first, equal ones in their order: a box
/// falls to a kept, better one that it overlaps by an IoU greater than `threshold`. Single precision, as torchvision's.
pub(super) fn keep(boxes: &[[i64; 4]], scores: &[f32], threshold: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len().min(scores.len())).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let floats: Vec<[f32; 4]> = boxes.iter().map(|bounds| bounds.map(|edge| edge as f32)).collect();
    let mut kept: Vec<usize> = Vec::new();
    for &candidate in &order {
        let overlaps = |&better: &usize| f64::from(iou(&floats[better], &floats[candidate])) > threshold;
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept
}

/// Not a number for two boxes without area, which is greater than no threshold.
fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |bounds: &[f32; 4]| (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]);
    let wide = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let tall = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let common = wide * tall;
    common / (area(a) + area(b) - common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_overlapping_boxes_stays() {
        let boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [0, 0, 10, 10]];
        assert_eq!(keep(&boxes, &[0.9, 0.95, 0.5, 0.9], 0.7), [1, 2]);
        assert_eq!(
            keep(&boxes, &[0.9, 0.95, 0.5, 0.9], 0.9),
            [1, 0, 2],
            "0.9 is not greater than 0.9; equal boxes are"
        );
    }

    #[test]
    fn a_box_that_fell_makes_none_fall() {
        let boxes = [[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]];
        assert_eq!(keep(&boxes, &[3.0, 2.0, 1.0], 0.5), [0, 2]);
    }

    #[test]
    fn boxes_without_area_all_stay() {
        assert_eq!(keep(&[[0; 4], [0; 4]], &[1.0, 1.0], 0.7), [0, 1]);
    }
}
