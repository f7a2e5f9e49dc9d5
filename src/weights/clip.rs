//! Hugging Face's names of CLIP's tensors, read as OpenAI's, which OpenCLIP and most other files use.

use super::StateDict;
use std::collections::BTreeMap;
use tch::Tensor;

/// Parts of names, Hugging Face's and OpenAI's; the longer ones come first.
const NAMES: [(&str, &str); 22] = [
    ("vision_model.embeddings.patch_embedding.", "visual.conv1."),
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."), // spelt so
    ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("visual_projection.weight", "visual.proj"),
    ("text_model.embeddings.token_embedding.", "token_embedding."),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.encoder.layers.", "transformer.resblocks."),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_projection.weight", "text_projection"),
    (".self_attn.q_proj.", ".attn.in_proj_"),
    (".self_attn.out_proj.", ".attn.out_proj."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
    // Left away: parts of the first projection, and counters.
    (".self_attn.k_proj.", ""),
    (".self_attn.v_proj.", ""),
    ("vision_model.embeddings.position_ids", ""),
    ("text_model.embeddings.position_ids", ""),
];

/// The tensors of a CLIP's file of Hugging Face, or of one of its two halves, by OpenAI's names; `None` for files of
/// other names. Queries, keys and values become one projection, and the last projections are transposed.
pub fn openai_names(dict: &StateDict) -> Option<StateDict> {
    let names: Vec<&String> = dict.tensors.keys().collect();
    if !names.iter().any(|name| name.contains("vision_model.encoder.") || name.contains("text_model.encoder.")) {
        return None;
    }
    let tensors: BTreeMap<String, Tensor> = dict.tensors.iter().filter_map(|entry| renamed(entry, dict)).collect();
    Some(StateDict { path: dict.path.clone(), format: dict.format, tensors })
}

fn renamed((name, tensor): (&String, &Tensor), dict: &StateDict) -> Option<(String, Tensor)> {
    const QUERIES: &str = ".self_attn.q_proj.";
    let mut new = name.clone();
    for (theirs, openai) in NAMES {
        if new.contains(theirs) {
            if openai.is_empty() {
                return None;
            }
            new = new.replace(theirs, openai);
        }
    }
    let tensor = if name.contains(QUERIES) {
        let part = |part: &str| dict.tensors.get(&name.replace(QUERIES, part));
        let parts = [Some(tensor), part(".self_attn.k_proj."), part(".self_attn.v_proj.")];
        let parts: Vec<&Tensor> = parts.into_iter().flatten().collect();
        // Of parts that do not fit, the first alone: its shape will be said to clash.
        Tensor::f_cat(&parts, 0).unwrap_or_else(|_| tensor.shallow_clone())
    } else if name.ends_with("_projection.weight") && tensor.dim() == 2 {
        tensor.transpose(0, 1)
    } else {
        tensor.shallow_clone()
    };
    Some((new, tensor))
}
