//! Retrieval between images and captions by the likeness of their vectors.

use super::Scores;

/// `R_mean`, then recall at 1, 5 and 10 from image to text and from text to image.
pub const NAMES: [&str; 7] = ["R_mean", "i2t_R@1", "i2t_R@5", "i2t_R@10", "t2i_R@1", "t2i_R@5", "t2i_R@10"];

/// Recall among all captions of all images. `likeness` holds a row per image and a column per caption; `image_of` the
/// image of each caption.
///
/// `i2t_R@K`: images one of whose captions is among the K likest; `t2i_R@K`: captions whose image is. `R_mean` is the
/// mean of the six. Equal likeness counts as nearer, so that a model that tells nothing apart scores nothing.
pub fn recall(likeness: &[f32], image_of: &[usize]) -> Scores {
    let captions = image_of.len();
    let images = likeness.len().checked_div(captions).unwrap_or(0);
    let at = |image: usize, caption: usize| likeness[image * captions + caption];
    // How many wrong ones come before the right one.
    let image_ranks = (0..images).filter_map(|image| {
        let own = (0..captions).filter(|&caption| image_of[caption] == image).map(|caption| at(image, caption));
        let best = own.max_by(f32::total_cmp)?;
        Some((0..captions).filter(|&caption| image_of[caption] != image && at(image, caption) >= best).count())
    });
    let caption_ranks = (0..captions).map(|caption| {
        let own = at(image_of[caption], caption);
        (0..images).filter(|&image| image != image_of[caption] && at(image, caption) >= own).count()
    });
    let mut values = vec![0.0];
    for ranks in [image_ranks.collect::<Vec<_>>(), caption_ranks.collect()] {
        for k in [1, 5, 10] {
            values.push(ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len().max(1) as f64);
        }
    }
    values[0] = values[1..].iter().sum::<f64>() / 6.0;
    Scores(NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_by_hand() {
        // Two images, captions 0 and 1 of the first, 2 of the second.
        let scores = recall(&[0.9, 0.1, 0.5, 0.8, 0.2, 0.3], &[0, 0, 1]);
        assert_eq!(scores.get("i2t_R@1"), Some(0.5), "the second image is nearest to caption 0");
        assert_eq!(scores.get("i2t_R@5"), Some(1.0));
        assert_eq!(scores.get("t2i_R@1"), Some(1.0 / 3.0), "captions 1 and 2 find the other image");
        assert_eq!(scores.get("t2i_R@10"), Some(1.0));
        let mean = scores.get("R_mean").unwrap_or_default();
        assert!((mean - (0.5 + 1.0 + 1.0 + 1.0 / 3.0 + 1.0 + 1.0) / 6.0).abs() < 1e-12);
    }

    #[test]
    fn likeness_that_tells_nothing_apart_scores_nothing() {
        let image_of: Vec<usize> = (0..20).collect();
        let scores = recall(&[1.0; 400], &image_of);
        assert_eq!(scores.get("R_mean"), Some(0.0));
    }

    #[test]
    fn no_images_are_no_fault() {
        assert_eq!(recall(&[], &[]).get("R_mean"), Some(0.0));
    }
}
