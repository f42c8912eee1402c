"""Fine-tune one network, and evaluate it on held-out images: each once, then the cache.

Runs work on one thread each, so that results do not depend on how many run at once. A fine-tuning
that was interrupted continues after its last saved epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing import parent_process

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from helpers.core.cache import Arrays, cached, key
from helpers.core.console import manual_bar
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir
from helpers.finetuning import ridge_cv as cv
from helpers.finetuning.held_out_bound import average_by_condition, held_out_bound, iter_batches
from helpers.finetuning.models import ContrastiveModel, RegressionModel
from helpers.finetuning.runs import EvaluationSet, FineTuningRun
from helpers.finetuning.training_loop import SubjectPairs, count_steps, train_model
from helpers.networks.activations import select_layer_paths, stream_activations
from helpers.training.processes import single_thread


def finetune(run: FineTuningRun) -> Arrays:
    """Fine-tune a network, once.

    Returns
    -------
    dict
        ``losses`` (n_epochs,), and a tensor ``model/<name>`` for everything in the model.
    """
    run = replace(run, interpolation=1.0)
    parts = run.parts
    state = cache_dir() / "finetuned" / f"{run.name}-{key(**parts)}.state.safetensors"
    checkpoints = {epoch: state.with_name(state.name.replace(".state", f".epoch{epoch}"))
                   for epoch in run.cohort_data.spec.checkpoints}

    def make() -> Arrays:
        model, pairs = run.build(), run.training_pairs
        # In a worker process the bar of all runs is enough; a run that is alone shows its steps.
        with manual_bar(f"fine-tuning {run.name}", count_steps(pairs, run.config),
                        hidden=parent_process() is not None) as steps:
            try:
                losses = train_model(model, pairs, run.config, run.normalise, seed=run.seed,
                                     state=state, checkpoints=checkpoints,
                                     on_step=lambda step, _loss: steps.update(step - steps.n))
            except LabError as error:
                raise LabError(f"{run.name}: {error.seen}", expected=error.expected,
                               remedy=error.remedy) from error
        return {"losses": np.array(losses),
                **{f"model/{name}": _to_saved(tensor, run.cohort_data.spec.saved_precision)
                   for name, tensor in model.state_dict().items()}}

    return cached("finetuned", run.name, parts, make)


def _to_saved(tensor: torch.Tensor, precision: str) -> NDArray:
    """Return a tensor as it is saved; in float32 where it exceeds the range of float16."""
    half = tensor.half() if precision == "float16" and tensor.dtype == torch.float32 else tensor
    return (half if half.isfinite().all() else tensor).cpu().numpy()


def load_model(run: FineTuningRun) -> nn.Module:
    """Return the fine-tuned model, in evaluation mode; without fine-tuning the network itself."""
    if not run.regions:
        return run.network.model
    model, saved = run.build(), finetune(run)
    model.load_state_dict({name.removeprefix("model/"): torch.from_numpy(values)
                           for name, values in saved.items() if name.startswith("model/")})
    if run.interpolation != 1:
        before, backbone = run.network.model.state_dict(), get_backbone(model)
        backbone.load_state_dict({
            name: torch.lerp(before[name], after, run.interpolation)
            if after.is_floating_point() else after
            for name, after in backbone.state_dict().items()})
    return model.eval()


def get_backbone(model: nn.Module) -> nn.Module:
    """Return the network inside a fine-tuned model; a network itself."""
    is_finetuned = isinstance(model, ContrastiveModel | RegressionModel)
    return model.feature_extractor.backbone if is_finetuned else model


def evaluate(run: FineTuningRun, evaluation_set: EvaluationSet) -> Arrays:
    """Evaluate a network on held-out images, once; it is fine-tuned first where it was not yet.

    Returns
    -------
    dict
        For each region of the evaluation set: ``r/<region>`` (n_voxels,), by its protocol;
        ``p2/…`` the same by P2, where there are folds; ``layer/…``; and ``curve/…`` (n_layers,),
        the mean r of every layer at the best penalty of each voxel. ``bound/…``, see
        `helpers.finetuning.held_out_bound.BOUND_COLUMNS`, where a contrastive model was fine-tuned
        to the participant. ``unseen/r/…`` and so on: the same of the set's ``unseen_ids``, where it
        has some; ridge is fitted to all conditions, selection and scores are those of these alone.
    """
    def make() -> Arrays:
        with single_thread():
            model, results = load_model(run), {}
            if evaluation_set.protocol:
                kernels = layer_kernels(run, get_backbone(model), evaluation_set)
                results |= _score_regions(kernels, evaluation_set)
            if run.condition.objective == "contrastive":
                results |= _bounds(run, model, evaluation_set)
            return results

    return _cached_evaluation(run.name, run, evaluation_set, make)


def _cached_evaluation(name: str, run: FineTuningRun, evaluation_set: EvaluationSet,
                       make: Callable[[], Arrays]) -> Arrays:
    return cached("evaluations", name, {
        "finetuned": run.parts, "evaluation_set": evaluation_set.parts,
        "layers": list(run.cohort_data.spec.layers),
        "code": code_digest(["helpers.finetuning.evaluate"])}, make)


def _bounds(run: FineTuningRun, model: nn.Module, evaluation_set: EvaluationSet) -> Arrays:
    """Bound the information of the regions of participants to whom the model was fine-tuned."""
    images, response_idx = evaluation_set.cohort_data.images(evaluation_set.stimulus_ids)
    row_sets, results = evaluation_set.row_sets, {}
    for pairs in run.training_pairs:
        for label, y in evaluation_set.responses.items():
            if label.startswith(f"{pairs.subject}/"):
                bounds = held_out_bound(
                    model, pairs, SubjectPairs(pairs.subject, images, response_idx, y),
                    list(row_sets.values()), run.normalise, seed=run.seed)
                results |= {f"{prefix}bound/{label}": one for prefix, one in zip(row_sets, bounds)}
    return results


def _score_regions(kernels: Mapping[str, cv.Kernel], evaluation_set: EvaluationSet) -> Arrays:
    """Predict all regions; what depends on features alone is computed once for all of them."""
    if evaluation_set.protocol == "P1":
        return _score_preselected(kernels, evaluation_set)
    responses, row_sets, results = evaluation_set.responses, evaluation_set.row_sets, {}
    all_responses = np.concatenate(list(responses.values()), axis=1)
    masks = [np.isin(np.arange(len(all_responses)), rows) for rows in row_sets.values()]
    nested = evaluation_set.protocol == "nested"
    fold_scores = {layer: cv.compute_fold_scores_of(K, all_responses, evaluation_set.folds, masks,
                                                    inner_folds=nested)
                   for layer, K in kernels.items()}
    edges = np.cumsum([0, *(y.shape[1] for y in responses.values())])
    for number, prefix in enumerate(row_sets):
        for name, first, last in zip(responses, edges, edges[1:]):
            by_layer = {layer: scores[number][..., first:last]
                        for layer, scores in fold_scores.items()}
            p2, p2_layer = cv.score_p2(by_layer)
            r, layer = cv.score_nested(by_layer) if nested else (p2, p2_layer)
            curve = [cv.average_folds(scores).max(0).mean() for scores in by_layer.values()]
            results |= {f"{prefix}r/{name}": r, f"{prefix}p2/{name}": p2,
                        f"{prefix}layer/{name}": np.array(layer),
                        f"{prefix}curve/{name}": np.array(curve)}
    return results


def _score_preselected(kernels: Mapping[str, cv.Kernel], evaluation_set: EvaluationSet) -> Arrays:
    """Predict all regions by P1: fitted to the images of the fine-tuning, tested on others.

    Each region has its own layer and penalty, which were selected beforehand.
    """
    tested, results = evaluation_set.test_rows, {}
    for (name, y), train in zip(evaluation_set.responses.items(), evaluation_set.train_ids):
        layer, alpha = evaluation_set.preselected[name]
        train_rows = np.searchsorted(evaluation_set.stimulus_ids, train)
        predicted = {one: cv.predict_ridge(K, y, train_rows, tested, alphas=(alpha,))
                     for one, K in kernels.items()}
        for prefix, rows in evaluation_set.row_sets.items():
            r = {one: cv.correlate_predictions(values[:, np.isin(tested, rows)], y[rows])[0]
                 for one, values in predicted.items()}
            results |= {f"{prefix}r/{name}": r[layer], f"{prefix}layer/{name}": np.array(layer),
                        f"{prefix}curve/{name}": np.array([one.mean() for one in r.values()])}
    return results


def layer_kernels(run: FineTuningRun, backbone: nn.Module,
                  evaluation_set: EvaluationSet) -> dict[str, cv.Kernel]:
    """Return the Gram matrix of every layer's features over the conditions of an evaluation set.

    On the device of ``backbone``: the run's network, before or after fine-tuning.
    """
    images, response_idx = evaluation_set.cohort_data.images(evaluation_set.stimulus_ids)
    device, layers = next(backbone.parameters()).device, run.cohort_data.spec.layers
    parts: dict[str, list[NDArray]] = {}
    stream_activations(backbone, select_layer_paths(run.network.layers, layers),
                       iter_batches(images, run.normalise, device),
                       lambda _start, name, values: parts.setdefault(name, []).append(
                           values.to("cpu", torch.float32, copy=True).numpy()))
    return {name: cv.linear_kernel(average_by_condition(np.concatenate(parts.pop(name)),
                                                        response_idx), device) for name in layers}


def preselect_layer_and_alpha(run: FineTuningRun,
                              evaluation_set: EvaluationSet) -> tuple[str, float]:
    """Select layer and penalty of one region on a network that is not fine-tuned, once.

    For protocol P1 (the preprint's encoding accuracy; authors' encoding scripts).
    """
    def make() -> Arrays:
        kernels = layer_kernels(run, run.network.model, evaluation_set)
        (y,) = evaluation_set.responses.values()
        layer, alpha, _ = cv.select_layer_and_alpha(kernels, y, evaluation_set.folds)
        return {"layer": np.array(layer), "alpha": np.array(alpha)}

    name = f"preselected-{evaluation_set.regions[0].name}".replace(" ", "_")
    selected = _cached_evaluation(name, run, evaluation_set, make)
    return str(selected["layer"]), float(selected["alpha"])
