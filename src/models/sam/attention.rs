//! The image encoder's attention: all tokens of a window or of the image, with relative positions that are decomposed
//! into rows and columns (Li et al., "MViTv2", CVPR 2022, section 4.1).

use super::layers::Linear;
use crate::models::layers::dense;
use tch::nn::Path;
use tch::{Device, Kind, Tensor};

/// Queries that are worked on at a time: their logits to all tokens stay small, whatever the image.
const QUERIES: i64 = 512;
/// Tokens from which on a CPU is faster head by head.
const MANY: i64 = 1024;

/// `qkv`, `proj`, and a table of `[2 * side - 1, head]` for each axis.
#[derive(Debug)]
pub(super) struct Attention {
    qkv: Linear,
    proj: Linear,
    rel_pos_h: Tensor,
    rel_pos_w: Tensor,
    heads: i64,
    head: i64,
}

impl Attention {
    /// `side`: of what it attends to, tokens.
    pub(super) fn new(path: &Path, width: i64, heads: i64, side: i64) -> Self {
        let head = width / heads;
        Self {
            qkv: Linear::new(&(path / "qkv"), width, 3 * width),
            proj: Linear::new(&(path / "proj"), width, width),
            rel_pos_h: path.zeros("rel_pos_h", &[2 * side - 1, head]),
            rel_pos_w: path.zeros("rel_pos_w", &[2 * side - 1, head]),
            heads,
            head,
        }
    }

    /// `[B, H, W, D]` -> `[B, H, W, D]`, within windows of `window` x `window` tokens, or over the whole map where that
    /// is 0.
    ///
    /// The map is filled up to whole windows with tokens of zeros, which are seen as keys too, as the published model
    /// does. Here they enter only after the projection, of which they get the bias.
    pub(super) fn forward(&self, xs: &Tensor, window: i64) -> Tensor {
        let (batch, height, width, channels) = four(xs);
        let qkv = self.qkv.forward(xs);
        if window == 0 {
            let qkv = qkv.view([batch, height * width, 3, self.heads, self.head]).permute([2, 0, 3, 1, 4]);
            let attended = self.attend(&qkv, height, width).transpose(1, 2).reshape([batch, height, width, channels]);
            return self.proj.forward(&attended);
        }
        let (rows, columns) = ((height + window - 1) / window, (width + window - 1) / window);
        let (tall, wide) = (rows * window, columns * window);
        let qkv = if (tall, wide) == (height, width) {
            qkv
        } else {
            let filled = self.qkv.bias.expand([batch, tall, wide, 3 * channels], false).contiguous();
            filled.narrow(1, 0, height).narrow(2, 0, width).copy_(&qkv);
            filled
        };
        let windows = batch * rows * columns;
        let qkv = qkv
            .view([batch, rows, window, columns, window, 3, self.heads, self.head].as_slice())
            .permute([5, 0, 1, 3, 6, 2, 4, 7])
            .reshape([3, windows, self.heads, window * window, self.head]);
        let attended = self
            .attend(&qkv, window, window)
            .view([batch, rows, columns, self.heads, window, window, self.head].as_slice())
            .permute([0, 1, 4, 2, 5, 3, 6])
            .reshape([batch, tall, wide, channels]);
        self.proj.forward(&attended.narrow(1, 0, height).narrow(2, 0, width).contiguous())
    }

    /// `[3, B, heads, T, head]` of `height` x `width` tokens -> `[B, heads, T, head]`.
    fn attend(&self, qkv: &Tensor, height: i64, width: i64) -> Tensor {
        let (queries, keys, values) = (qkv.get(0), qkv.get(1), qkv.get(2));
        let (rows, columns) = (distances(&self.rel_pos_h, height), distances(&self.rel_pos_w, width));
        let tokens = height * width;
        if queries.device() == Device::Cpu && queries.kind() == Kind::Float && tokens >= MANY {
            return by_head(&queries, &keys, &values, [&rows, &columns], height, width);
        }
        let tall = if queries.device() == Device::Cpu { (QUERIES / width).clamp(1, height) } else { height };
        let parts: Vec<Tensor> = (0..height)
            .step_by(tall as usize)
            .map(|top| {
                let count = tall.min(height - top);
                let queries = queries.narrow(2, top * width, count * width);
                let bias = position_bias(&queries, &rows, &columns, [top, count, height, width]);
                let bias = bias.view([-1, self.heads, count * width, tokens]);
                Tensor::scaled_dot_product_attention(&queries, &keys, &values, Some(&bias), 0.0, false, None, false)
            })
            .collect();
        match parts.as_slice() {
            [one] => one.contiguous(),
            many => Tensor::cat(many, 2),
        }
    }
}

/// Queries, keys and values of many tokens, `[B, heads, T, head]` -> `[B, heads, T, head]`: one head at a time, its
/// products as [`dense`] makes them, which is twice as fast on a CPU as within LibTorch's fused kernel.
fn by_head(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    [rows, columns]: [&Tensor; 2],
    height: i64,
    width: i64,
) -> Tensor {
    let (batch, heads, tokens, head) = four(queries);
    let out = Tensor::empty([batch, heads, tokens, head], (queries.kind(), queries.device()));
    let tall = (QUERIES / width).clamp(1, height);
    for (image, index) in (0..batch).flat_map(|image| (0..heads).map(move |index| (image, index))) {
        let part = |xs: &Tensor| xs.get(image).get(index).contiguous();
        let (queries, keys, values) = (part(queries), part(keys) * (1.0 / (head as f64).sqrt()), part(values));
        let values = values.transpose(0, 1).contiguous();
        for top in (0..height).step_by(tall as usize) {
            let count = tall.min(height - top);
            let (start, length) = (top * width, count * width);
            let queries = queries.narrow(0, start, length);
            let bias = position_bias(&queries.view([1, 1, length, head]), rows, columns, [top, count, height, width]);
            let mut logits = dense(&queries, &keys, None);
            logits += bias.view([length, tokens]);
            let seen = dense(&logits.softmax(-1, None), &values, None);
            out.get(image).get(index).narrow(0, start, length).copy_(&seen);
        }
    }
    out
}

