"""CLIP's image encoder and text encoder as open_clip builds them, each alone, and CLIP's tokens.

This module is imported by its name (`helpers.networks.builders`): open_clip takes as long as NumPy
and pandas together, and most notebooks open no such network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import open_clip
import torch
from open_clip.model import _build_text_tower, _build_vision_tower  # as CLIP itself does
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.networks.builders import naming_options, unknown_name_error
from helpers.networks.weights import load_weights

ENCODER_CONFIGS = ("vision_cfg", "text_cfg")
CONFIG_KEYS = ("embed_dim", "quick_gelu", *ENCODER_CONFIGS)
"""The parts of open_clip's model configurations that decide what the encoders are."""


def list_models() -> list[str]:
    """Return the names of open_clip's models; ``-quickgelu`` has the activation of OpenAI's."""
    return open_clip.list_models()


def build(model: str, options: Mapping[str, Any]) -> nn.Module:
    """Build an untrained image encoder, from the global random state.

    Parameters
    ----------
    model : str
    options : mapping
        What differs from the model's configuration: ``embed_dim``, ``quick_gelu``, and within
        ``vision_cfg`` and ``text_cfg`` single settings.

    Returns
    -------
    nn.Module
        Maps images (n, 3, height, width) float32, normalised, to embeddings (n, embed_dim) that
        are not of unit length.
    """
    config = _model_config(model, options)
    return _build_vision_tower(config["embed_dim"], config["vision_cfg"], config["quick_gelu"])


def build_text_encoder(architecture: str, options: Mapping[str, Any],
                                 state: Mapping[str, Tensor]) -> nn.Module:
    """Build the text encoder of CLIP and give it its weights.

    Parameters
    ----------
    architecture : str
        ``open_clip:<model>``.
    options : mapping
        As for `build`: one entry of the registry describes both encoders.
    state : mapping of str to Tensor
        From ``read_state_dict(path, keys="open_clip_text")``.

    Returns
    -------
    nn.Module
        Maps tokens (n, context) int64 to embeddings (n, embed_dim) that are not of unit length;
        in evaluation mode, float32.

    Raises
    ------
    LabError
        Where the architecture or an option is unknown; where open_clip leaves the words to another
        project; or where the weights do not fit.
    """
    name = _require_builtin_vocabulary(architecture)
    with torch.random.fork_rng(devices=[]), naming_options(architecture, options):
        config = _model_config(name, options)
        model = _build_text_tower(config["embed_dim"], config["text_cfg"], config["quick_gelu"])
    load_weights(model, state, f"the weights do not fit the text encoder of {architecture}")
    return model.eval()


def tokenize(architecture: str, texts: Sequence[str]) -> Tensor:
    """Turn texts into CLIP's tokens, int64 (n_texts, context), padded with 0.

    A text begins with token 49406 and ends with 49407, also where it is too long and is cut.

    Raises
    ------
    LabError
        Where the architecture is unknown, or open_clip leaves its words to another project.
    """
    return _tokenizer(architecture)(list(texts))


@cache
def _tokenizer(architecture: str) -> Callable[[list[str]], Tensor]:
    return open_clip.get_tokenizer(_require_builtin_vocabulary(architecture))


def _require_builtin_vocabulary(architecture: str) -> str:
    """Return the model's name; refuse those whose vocabulary would have to be downloaded."""
    name = architecture.partition(":")[2]
    if name not in (models := list_models()):
        raise unknown_name_error(architecture, [f"open_clip:{known}" for known in models],
                                 "architecture")
    if any(setting.startswith("hf_") for setting in _model_config(name, {})["text_cfg"]):
        raise LabError(f"{architecture} reads words with the files of another project",
                       expected="a model with CLIP's own vocabulary",
                       remedy="choose another, for example open_clip:ViT-B-32-quickgelu")
    return name


def _model_config(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return open_clip's configuration of a model, with ``options`` in place of its settings."""
    if unknown_options := [part for part in options if part not in CONFIG_KEYS]:
        raise TypeError(f"{', '.join(unknown_options)} is none of {', '.join(CONFIG_KEYS)}")
    config = {"quick_gelu": False, **open_clip.get_model_config(model), **options}
    for encoder in ENCODER_CONFIGS:
        published = open_clip.get_model_config(model)[encoder]
        config[encoder] = {**published, "output_tokens": False, **options.get(encoder, {})}
    return {part: config[part] for part in CONFIG_KEYS}
