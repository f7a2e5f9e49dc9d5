"""Makes tests/golden/sam.json: what the package segment-anything 1.0 computes with seeded weights and with drawn
logits.

    python tests/golden/sam.py        # needs torch, torchvision, numpy, segment-anything, pycocotools, opencv

`published`: names and shapes of every tensor of the three published sizes, as a hash. `models`: embedding, mask logits
and IoU predictions of small models whose every parameter is the formula of src/models/weights/random.rs, on an image
that a formula draws, for a point each and (`prompts`) for points with labels, boxes and masks together. `generated`:
the records of the automatic generator under several settings, for logits that `answer` draws with nothing but sums and
products, so that they are the same to the bit elsewhere. `cleaned`: masks before and after small regions are removed.
"""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from encoders import parameter
from segment_anything import SamAutomaticMaskGenerator, sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.amg import coco_encode_rle, mask_to_rle_pytorch, remove_small_regions
from segment_anything.utils.transforms import ResizeLongestSide

HERE = Path(__file__).parent


def published() -> dict[str, str]:
    hashes = {}
    for name in ["vit_b", "vit_l", "vit_h"]:
        with torch.device("meta"):
            state = sam_model_registry[name]().state_dict()
        lines = sorted(f"{key} {'x'.join(map(str, tensor.shape))}\n" for key, tensor in state.items())
        hashes[name] = hashlib.sha256("".join(lines).encode()).hexdigest()
    return hashes


