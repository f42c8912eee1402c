"""CLIP's image encoder and text encoder as open_clip builds them, each alone, and CLIP's tokens.

open_clip is imported where it is used: with timm it takes as long as NumPy and pandas together,
and most notebooks open no such network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.networks.weights import load_weights

ENCODER_CONFIGS = ("vision_cfg", "text_cfg")
CONFIG_KEYS = ("embed_dim", "quick_gelu", *ENCODER_CONFIGS)
"""The parts of open_clip's model configurations that decide what the encoders are."""


def list_open_clip_models() -> list[str]:
    """Return the names of open_clip's models; ``-quickgelu`` has the activation of OpenAI's."""
    import open_clip

    return open_clip.list_models()


def build_open_clip_image_encoder(architecture: str, options: Mapping[str, Any]) -> nn.Module:
    """Build an untrained image encoder, from the global random state.

    Parameters
    ----------
    architecture : str
        ``open_clip:<model>``.
    options : mapping
        What differs from the model's configuration: ``embed_dim``, ``quick_gelu``, and within
        ``vision_cfg`` and ``text_cfg`` single settings.

    Returns
    -------
    nn.Module
        Maps images (n, 3, height, width) float32, normalised, to embeddings (n, embed_dim) that
        are not of unit length.

    Raises
    ------
    LabError
        Where the architecture or an option is unknown, or an option impossible.
    """
    from open_clip.model import _build_vision_tower  # CLIP itself builds both encoders with these

    return _build_encoder(_build_vision_tower, architecture, options, "vision_cfg")


def build_open_clip_text_encoder(architecture: str, options: Mapping[str, Any],
                                 state: Mapping[str, Tensor]) -> nn.Module:
    """Build the text encoder of CLIP and give it its weights.

    Parameters
    ----------
    architecture, options
        As for `build_open_clip_image_encoder`: one entry of the registry describes both encoders.
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
        As `build_open_clip_image_encoder`; where open_clip leaves the words to another project; or
        where the weights do not fit.
    """
    from open_clip.model import _build_text_tower

    _require_builtin_vocabulary(architecture)
    with torch.random.fork_rng(devices=[]):
        model = _build_encoder(_build_text_tower, architecture, options, "text_cfg")
    load_weights(model, state, f"the weights do not fit the text encoder of {architecture}")
    return model.eval()


def tokenize_open_clip(architecture: str, texts: Sequence[str]) -> Tensor:
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
    import open_clip

    _require_builtin_vocabulary(architecture)
    return open_clip.get_tokenizer(architecture.partition(":")[2])


def _require_builtin_vocabulary(architecture: str) -> None:
    """Refuse models whose vocabulary would have to be downloaded, and their text encoder."""
    if any(setting.startswith("hf_") for setting in _model_config(architecture, {})["text_cfg"]):
        raise LabError(f"{architecture} reads words with the files of another project",
                       expected="a model with CLIP's own vocabulary",
                       remedy="choose another, for example open_clip:ViT-B-32-quickgelu")


def _model_config(architecture: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return open_clip's configuration of a model, with ``options`` in place of its settings."""
    import open_clip

    kind, _, name = architecture.partition(":")
    if kind != "open_clip" or name not in list_open_clip_models():
        raise LabError(f"the architecture {architecture!r} is unknown",
                       expected="open_clip:<model>, for example open_clip:ViT-B-32-quickgelu",
                       remedy="correct `architecture` in helpers/networks/registry.toml; "
                       "open_clip.list_models() lists the models")
    if unknown_options := [part for part in options if part not in CONFIG_KEYS]:
        raise TypeError(f"{', '.join(unknown_options)} is none of {', '.join(CONFIG_KEYS)}")
    published_config = {"quick_gelu": False, **open_clip.get_model_config(name)}
    encoder_configs = {encoder: {**published_config[encoder], "output_tokens": False,
                                 **options.get(encoder, {})}
                       for encoder in ENCODER_CONFIGS}
    return {part: {**published_config, **options, **encoder_configs}[part] for part in CONFIG_KEYS}


def _build_encoder(builder: Callable[..., nn.Module], architecture: str, options: Mapping[str, Any],
                   encoder: str) -> nn.Module:
    try:
        config = _model_config(architecture, options)
        return builder(config["embed_dim"], config[encoder], config["quick_gelu"])
    except (TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError) as error:
        raise LabError(f"{architecture} cannot be built with {dict(options)}: {error}",
                       expected="options that open_clip knows and that fit together",
                       remedy="correct `options` in helpers/networks/registry.toml") from error
