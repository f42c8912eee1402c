"""Tiny CLIP models, saved as OpenAI publishes them."""

from __future__ import annotations

import warnings

import open_clip
import torch

VIT, RESNET = "open_clip:ViT-B-32-quickgelu", "open_clip:RN50-quickgelu"
TEXT = {"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2}
TINY = {
    VIT: {"embed_dim": 16, "text_cfg": TEXT,
          "vision_cfg": {"image_size": 64, "patch_size": 32, "width": 32, "layers": 2,
                         "head_width": 16}},
    RESNET: {"embed_dim": 16, "text_cfg": TEXT,
             "vision_cfg": {"image_size": 64, "width": 8, "layers": [1, 1, 1, 1]}}}


def whole_model(architecture, precision=torch.float32):
    """Return open_clip's own whole model, tiny, with random weights that float16 can hold."""
    config = open_clip.get_model_config(architecture.partition(":")[2])
    for part, value in TINY[architecture].items():
        config[part] = config[part] | value if isinstance(value, dict) else value
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = open_clip.CLIP(**config).eval()
        for tensor in model.state_dict().values():
            if tensor.ndim == 1:  # these begin as constants, and a swap would pass unseen
                tensor.copy_(tensor + 0.3 * torch.rand_like(tensor))
            if tensor.ndim == 4:  # convolutions, whose initial weights let the image fade
                tensor.mul_(2.5)
    open_clip.convert_weights_to_fp16(model)
    return model.to(precision) if precision else model


def publish(architecture, path):
    """Save a tiny CLIP as OpenAI does: TorchScript, partly float16, with three scalars."""
    model = whole_model(architecture, precision=None)
    text = TINY[architecture]["text_cfg"]
    sizes = {"input_resolution": 64, "context_length": text["context_length"],
             "vocab_size": text["vocab_size"]}
    mask = model.attn_mask
    for name in ("context_length", "vocab_size", "attn_mask"):
        delattr(model, name)
    model.attn_mask = mask  # a plain attribute there, no tensor of the state dict
    for name, size in sizes.items():
        model.register_buffer(name, torch.tensor(size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(model), path)
