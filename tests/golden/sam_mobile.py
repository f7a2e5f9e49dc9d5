"""Makes tests/golden/sam_mobile.json: what MobileSAM's program computes with seeded weights.

    pip install timm git+https://github.com/ChaoningZhang/MobileSAM
    python tests/golden/sam_mobile.py        # beside these: what sam.py needs

`published`: names and shapes of every tensor of the published model, as a hash. `models`: embedding, mask logits and
IoU predictions of smaller models whose every parameter is the formula of src/models/weights/random.rs, on an image that
a formula draws. The program's encoder knows one side of image only, which its last reshape is freed from here.
"""

import hashlib
import json
from pathlib import Path

import torch
from encoders import parameter
from mobile_sam import sam_model_registry
from mobile_sam.modeling import MaskDecoder, PromptEncoder, Sam, TinyViT, TwoWayTransformer
from mobile_sam.utils.transforms import ResizeLongestSide
from sam import picture

HERE = Path(__file__).parent
CHANNELS = 256  # the program's encoder has no other


class Encoder(TinyViT):
    def forward_features(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        side = self.img_size // 16
        return self.neck(x.view(len(x), side, side, -1).permute(0, 3, 1, 2))


def published() -> str:
    state = sam_model_registry["vit_t"]().state_dict()
    lines = sorted(
        f"{key} {'x'.join(map(str, tensor.shape))}\n"
        for key, tensor in state.items() if not key.endswith("num_batches_tracked"))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def small(image_size: int, widths: list[int], depths: list[int], heads: list[int], windows: list[int]) -> Sam:
    grid = image_size // 16
    encoder = Encoder(
        img_size=image_size, num_classes=9, embed_dims=widths, depths=depths, num_heads=[1, *heads],
        window_sizes=[7, *windows], drop_path_rate=0.0, layer_lr_decay=0.8)
    prompts = PromptEncoder(
        embed_dim=CHANNELS, image_embedding_size=(grid, grid), input_image_size=(image_size, image_size),
        mask_in_chans=8)
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, num_heads=8, mlp_dim=96),
        transformer_dim=CHANNELS, iou_head_depth=3, iou_head_hidden_dim=40)
    sam = Sam(encoder, prompts, decoder).eval()
    sam.load_state_dict({
        name: tensor if name.endswith("num_batches_tracked") else parameter(name, tensor.shape)
        for name, tensor in sam.state_dict().items()})
    return sam.eval()  # once more: evaluation mode reads the biases of attention once


def model(image_size: int, widths: list[int], depths: list[int], heads: list[int], windows: list[int],
    size: list[int]) -> dict:
    sam = small(image_size, widths, depths, heads, windows)
    width, height = size
    points = [[5.0, 7.0], [30.5, 21.0], [width - 1.0, 0.25]]
    transform = ResizeLongestSide(image_size)
    with torch.no_grad():
        pixels = torch.as_tensor(transform.apply_image(picture(width, height))).permute(2, 0, 1)[None]
        embedding = sam.image_encoder(sam.preprocess(pixels))
        coords = torch.tensor(points)[:, None] * torch.tensor([pixels.shape[3] / width, pixels.shape[2] / height])
        sparse, dense = sam.prompt_encoder(points=(coords, torch.ones(len(points), 1)), boxes=None, masks=None)
        logits, iou = sam.mask_decoder(
            image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(), sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense, multimask_output=True)
    numbers = lambda tensor, step: [float(f"{v:.7g}") for v in tensor.flatten()[::step].tolist()]
    return {
        "image_size": image_size, "widths": widths, "depths": depths, "heads": heads, "windows": windows,
        "width": width, "height": height, "points": points,
        "embedding": numbers(embedding, 97), "iou": numbers(iou, 1), "logits": numbers(logits, 37),
    }


def main() -> None:
    models = [
        # A window as large as its map; windows that must be filled up.
        model(224, [16, 24, 40, 320], [1, 1, 2, 1], [3, 5, 10], [7, 14, 7], [224, 150]),
        model(160, [32, 48, 40, 320], [2, 2, 1, 2], [2, 4, 5], [7, 6, 4], [96, 160]),
    ]
    (HERE / "sam_mobile.json").write_text(json.dumps({"published": published(), "models": models}) + "\n")


if __name__ == "__main__":
    main()