/// `[B, H, W, D]`.
pub(super) fn four(xs: &Tensor) -> (i64, i64, i64, i64) {
    let size = xs.size();
    let at = |dimension: usize| size.get(dimension).copied().unwrap_or(1);
    (at(0), at(1), at(2), at(3))
}

/// The table of an axis of `side` tokens, `[2 * side - 1, head]`, by rising distance from query to key. A table of
/// another side is stretched linearly.
fn distances(table: &Tensor, side: i64) -> Tensor {
    let length = 2 * side - 1;
    let table = if table.size().first() == Some(&length) {
        table.shallow_clone()
    } else {
        table.transpose(0, 1).unsqueeze(0).upsample_linear1d([length], false, None).squeeze_dim(0).transpose(0, 1)
    };
    table.flip([0]) // row `d` of the published table is for the query lying `d - side + 1` behind the key
}

/// `q . Rh[q_y - k_y] + q . Rw[q_x - k_x]` of the queries of `count` rows from the row `top` on to all keys:
/// `[B, heads, count * W, head]` -> `[B, heads, count, W, H, W]`.
///
/// The products with all distances are one matrix product; the right ones for a query are then a window of its row that
/// slides with the query's place: no gathering.
fn position_bias(queries: &Tensor, rows: &Tensor, columns: &Tensor, [top, count, height, width]: [i64; 4]) -> Tensor {
    let by_row = queries.matmul(&rows.transpose(0, 1)).contiguous(); // [B, heads, count * W, 2H - 1]
    let by_column = queries.matmul(&columns.transpose(0, 1)).contiguous();
    let (batch, heads, _, _) = four(queries);
    let (long, wide) = (2 * height - 1, 2 * width - 1);
    let plane = count * width;
    // A query of row `y` meets keys of distance `-y` on: place `height - 1 - y` of its products.
    let by_row = by_row.as_strided(
        [batch, heads, count, width, height, 1],
        [heads * plane * long, plane * long, width * long - 1, long, 1, 1],
        height - 1 - top,
    );
    let by_column = by_column.as_strided(
        [batch, heads, count, width, 1, width],
        [heads * plane * wide, plane * wide, width * wide, wide - 1, 1, 1],
        width - 1,
    );
    by_row + by_column
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// Element by element, as the sum is written.
    #[test]
    fn the_bias_is_the_sum_of_products_with_the_distances_of_rows_and_columns() {
        let (height, width, head) = (4, 3, 5);
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
        let queries = random(&[2, 2, height * width, head]);
        let (rows, columns) = (random(&[2 * height - 1, head]), random(&[2 * width - 1, head]));
        let (top, count) = (1, 2);
        let of_rows = queries.narrow(2, top * width, count * width);
        let bias = position_bias(
            &of_rows,
            &distances(&rows, height),
            &distances(&columns, width),
            [top, count, height, width],
        );
        assert_eq!(bias.size(), [2, 2, count, width, height, width]);
        let dot = |one: &Tensor, other: &Tensor| (one * other).sum(Kind::Double).double_value(&[]);
        for y in 0..count {
            for x in 0..width {
                let query = queries.get(1).get(0).get((top + y) * width + x);
                for ky in 0..height {
                    for kx in 0..width {
                        let expected = dot(&query, &rows.get(top + y - ky + height - 1))
                            + dot(&query, &columns.get(x - kx + width - 1));
                        let found = bias.double_value(&[1, 0, y, x, ky, kx]);
                        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn head_by_head_is_what_all_heads_together_are() {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (height, width, head) = (32, 32, 8);
        let qkv = random(&[3, 1, 2, height * width, head]);
        let attention = Attention::new(&tch::nn::VarStore::new(Device::Cpu).root(), 16, 2, 32);
        let attention = Attention { rel_pos_h: random(&[63, head]), rel_pos_w: random(&[63, head]), ..attention };
        assert!(height * width >= MANY);
        let one = attention.attend(&qkv, height, width);
        let attention = Attention {
            rel_pos_h: attention.rel_pos_h.to_kind(Kind::Double),
            rel_pos_w: attention.rel_pos_w.to_kind(Kind::Double),
            ..attention
        };
        let all = attention.attend(&qkv.to_kind(Kind::Double), height, width); // another type goes the other way
        assert!((one - all).abs().max().double_value(&[]) < 1e-4);
    }

    #[test]
    fn a_table_of_another_side_is_stretched() {
        let table = Tensor::arange(3, (Kind::Double, Device::Cpu)).view([3, 1]);
        let stretched: Vec<f64> = distances(&table, 3).flatten(0, 1).try_into().unwrap();
        let expected = [2.0, 1.6, 1.0, 0.4, 0.0]; // half-pixel centres, ends held
        assert!(
            stretched.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6),
            "{stretched:?}"
        );
    }
}
