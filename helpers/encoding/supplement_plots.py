"""Panels of the encoding supplement: all predictors, layers, noise ceilings, measured RDMs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from helpers.encoding.cohort_features import WHOLE_LAYER
from helpers.encoding.plots import dodge, draw_ceilings, label_rois, marker_handle
from helpers.figures import style

PREDICTOR_STYLES = {
    "contrastive": (style.TRAINING["contrastive"], "o"),
    "faces only": (style.TRAINING["contrastive, variant"], "s"),
    "untrained": (style.TRAINING["untrained"], "^"),
    "GistPC": (style.TRAINING["untrained"], "D"), "Gabor": (style.TRAINING["untrained"], "P"),
    "ridge, whole layers": (style.TRAINING["regression"], "v")}
"""Predictor -> colour (what was trained, and how; controls are grey) and marker."""
WIDTH = 0.84
"""Of a region's predictors side by side."""


def predictor_scores(axes: Axes, scores: pd.DataFrame, ceilings: pd.DataFrame, rois: Sequence[str],
                     predictors: Sequence[str]) -> None:
    """Draw every participant's score by region and predictor, and the mean as a bar.

    "2 × 0" above the axis: for two participants the predictor predicts nothing, which scores 0.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        Columns ``roi, predictor, subject, score, predicts_nothing``.
    ceilings : DataFrame
        Columns ``roi, value``: one noise ceiling a participant; the band spans their range.
    rois : sequence of str
    predictors : sequence of str
        Predictors, in order; keys of `PREDICTOR_STYLES`.
    """
    draw_ceilings(axes, ceilings, rois)
    for position, roi in enumerate(rois):
        for name, shift in zip(predictors, dodge(len(predictors), WIDTH)):
            part = scores[(scores["roi"] == roi) & (scores["predictor"] == name)]
            values, n_zero = part["score"].dropna().to_numpy(), int(part["predicts_nothing"].sum())
            x, (colour, marker) = position + shift, PREDICTOR_STYLES[name]
            axes.plot(np.full(len(values), x), values, marker, color=colour, markersize=2.6,
                      alpha=0.8, markeredgewidth=0)
            if len(values):
                axes.hlines(values.mean(), x - 0.06, x + 0.06, color="k", linewidth=1.1, zorder=3)
            if n_zero:
                axes.text(x, 0.0, f"{n_zero} × 0", ha="center", va="bottom", color="0.3",
                          fontsize=6.5, transform=axes.get_xaxis_transform())
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7, zorder=1)
    if axes.texts:
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom - 0.1 * (top - bottom), top)
    label_rois(axes, rois, scores.dropna(subset="score").groupby("roi")["subject"].nunique())



def predictor_handles(predictors: Sequence[str]) -> list[Line2D]:
    """Return the entries of a legend of predictors, and of the stars."""
    return [*(marker_handle(name, *PREDICTOR_STYLES[name]) for name in predictors),
            *(marker_handle(label, "0.2", "*", markersize=5, markerfacecolor=face)
              for label, face in (("contrastive better, p < .05", "0.2"), ("worse", "none")))]


def significance_row(axes: Axes, tests: pd.DataFrame, rois: Sequence[str],
                     predictors: Sequence[str], *, y: float) -> None:
    """Mark, above each region, the predictors from which the first one differs (corrected).

    Parameters
    ----------
    axes : Axes
    tests : DataFrame
        Of `helpers.encoding.statistics.compare_with_competitors`. A filled star above a predictor:
        the first one is better, p < .05 after Bonferroni; an open one: it is worse.
    rois, predictors : sequence of str
        As for `predictor_scores`; the first name is the predictor that is compared.
    y : float
        Height in axes units.
    """
    significant = (tests["p_bonferroni"] < 0.05) & tests["competitor"].isin(predictors)
    shifts = dict(zip(predictors, dodge(len(predictors), WIDTH)))
    for row in tests[significant & tests["roi"].isin(rois)].itertuples():
        x = list(rois).index(row.roi) + shifts[row.competitor]
        axes.plot(x, y, "*", color="0.2", markersize=5, clip_on=False, markeredgewidth=0.6,
                  markerfacecolor="0.2" if row.difference > 0 else "none",
                  transform=axes.get_xaxis_transform())