def small(image_size: int, window: int, blocks: list[int], reach: int) -> Sam:
    """`reach`: the side that the relative positions of global blocks are for."""
    patch, width, channels = 8, 48, 64
    grid = image_size // patch
    encoder = ImageEncoderViT(
        img_size=image_size, patch_size=patch, embed_dim=width, depth=3, num_heads=3, mlp_ratio=2, out_chans=channels,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=window,
        global_attn_indexes=blocks,
    )
    for index in blocks:
        for table in ["rel_pos_h", "rel_pos_w"]:
            setattr(encoder.blocks[index].attn, table, torch.nn.Parameter(torch.zeros(2 * reach - 1, width // 3)))
    prompts = PromptEncoder(
        embed_dim=channels, image_embedding_size=(grid, grid), input_image_size=(image_size, image_size),
        mask_in_chans=8
    )
    decoder = MaskDecoder(
        transformer=TwoWayTransformer(depth=2, embedding_dim=channels, num_heads=8, mlp_dim=96),
        transformer_dim=channels, iou_head_depth=3, iou_head_hidden_dim=40,
    )
    sam = Sam(encoder, prompts, decoder).eval()
    sam.load_state_dict({name: parameter(name, tensor.shape) for name, tensor in sam.state_dict().items()})
    return sam


def picture(width: int, height: int) -> np.ndarray:
    """Red tells the column and green the row."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x % 256, y % 256, (x * 7 + y * 13) % 256], -1).astype(np.uint8)


# Places in pixels of the encoder's square; `mask`: whether a mask is given that a formula draws.
PROMPTS = [
    {"points": [[9.0, 12.5], [30.0, 20.0], [3.5, 40.0]], "labels": [1, 0, 1], "box": None, "mask": False},
    {"points": [], "labels": [], "box": [4.0, 6.5, 41.0, 33.0], "mask": False},
    {"points": [[20.0, 11.0]], "labels": [0], "box": [2.0, 3.0, 50.5, 47.0], "mask": True},
    {"points": [[20.0, 11.0]], "labels": [1], "box": None, "mask": True},
]


def prompted(sam: Sam, embedding: torch.Tensor, prompt: dict) -> tuple[torch.Tensor, torch.Tensor]:
    points, box, mask = None, None, None
    if prompt["points"]:
        points = torch.tensor(prompt["points"])[None], torch.tensor(prompt["labels"])[None]
    if prompt["box"]:
        box = torch.tensor(prompt["box"])[None]
    if prompt["mask"]:
        side = sam.prompt_encoder.mask_input_size[0]
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        mask = (((rows * 5 + columns * 3) % 17) - 8.0)[None, None]
    sparse, dense = sam.prompt_encoder(points=points, boxes=box, masks=mask)
    return sam.mask_decoder(
        image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(), sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense, multimask_output=True,
    )


def model(image_size: int, window: int, blocks: list[int], reach: int, width: int, height: int) -> dict:
    sam = small(image_size, window, blocks, reach)
    image = picture(width, height)
    points = [[5.0, 7.0], [30.5, 21.0], [width - 1.0, 0.25]]
    transform = ResizeLongestSide(image_size)
    with torch.no_grad():
        pixels = torch.as_tensor(transform.apply_image(image)).permute(2, 0, 1)[None]
        embedding = sam.image_encoder(sam.preprocess(pixels))
        coords = torch.as_tensor(transform.apply_coords(np.array(points), (height, width)))[:, None]
        sparse, dense = sam.prompt_encoder(points=(coords, torch.ones(len(points), 1)), boxes=None, masks=None)
        logits, iou = sam.mask_decoder(
            image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(), sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense, multimask_output=True,
        )
        masks = sam.postprocess_masks(logits, tuple(pixels.shape[-2:]), (height, width))
        asked = [prompted(sam, embedding, prompt) for prompt in PROMPTS]
    numbers = lambda tensor, step: [float(f"{v:.7g}") for v in tensor.flatten()[::step].tolist()]
    return {
        "image_size": image_size, "window": window, "blocks": blocks, "reach": reach, "width": width, "height": height,
        "points": points, "embedding": numbers(embedding, 11), "iou": numbers(iou, 1), "logits": numbers(logits, 17),
        "masks": numbers(masks, 37), "prompts": [
            prompt | {"iou": numbers(iou, 1), "logits": numbers(logits, 17)}
            for prompt, (logits, iou) in zip(PROMPTS, asked)
        ], "largest": [embedding.abs().max().item(), logits.abs().max().item()],
    }


def mix(a, b, c) -> np.ndarray:
    """32 bits of three whole numbers."""
    a, b, c = (np.asarray(v, dtype=np.uint64) for v in (a, b, c))
    mask = np.uint64(0xFFFFFFFF)
    h = ((a * np.uint64(73856093)) ^ (b * np.uint64(19349663)) ^ (c * np.uint64(83492791))) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0x5BD1E995)) & mask
    return h ^ (h >> np.uint64(15))


class Drawn:
    """Answers a point with three masks: ovals around the middle of the cell of 30, 60 or 90 pixels that it lies in."""

    side, low = 256, 64
    device = "cpu"

    def __init__(self):
        self.transform = ResizeLongestSide(self.side)
        self.model = self
        self.mask_threshold = 0.0
        self.image_encoder = self
        self.img_size = self.side

    def set_image(self, image):
        self.size = image.shape[:2]
        self.origin = (int(image[0, 0, 0]), int(image[0, 0, 1]))
        self.input = self.transform.get_preprocess_shape(*self.size, self.side)

    def reset_image(self):
        pass

    def answer(self, x: float, y: float, m: int) -> tuple[np.ndarray, float]:
        """`x`, `y` within the square; the logits' places are turned into pixels of the whole image."""
        height, width = self.size
        over, down = width / self.input[1], height / self.input[0]
        fx, fy = x * over + self.origin[0], y * down + self.origin[1]
        cell = 30 * (m + 1)
        cx, cy = int(fx / cell), int(fy / cell)
        h = int(mix(cx, cy, m))
        mx, my = (cx + 0.5) * cell, (cy + 0.5) * cell
        radius = cell * (0.3 + 0.04 * (h % 8))
        at = (np.arange(self.low, dtype=np.float64) + 0.5) * (self.side / self.low)
        u, v = at[None, :] * over + self.origin[0], at[:, None] * down + self.origin[1]
        shape = radius * radius - (u - mx) * (u - mx) - (v - my) * (v - my) * (1.0 + 0.25 * (h % 3))
        grain = mix(np.arange(self.low)[None, :], np.arange(self.low)[:, None], m + 7).astype(np.float64) % 1000.0
        logits = shape * 0.5 + (grain * 0.001 - 0.5) * (12.0 * m + 3.0 * (h % 5))
        return logits.astype(np.float32), 0.8 + 0.002 * (h % 100) + 0.00001 * ((cx * 31 + cy * 17 + m * 7) % 97)

    def predict_torch(self, points, labels, multimask_output, return_logits):
        answers = [[self.answer(x, y, m) for m in range(3)] for x, y in points[:, 0].tolist()]
        logits = torch.from_numpy(np.stack([[logits for logits, _ in masks] for masks in answers]))
        iou = torch.tensor([[iou for _, iou in masks] for masks in answers], dtype=torch.float32)
        return Sam.postprocess_masks(self, logits, self.input, self.size), iou, logits


SETTINGS = [
    (200, 150, {}),
    (200, 150, {"points_per_side": 9, "points_per_batch": 10, "min_mask_region_area": 25}),
    (150, 200, {"points_per_side": 8, "crop_n_layers": 1, "crop_n_points_downscale_factor": 2,
        "pred_iou_thresh": 0.85}),
    (256, 256, {"points_per_side": 6, "crop_n_layers": 2, "crop_overlap_ratio": 0.2, "crop_nms_thresh": 0.5,
                "min_mask_region_area": 40, "stability_score_thresh": 0.8, "stability_score_offset": 0.5}),
    (97, 211, {"points_per_side": 5, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 0.95}),
    (64, 48, {"points_per_side": 3, "pred_iou_thresh": 2.0}),
]


def generated() -> list[dict]:
    results = []
    for width, height, settings in SETTINGS:
        class Model:
            image_encoder = Drawn()
        generator = SamAutomaticMaskGenerator(Model, output_mode="uncompressed_rle", **settings)
        generator.predictor = Drawn()
        records = generator.generate(picture(width, height)) if settings.get("pred_iou_thresh") != 2.0 else []
        for record in records:
            record["segmentation"] = coco_encode_rle(record["segmentation"])
        results.append({"width": width, "height": height, "settings": settings, "records": records})
        print(settings, len(records))
    return results


def cleaned() -> list[dict]:
    rng = np.random.default_rng(5)
    results = []
    for height, width, part, area in [(24, 31, 0.5, 6), (24, 31, 0.25, 40), (17, 16, 0.8, 3), (9, 40, 0.1, 9),
                                      (12, 12, 0.04, 50)]:
        mask = rng.random((height, width)) < part
        whole, _ = remove_small_regions(remove_small_regions(mask, area, "holes")[0], area, "islands")
        code = lambda m: coco_encode_rle(mask_to_rle_pytorch(torch.as_tensor(m)[None])[0])["counts"]
        results.append({"size": [height, width], "area": area, "before": code(mask), "after": code(whole)})
    return results


def main() -> None:
    models = [model(64, 3, [1], 8, 64, 48), model(64, 4, [0, 2], 6, 40, 64), model(96, 5, [2], 12, 96, 96)]
    value = {"published": published(), "models": models, "generated": generated(), "cleaned": cleaned()}
    (HERE / "sam.json").write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
