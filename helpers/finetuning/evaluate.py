"""One job: tune a network as a kind says, or leave it; then look at held-out images and judge.

Jobs run in processes of their own, one thread each, so that results do not depend on how many run
at once. What is fine-tuned and what is judged is kept in the cache; a tuning that was interrupted
goes on where it was.
"""

from __future__ import annotations

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
from helpers.finetuning.runs import EvaluationSet, FineTuningRun
from helpers.finetuning.training_loop import SubjectPairs, count_steps, train_model
from helpers.networks.activations import select_layer_paths, stream_activations
from helpers.training.processes import single_thread


def finetune(run: FineTuningRun) -> Arrays:
    """Tune, once: losses of the epochs, and weights by name.

    Returns
    -------
    dict
        ``losses`` (n_epochs,), and a tensor ``model/<name>`` for everything in the model.
    """
    run = replace(run, interpolation=1.0)
    state = cache_dir() / "finetuned" / f"{run.name}-{key(**run.parts)}.state.safetensors"
    checkpoints = {epoch: state.with_name(state.name.replace(".state", f".epoch{epoch}"))
                   for epoch in run.spec.checkpoints}

    def make() -> Arrays:
        model = run.build()
        # Beside others the bar of all jobs is enough; a job that is alone shows its steps.
        with manual_bar(f"tuning {run.name}", count_steps(run.training_pairs, run.config),
                        hidden=parent_process() is not None) as steps:
            try:
                losses = train_model(model, run.training_pairs, run.config, run.normalise,
                                     seed=run.seed,
                                     state=state, checkpoints=checkpoints,
                                     on_step=lambda step, _loss: steps.update(step - steps.n))
            except LabError as error:
                raise LabError(f"{run.name}: {error.seen}", expected=error.expected,
                               remedy=error.remedy) from error
        return {"losses": np.array(losses),
                **{f"model/{name}": tensor.cpu().numpy()
                   for name, tensor in model.state_dict().items()}}

    return cached("finetuned", run.name, run.parts, make)


def load_model(run: FineTuningRun) -> nn.Module:
    """Return the fine-tuned model, in evaluation mode; the network itself where nothing is
    fine-tuned."""
    if not run.training_pairs:
        return run.network.model
    model, saved = run.build(), finetune(run)
    model.load_state_dict({name.removeprefix("model/"): torch.from_numpy(values)
                           for name, values in saved.items() if name.startswith("model/")})
    if run.interpolation != 1:
        before, inside = run.network.model.state_dict(), get_backbone(run, model)
        inside.load_state_dict({
            name: torch.lerp(before[name], after,
                             run.interpolation) if after.is_floating_point() else after
            for name, after in inside.state_dict().items()})
    return model.eval()


def get_backbone(run: FineTuningRun, model: nn.Module) -> nn.Module:
    """Return the network inside a fine-tuned model."""
    return model.feature_extractor.backbone if run.training_pairs else model


def evaluate(run: FineTuningRun, evaluation_set: EvaluationSet) -> Arrays:
    """Judge one job by one look, once.

    Returns
    -------
    dict
        For each region of the look: ``r/<region>`` (n_voxels,), by the look's protocol;
        ``score_p2/…`` the same by P2, where there are folds; ``layer/…``; and ``curve/…``
        (n_layers,), the mean r of every layer at the best penalty of each voxel.
        ``held_out_bound/…``, see `helpers.finetuning.held_out_bound.BOUND_COLUMNS`, where a
        contrastive model knows the participant.
    """
    def make() -> Arrays:
        with single_thread():
            model = load_model(run)
            results: Arrays = {}
            if evaluation_set.protocol:
                results |= _score_regions(layer_kernels(get_backbone(run, model), run,
                                                        evaluation_set), evaluation_set)
            contrastive = run.condition.objective == "contrastive"
            for subject_pairs in run.training_pairs if contrastive else ():
                own_regions = [name for name in evaluation_set.responses
                               if name.startswith(f"{subject_pairs.subject}/")]
                for name in own_regions:
                    held_out = SubjectPairs(subject_pairs.subject, evaluation_set.pixels,
                                            evaluation_set.response_idx,
                                            evaluation_set.responses[name])
                    rows = np.arange(len(
                        held_out.responses)) if evaluation_set.test is None else evaluation_set.test
                    results[f"bound/{name}"] = held_out_bound(model, subject_pairs, held_out, rows,
                                                              run.normalise,
                                                              seed=run.seed)
            return results

    return cached("evaluations", run.name, {
        "finetuned": run.parts, "evaluation_set": evaluation_set.digest,
        "layers": list(run.spec.layers),
        "code": code_digest(["helpers.finetuning.evaluate"])}, make)


def _score_regions(K: cv.LayerKernels, evaluation_set: EvaluationSet) -> Arrays:
    """Predict all regions of a look; what depends on features alone is computed once for all."""
    results: Arrays = {}
    if evaluation_set.protocol == "P1":
        for name, y in evaluation_set.responses.items():
            layer, alpha = evaluation_set.preselected[name]
            curve = {one: cv.score_p1(K, y, evaluation_set.train, evaluation_set.test, one,
                                      alpha) for one in K}
            results |= {f"r/{name}": curve[layer].r, f"layer/{name}": np.array(layer),
                        f"curve/{name}": np.array([one.r.mean() for one in curve.values()])}
        return results
    all_responses = np.concatenate(list(evaluation_set.responses.values()), axis=1)
    fold_scores = {layer: cv.compute_fold_scores(values, all_responses, evaluation_set.folds,
                                                 inner_folds=evaluation_set.protocol == "nested")
                   for layer, values in K.items()}
    edges = np.cumsum([0, *(y.shape[1] for y in evaluation_set.responses.values())])
    for name, first, last in zip(evaluation_set.responses, edges, edges[1:]):
        by_layer = {layer: scores.select(slice(first,
                                               last)) for layer, scores in fold_scores.items()}
        published = cv.score_p2(by_layer)
        reported = cv.score_nested(by_layer) if evaluation_set.protocol == "nested" else published
        results |= {f"r/{name}": reported.r, f"layer/{name}": np.array(reported.layer),
                    f"p2/{name}": published.r, f"curve/{name}": np.array(
                        [scores.outer.mean(0).max(0).mean() for scores in by_layer.values()])}
    return results


def layer_kernels(backbone: nn.Module, run: FineTuningRun,
                  evaluation_set: EvaluationSet) -> dict[str, NDArray[np.float64]]:
    """Return the Gram matrix of every read-out layer over the conditions of a look."""
    device = next(backbone.parameters()).device
    parts: dict[str, list[NDArray]] = {}
    stream_activations(backbone, select_layer_paths(run.network.layers, run.spec.layers),
                       iter_batches(evaluation_set.pixels, run.normalise, device),
                       lambda _start, name, values: parts.setdefault(name, []).append(
                           values.to("cpu", torch.float32, copy=True).numpy()))
    return {name: cv.linear_kernel(average_by_condition(np.concatenate(parts.pop(name)),
                                                        evaluation_set.response_idx))
            for name in run.spec.layers}
