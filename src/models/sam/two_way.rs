//! The two-way transformer: few tokens look at the image, and the image looks at them.
//!
//! A prompt has few tokens and the image has thousands, so keys and values of the image are never computed: what a
//! projection would do to every place of the image is done to the tokens instead. With `k = Wk x + bk`, `q . k` is
//! `(Wk' q) . x` and a term that softmax over places cannot see; `sum p (Wv x + bv)` is `Wv (sum p x) + bv`. It is the
//! same sum in another order, at less than half the work, and nothing as large as the image is kept beside the image.

use super::config::Config;
use super::layers::{Linear, Mlp, Norm};
use tch::Tensor;
use tch::nn::Path;

/// PyTorch's default, which the decoder's normalisations have.
const EPS: f64 = 1e-5;

/// `q_proj`, `k_proj`, `v_proj` `[inner, C]` and `out_proj` `[C, inner]`.
#[derive(Debug)]
struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    heads: i64,
    /// Width of a head.
    head: i64,
    width: i64,
}

impl Attention {
    fn new(path: &Path, width: i64, inner: i64, heads: i64) -> Self {
        let linear = |name: &str| Linear::new(&(path / name), width, inner);
        Self {
            q_proj: linear("q_proj"),
            k_proj: linear("k_proj"),
            v_proj: linear("v_proj"),
            out_proj: Linear::new(&(path / "out_proj"), inner, width),
            heads,
            head: inner / heads,
            width,
        }
    }

    fn scale(&self) -> f64 {
        1.0 / (self.head as f64).sqrt()
    }

    /// `[B, N, inner]` -> `[B, heads, N, head]`.
    fn split(&self, xs: &Tensor) -> Tensor {
        let size = xs.size();
        xs.view([size[0], size[1], self.heads, self.head]).transpose(1, 2)
    }

    /// `[B, heads, N, head]` -> `[B, N, C]`, after the last projection.
    fn join(&self, xs: &Tensor) -> Tensor {
        self.out_proj.forward(&xs.transpose(1, 2).flatten(2, 3))
    }

    /// A projection by head, `[heads, head, C]`.
    fn by_head(&self, linear: &Linear) -> Tensor {
        linear.weight.view([self.heads, self.head, self.width])
    }

    /// Tokens among themselves: `[B, N, C]` each -> `[B, N, C]`.
    fn among(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        let [queries, keys, values] = [(&self.q_proj, queries), (&self.k_proj, keys), (&self.v_proj, values)]
            .map(|(p, xs)| self.split(&p.forward(xs)));
        self.join(&Tensor::scaled_dot_product_attention::<&Tensor>(
            &queries, &keys, &values, None, 0.0, false, None, false,
        ))
    }

    /// Tokens `[B, N, C]` on an image `[1, T, C]` that is the same for all prompts -> `[B, N, C]`.
    fn on_one_image(&self, queries: &Tensor, image: &SharedImage) -> Tensor {
        let size = queries.size();
        let queries = self.split(&self.q_proj.forward(queries).view([1, size[0] * size[1], -1]));
        let attended = Tensor::scaled_dot_product_attention::<&Tensor>(
            &queries,
            &image.keys,
            &image.values,
            None,
            0.0,
            false,
            None,
            false,
        );
        self.join(&attended).view(size.as_slice())
    }

    /// Tokens `[B, N, C]` on images of their own, `[B, T, C]`, without and with positions -> `[B, N, C]`.
    fn on_images(&self, queries: &Tensor, image: &Tensor, placed: &Tensor) -> Tensor {
        let size = queries.size();
        let (batch, tokens) = (size[0], size[1]);
        let queries = self.split(&(self.q_proj.forward(queries) * self.scale()));
        let probes = queries.matmul(&self.by_head(&self.k_proj)).flatten(1, 2); // [B, heads * N, C]
        let looks = probes.bmm(&placed.transpose(1, 2)).softmax(-1, None); // [B, heads * N, T]
        let seen = looks.bmm(image).view([batch, self.heads, tokens, self.width]);
        let values = seen.matmul(&self.by_head(&self.v_proj).transpose(1, 2));
        self.join(&(values + self.v_proj.bias.view([1, self.heads, 1, self.head])))
    }

    /// What the image, `[1 or B, T, C]` with positions, takes from tokens, `[B, N, C]` each: `added + ..`, `[B, T, C]`,
    /// where `added` is `[1 or B, T, C]`.
    fn of_tokens(&self, added: &Tensor, placed: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        let size = keys.size();
        let (batch, tokens, places) = (size[0], size[1], placed.size()[1]);
        let wide = self.heads * tokens;
        let keys = self.split(&(self.k_proj.forward(keys) * self.scale()));
        // token by token, then by head
        let rows = |xs: Tensor, last: i64| xs.transpose(1, 2).reshape([batch, wide, last]);
        let probes = rows(keys.matmul(&self.by_head(&self.q_proj)), self.width);
        let offsets = rows(keys.matmul(&self.q_proj.bias.view([self.heads, self.head, 1])), 1);
        let placed = placed.expand([batch, places, self.width], false);
        let looks = offsets.baddbmm(&probes, &placed.transpose(1, 2), 1.0, 1.0); // [B, N * heads, T]
        // Along a dimension that is not the last softmax runs over many places at once.
        let looks = looks.view([batch, tokens, self.heads * places]).softmax(1, None).view([batch, wide, places]);
        let values = self.split(&self.v_proj.forward(values));
        let by_head = self.out_proj.weight.view([self.width, self.heads, self.head]).permute([1, 2, 0]);
        let values = rows(values.matmul(&by_head), self.width);
        (added + &self.out_proj.bias).baddbmm(&looks.transpose(1, 2), &values, 1.0, 1.0)
    }
}