def own_and_other_curves(axes: Axes, curves: pd.DataFrame, metric: str, own: str,
                         layers: Sequence[str], methods: Sequence[str]) -> None:
    """Draw one region's score by layer: from its own pool of units, and the mean of the others.

    Shaded: ± SEM over participants. A layer in which a pool has too few units is a gap. Rows of
    whole layers are those of the network trained on faces only, which lacks some of the layers.
    After a layer's name: how many of the own pool have a weight for a vertex, by the first method.

    Parameters
    ----------
    axes : Axes
    curves : DataFrame
        Columns ``subject, layer, domain, method, n_nonzero_weights`` and ``metric``, of one
        region.
    metric : str
    own : str
        The region's domain.
    layers : sequence of str
    methods : sequence of str
        The first is drawn solid, the second dashed.
    """
    of_faces_only = curves["domain"] == WHOLE_LAYER
    is_own = curves["domain"] == own
    lines = [(rows & (curves["method"] == method), layers, line, colour, marker)
             for method, line in zip(methods, ("-", "--"))
             for rows, colour, marker in ((~is_own & ~of_faces_only, "0.55", "x"),
                                          (is_own, style.COLOURS.get(own, "k"),
                                           style.MARKERS.get(own, "o")))]
    its_layers = [layer for layer in layers if layer in set(curves.loc[of_faces_only, "layer"])]
    lines.append((of_faces_only, its_layers, ":", *PREDICTOR_STYLES["faces only"]))
    for rows, of_layers, line, colour, marker in lines:
        table = curves[rows].pivot_table(index="layer", columns="subject", values=metric)
        table = table.reindex(of_layers)
        mean, n = table.mean(axis=1), table.notna().sum(axis=1)
        sem = table.std(axis=1, ddof=1) / np.sqrt(n.where(n > 1))
        position = [layers.index(layer) for layer in of_layers]
        axes.fill_between(position, mean - sem, mean + sem, color=colour, alpha=0.2, linewidth=0)
        axes.plot(position, mean, line, color=colour, marker=marker, markersize=3, linewidth=1)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    style.label_layers(axes, layers, max_labels=6)
    units_per_vertex = curves[is_own & (curves["method"] == methods[0])].groupby("layer")[
        "n_nonzero_weights"].mean()
    found = [units_per_vertex.get(layers[int(place)], np.nan) for place in axes.get_xticks()]
    axes.set_xticklabels([label.get_text() + (f" · {n:.1f}" if np.isfinite(n) else "")
                          for label, n in zip(axes.get_xticklabels(), found)])


def curve_legend(panels: Sequence[Axes], *, faces_only: bool) -> None:
    """Draw the legend of `own_and_other_curves` in the panel with the most room above its lines."""
    colour, marker = PREDICTOR_STYLES["faces only"]
    heights = [max((np.nanmax(line.get_ydata()) for line in axes.lines
                    if np.isfinite(line.get_ydata()).any()), default=0) for axes in panels]
    panels[int(np.argmin(heights))].legend(loc="upper left", handles=[
        Line2D([], [], color="k", linestyle="-", label="sparse positive"),
        Line2D([], [], color="k", linestyle="--", label="OLS"),
        Line2D([], [], color="0.55", marker="x", label="other pools, mean"),
        *([Line2D([], [], color=colour, linestyle=":", marker=marker, label="faces only")]
          if faces_only else [])])


def last_panel(axes: Axes, rdm_correlations: pd.DataFrame, ceilings: pd.DataFrame,
               layers: Sequence[str]) -> None:
    """Draw the measured RDMs where there are some, else the check of the noise ceilings."""
    if len(rdm_correlations):
        rdm_layer_curves(axes, rdm_correlations, layers)
        axes.set_title("Do layers resemble IT?")
    else:
        noise_ceiling_scatter(axes, ceilings)
        axes.set_title("Do ceilings agree?")
    style.panel_letter(axes, "G", x=-0.2)


def rdm_layer_curves(axes: Axes, table: pd.DataFrame, layers: Sequence[str]) -> None:
    """Draw the correlation of each layer's RDM with measured ones; markers: p < .05 (Holm).

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``network, measured, layer, spearman_r, p_holm``; the first row's network is the
        trained one, dark; the other is grey.
    layers : sequence of str
    """
    styles = {}
    for (network, measured), part in table.groupby(["network", "measured"], sort=False):
        line, marker = styles.setdefault(measured, [("-", "o"), ("--", "s"), ("-.", "D")][
            len(styles) % 3])
        trained = network == table["network"].iloc[0]
        colour = style.TRAINING["pretrained" if trained else "untrained"]
        part = part.set_index("layer").reindex(layers)
        axes.plot(range(len(layers)), part["spearman_r"], color=colour, linewidth=1, linestyle=line,
                  label=f"{measured}, {'trained' if trained else style.display_name('untrained')}")
        significant = part["p_holm"] < 0.05
        axes.plot(np.flatnonzero(significant), part["spearman_r"][significant], marker,
                  color=colour, markersize=3)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    style.label_layers(axes, layers, max_labels=6)
    axes.set_ylabel("RDM correlation (Spearman ρ)")
    axes.set_ylim(top=1.6 * table["spearman_r"].max())
    axes.legend(loc="upper left")


def noise_ceiling_scatter(axes: Axes, ceilings: pd.DataFrame) -> None:
    """Draw the noise ceilings of the generative model against split-half reliability.

    Parameters
    ----------
    axes : Axes
    ceilings : DataFrame
        Columns ``statistic, value, split_half``; one row a participant and region.
    """
    styles = {"univariate": ("mean response", "k"), "rsa": ("geometry (RDM)", "0.55")}
    for (statistic, part), marker in zip(ceilings.groupby("statistic", sort=False), "o^"):
        name, colour = styles[statistic]
        axes.plot(part["split_half"], part["value"], marker, markersize=3, alpha=0.6,
                  color=colour, label=f"{name}, n = {len(part)}")
    axes.plot([0, 1], [0, 1], color="0.4", linestyle=":", linewidth=0.7)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.3), xlabel="split-half reliability (r)",
             ylabel="model's noise ceiling (r)")
    if len(ceilings):
        axes.legend(loc="upper left", borderaxespad=0)
