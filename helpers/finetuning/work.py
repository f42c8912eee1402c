"""One job: tune a network as a kind says, or leave it; then look at held-out pictures and judge.

Jobs run in processes of their own, one thread each, so that results do not depend on how many run
at once. What is tuned and what is judged is kept in the cache; a tuning that was interrupted goes
on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import parent_process

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from helpers.finetuning import crossvalidation as cv
from helpers.finetuning.embedding import averaged, bound, shown
from helpers.finetuning.jobs import Job, Look
from helpers.finetuning.tuning import Pairs, steps_in, tune
from helpers.ground.cache import Arrays, cached, key
from helpers.ground.console import bar
from helpers.ground.digest import code_digest
from helpers.ground.errors import LabError
from helpers.ground.paths import cache_dir
from helpers.networks.activations import paths_of, stream
from helpers.training.processes import one_thread


def tuned(job: Job) -> Arrays:
    """Tune, once: losses of the epochs, and weights by name.

    Returns
    -------
    dict
        ``losses`` (n_epochs,), and a tensor ``model/<name>`` for everything in the model.
    """
    job = replace(job, share=1.0)
    state = cache_dir() / "tuned" / f"{job.name}-{key(**job.parts)}.state.safetensors"
    keep = {epoch: state.with_name(state.name.replace(".state", f".epoch{epoch}"))
            for epoch in job.spec.checkpoints}

    def make() -> Arrays:
        model = job.build()
        # Beside others the bar of all jobs is enough; a job that is alone shows its steps.
        with bar(f"tuning {job.name}", steps_in(job.people, job.recipe),
                 hidden=parent_process() is not None) as steps:
            try:
                losses = tune(model, job.people, job.recipe, job.scale, seed=job.seed,
                              state=state, keep=keep,
                              on_step=lambda step, _loss: steps.update(step - steps.n))
            except LabError as error:
                raise LabError(f"{job.name}: {error.seen}", expected=error.expected,
                               remedy=error.remedy) from error
        return {"losses": np.array(losses),
                **{f"model/{name}": tensor.cpu().numpy()
                   for name, tensor in model.state_dict().items()}}

    return cached("tuned", job.name, job.parts, make)


def opened(job: Job) -> nn.Module:
    """Return the tuned model, in evaluation mode; the network itself where nothing is tuned."""
    if not job.people:
        return job.network.model
    model, kept = job.build(), tuned(job)
    model.load_state_dict({name.removeprefix("model/"): torch.from_numpy(values)
                           for name, values in kept.items() if name.startswith("model/")})
    if job.share != 1:
        before, inside = job.network.model.state_dict(), backbone_of(job, model)
        inside.load_state_dict({
            name: torch.lerp(before[name], after, job.share) if after.is_floating_point() else after
            for name, after in inside.state_dict().items()})
    return model.eval()


def backbone_of(job: Job, model: nn.Module) -> nn.Module:
    """Return the network inside a tuned model."""
    return model.reader.backbone if job.people else model


def judged(job: Job, look: Look) -> Arrays:
    """Judge one job by one look, once.

    Returns
    -------
    dict
        For each region of the look: ``r/<region>`` (n_voxels,), by the look's protocol; ``p2/…``
        the same by P2, where there are folds; ``layer/…``; and ``curve/…`` (n_layers,), the mean
        r of every layer at the best penalty of each voxel. ``bound/…``, see
        `helpers.finetuning.embedding.BOUND`, where a contrastive model knows the participant.
    """
    def make() -> Arrays:
        with one_thread():
            model = opened(job)
            found: Arrays = {}
            if look.protocol:
                found |= _asked(grams(backbone_of(job, model), job, look), look)
            for person in job.people if job.kind.objective == "contrastive" else ():
                mine = [name for name in look.responses if name.startswith(f"{person.subject}/")]
                for name in mine:
                    held_out = Pairs(person.subject, look.pixels, look.condition,
                                     look.responses[name])
                    rows = np.arange(len(held_out.responses)) if look.test is None else look.test
                    found[f"bound/{name}"] = bound(model, person, held_out, rows, job.scale,
                                                   seed=job.seed)
            return found

    return cached("judged", job.name, {
        "tuned": job.parts, "look": look.digest, "layers": list(job.spec.layers),
        "code": code_digest(["helpers.finetuning.work"])}, make)


def _asked(products: cv.Grams, look: Look) -> Arrays:
    """Predict all regions of a look; what depends on features alone is computed once for all."""
    found: Arrays = {}
    if look.protocol == "P1":
        for name, y in look.responses.items():
            layer, alpha = look.fixed[name]
            curve = {one: cv.p1(products, y, look.fit, look.test, one, alpha) for one in products}
            found |= {f"r/{name}": curve[layer].r, f"layer/{name}": np.array(layer),
                      f"curve/{name}": np.array([one.r.mean() for one in curve.values()])}
        return found
    together = np.concatenate(list(look.responses.values()), axis=1)
    every = {layer: cv.fold_scores(values, together, look.folds,
                                   inside=look.protocol == "nested")
             for layer, values in products.items()}
    edges = np.cumsum([0, *(y.shape[1] for y in look.responses.values())])
    for name, first, last in zip(look.responses, edges, edges[1:]):
        by_layer = {layer: scores.of(slice(first, last)) for layer, scores in every.items()}
        published = cv.p2(by_layer)
        ours = cv.nested(by_layer) if look.protocol == "nested" else published
        found |= {f"r/{name}": ours.r, f"layer/{name}": np.array(ours.layer),
                  f"p2/{name}": published.r, f"curve/{name}": np.array(
                      [scores.outer.mean(0).max(0).mean() for scores in by_layer.values()])}
    return found


def grams(backbone: nn.Module, job: Job, look: Look) -> dict[str, NDArray[np.float64]]:
    """Return the Gram matrix of every read-out layer over the conditions of a look."""
    device = next(backbone.parameters()).device
    parts: dict[str, list[NDArray]] = {}
    stream(backbone, paths_of(job.network.layers, job.spec.layers),
           shown(look.pixels, job.scale, device),
           lambda _start, name, values: parts.setdefault(name, []).append(
               values.to("cpu", torch.float32, copy=True).numpy()))
    return {name: cv.gram(averaged(np.concatenate(parts.pop(name)), look.condition))
            for name in job.spec.layers}