/// Keys and values of an image before any prompt has changed it, `[1, heads, T, head]`: for all prompts alike.
#[derive(Debug)]
struct SharedImage {
    keys: Tensor,
    values: Tensor,
}

#[derive(Debug)]
struct Block {
    self_attn: Attention,
    norm1: Norm,
    cross_attn_token_to_image: Attention,
    norm2: Norm,
    mlp: Mlp,
    norm3: Norm,
    norm4: Norm,
    cross_attn_image_to_token: Attention,
}

impl Block {
    fn new(path: &Path, config: &Config) -> Self {
        let (width, decoder) = (config.channels, &config.decoder);
        let norm = |name: &str| Norm::new(&(path / name), width, EPS);
        let cross = |name: &str| Attention::new(&(path / name), width, decoder.inner, decoder.heads);
        Self {
            self_attn: Attention::new(&(path / "self_attn"), width, width, decoder.heads),
            norm1: norm("norm1"),
            cross_attn_token_to_image: cross("cross_attn_token_to_image"),
            norm2: norm("norm2"),
            mlp: Mlp::new(&(path / "mlp"), width, decoder.mlp),
            norm3: norm("norm3"),
            norm4: norm("norm4"),
            cross_attn_image_to_token: cross("cross_attn_image_to_token"),
        }
    }

    /// Norm, feed-forward network, norm.
    fn think(&self, tokens: Tensor) -> Tensor {
        let tokens = self.norm2.forward(&tokens);
        let added = self.mlp.forward(&tokens, |mut inner| inner.relu_());
        self.norm3.forward(&(tokens + added))
    }

    /// The image after the tokens have told it of themselves, `[B, T, C]`.
    fn tell(&self, image: &Tensor, placed: &Tensor, tokens: &Tensor, prompts: &Tensor) -> Tensor {
        let keys = tokens + prompts;
        self.norm4.forward(&self.cross_attn_image_to_token.of_tokens(image, placed, &keys, tokens))
    }
}

/// An image embedding as all prompts first see it.
#[derive(Debug)]
pub(super) struct Scene {
    /// `[1, T, C]`, without and with positions.
    image: Tensor,
    placed: Tensor,
    /// `[1, T, C]`
    positions: Tensor,
    shared: SharedImage,
}

#[derive(Debug)]
pub(super) struct TwoWay {
    layers: Vec<Block>,
    final_attn_token_to_image: Attention,
    norm_final_attn: Norm,
}

impl TwoWay {
    pub(super) fn new(path: &Path, config: &Config) -> Self {
        let (width, decoder) = (config.channels, &config.decoder);
        let cross = path / "final_attn_token_to_image";
        Self {
            layers: (0..decoder.depth).map(|layer| Block::new(&(path / "layers" / layer), config)).collect(),
            final_attn_token_to_image: Attention::new(&cross, width, decoder.inner, decoder.heads),
            norm_final_attn: Norm::new(&(path / "norm_final_attn"), width, EPS),
        }
    }

    /// `image`, `positions`: `[T, C]`.
    pub(super) fn scene(&self, image: &Tensor, positions: &Tensor) -> Scene {
        let (image, positions) = (image.unsqueeze(0), positions.unsqueeze(0));
        let placed = &image + &positions;
        let shared = match self.layers.first().map(|block| &block.cross_attn_token_to_image) {
            Some(attn) => SharedImage {
                keys: attn.split(&attn.k_proj.forward(&placed)),
                values: attn.split(&attn.v_proj.forward(&image)),
            },
            None => SharedImage { keys: Tensor::new(), values: Tensor::new() },
        };
        Scene { image, placed, positions, shared }
    }

    /// Prompts' tokens `[B, N, C]` and a scene -> tokens `[B, N, C]` and each prompt's image `[B, T, C]`.
    pub(super) fn forward(&self, scene: &Scene, prompts: &Tensor) -> (Tensor, Tensor) {
        let mut tokens = prompts.shallow_clone();
        let mut image = scene.image.shallow_clone();
        let mut placed = scene.placed.shallow_clone();
        for (index, block) in self.layers.iter().enumerate() {
            // The first block takes no positions into the tokens' own attention, and does not keep what was there.
            tokens = if index == 0 {
                block.norm1.forward(&block.self_attn.among(&tokens, &tokens, &tokens))
            } else {
                let marked = &tokens + prompts;
                block.norm1.forward(&(block.self_attn.among(&marked, &marked, &tokens) + &tokens))
            };
            let (attn, marked) = (&block.cross_attn_token_to_image, &tokens + prompts);
            let seen = match index {
                0 => attn.on_one_image(&marked, &scene.shared),
                _ => attn.on_images(&marked, &image, &placed),
            };
            tokens = block.think(tokens + seen);
            image = block.tell(&image, &placed, &tokens, prompts);
            placed = &image + &scene.positions;
        }
        let marked = &tokens + prompts;
        let seen = self.final_attn_token_to_image.on_images(&marked, &image, &placed);
        (self.norm_final_attn.forward(&(tokens + seen)), image)
    }
}
