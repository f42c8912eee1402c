"""Panels of the encoding figure: violins by region, layer curves, pools, RDMs by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers.figures.style import COLOURS, MARKERS, display_name, label_layers

PREDICTOR_STYLES = {
    "contrastive": ("dodgerblue", "o"), "faces only": ("red", "s"), "untrained": ("0.75", "^"),
    "GistPC": ("violet", "D"), "Gabor": ("tan", "v"), "ridge, whole layers": ("0.35", "_")}
"""Predictor -> the paper's colour (ridge is ours), and a marker."""


def predictor_violins(axes: Axes, scores: pd.DataFrame, ceilings: pd.DataFrame,
                      rois: Sequence[str], predictors: Sequence[str]) -> None:
    """Draw every participant's score by region and predictor, over the noise-ceiling band.

    A small number below a violin: its number of participants, where smaller than the region's;
    "2 × 0": for two of them it predicts nothing, which scores 0.

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
    width = 0.84 / len(predictors)
    n_subjects = scores.dropna(subset="score").groupby("roi")["subject"].nunique()
    for position, roi in enumerate(rois):
        ceiling_range = ceilings.loc[ceilings["roi"] == roi, "value"].dropna()
        if len(ceiling_range):
            axes.fill_between([position - 0.46, position + 0.46], ceiling_range.min(),
                              ceiling_range.max(), color="0.88", linewidth=0, zorder=0)
        for idx, name in enumerate(predictors):
            part = scores[(scores["roi"] == roi) & (scores["predictor"] == name)]
            values, n_zero = part["score"].dropna().to_numpy(), int(part["predicts_nothing"].sum())
            x = position + (idx - (len(predictors) - 1) / 2) * width
            _violin(axes, x, values, width, *PREDICTOR_STYLES[name])
            fewer = len(values) not in (0, n_subjects.get(roi, 0))
            axes.text(x, 0.01, "; ".join([str(len(values))] * fewer + [f"{n_zero} × 0"] * (
                n_zero > 0)), fontsize=4.5, ha="center", va="bottom", color="0.3",
                      transform=axes.get_xaxis_transform())
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7, zorder=1)
    axes.set_xlim(-0.5, len(rois) - 0.5)
    _label_rois(axes, rois, n_subjects)


def _label_rois(axes: Axes, rois: Sequence[str], n_subjects: pd.Series, **options: object) -> None:
    """Write under each region the number of participants behind its means."""
    axes.set_xticks(range(len(rois)), [f"{roi}\nn = {n_subjects.get(roi, 0)}" for roi in rois],
                    **options)
    axes.tick_params(axis="x", length=0)


def _violin(axes: Axes, x: float, values: np.ndarray, width: float, colour: str,
            marker: str) -> None:
    """Draw one violin (of three or more values), the values, and their mean as a bar."""
    if len(values) >= 3 and np.ptp(values) > 0:
        body = axes.violinplot(values, [x], widths=0.92 * width, showextrema=False,
                               bw_method="scott")["bodies"][0]
        body.set(facecolor=colour, alpha=0.35, edgecolor="none")
    axes.plot(np.full(len(values), x), values, marker, color=colour, markersize=2.2,
              markeredgewidth=0.3, markeredgecolor="white" if marker != "_" else colour)
    if len(values):
        axes.hlines(values.mean(), x - 0.42 * width, x + 0.42 * width, color="k", linewidth=0.8,
                    zorder=3)


def predictor_handles(predictors: Sequence[str]) -> list:
    """Return the entries of a legend of predictors."""
    line = sns.mpl.lines.Line2D
    return [line([], [], color=PREDICTOR_STYLES[name][0], marker=PREDICTOR_STYLES[name][1],
                 linestyle="", markersize=4, label=name) for name in predictors]


def significance_row(axes: Axes, tests: pd.DataFrame, rois: Sequence[str],
                     predictors: Sequence[str], *, y: float) -> None:
    """Mark, above each region, the predictors from which the first one differs (corrected).

    Parameters
    ----------
    axes : Axes
    tests : DataFrame
        Of `helpers.encoding.statistics.compare_with_competitors`. A filled marker: better, p < .05
        after Bonferroni; an open one: worse.
    rois, predictors : sequence of str
        As for `predictor_violins`; the first name is the predictor that is compared.
    y : float
        Height in data units.
    """
    width = 0.84 / len(predictors)
    significant = (tests["p_bonferroni"] < 0.05) & tests["competitor"].isin(predictors)
    for row in tests[significant & tests["roi"].isin(rois)].itertuples():
        idx = predictors.index(row.competitor)
        x = list(rois).index(row.roi) + (idx - (len(predictors) - 1) / 2) * width
        colour = PREDICTOR_STYLES[row.competitor][0]
        axes.plot(x, y, "*", color=colour, markersize=4.5, clip_on=False,
                  markerfacecolor=colour if row.difference > 0 else "none", markeredgewidth=0.6)


def pool_layer_curves(axes: Axes, curves: pd.DataFrame, metric: str, domains: Sequence[str],
                      layers: Sequence[str]) -> None:
    """Draw one region's score by layer, one line per pool of units, mean ± SEM over participants.

    Parameters
    ----------
    axes : Axes
    curves : DataFrame
        Columns ``subject, layer, domain`` and ``metric``, of one region and one method.
    metric : str
    domains, layers : sequence of str
    """
    for domain in domains:
        part = curves[curves["domain"] == domain].pivot(index="layer", columns="subject",
                                                        values=metric).reindex(layers)
        mean, n = part.mean(axis=1), part.notna().sum(axis=1)
        sem = part.std(axis=1, ddof=1) / np.sqrt(n.where(n > 1))
        position = np.arange(len(layers))
        axes.fill_between(position, mean - sem, mean + sem, color=COLOURS[domain], alpha=0.2,
                          linewidth=0)
        axes.plot(position, mean, color=COLOURS[domain], marker=MARKERS[domain], markersize=2.2,
                  linewidth=1, label=display_name(domain))
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    label_layers(axes, layers, max_labels=6)


def pool_bars(axes: Axes, scores: pd.DataFrame, rois: Sequence[str], domains: Sequence[str],
              domain_by_roi: Mapping[str, str]) -> None:
    """Draw the score of every pool of units in some regions, mean ± SEM; own domain: framed.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        Columns ``subject, roi, domain, score``.
    rois, domains : sequence of str
    domain_by_roi : dict, ROI -> its domain
    """
    width = 0.84 / len(domains)
    for position, roi in enumerate(rois):
        for idx, domain in enumerate(domains):
            part = scores[(scores["roi"] == roi) & (scores["domain"] == domain)]["score"].fillna(0)
            x = position + (idx - (len(domains) - 1) / 2) * width
            sem = part.std(ddof=1) / np.sqrt(len(part)) if len(part) > 1 else 0.0
            axes.bar(x, part.mean() if len(part) else 0.0, 0.9 * width, yerr=sem,
                     color=COLOURS[domain], error_kw={"linewidth": 0.6},
                     edgecolor="k" if domain_by_roi.get(roi) == domain else "none", linewidth=0.9)
    axes.axhline(0, color="0.4", linewidth=0.6)
    _label_rois(axes, rois, scores.groupby("roi")["subject"].nunique(), fontsize=5.5)


def rdm_layer_curves(axes: Axes, table: pd.DataFrame, layers: Sequence[str]) -> None:
    """Draw the correlation of each layer's RDM with measured ones; dots: p < .05 (Holm).

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``network, measured, layer, spearman_r, p_holm``; the first row's network is the
        trained one.
    layers : sequence of str
    """
    styles = {}
    for (network, measured), part in table.groupby(["network", "measured"], sort=False):
        colour = styles.setdefault(measured, ["crimson", "teal", "k"][len(styles) % 3])
        trained = network == table["network"].iloc[0]
        part = part.set_index("layer").reindex(layers)
        axes.plot(range(len(layers)), part["spearman_r"], color=colour, linewidth=1,
                  linestyle="-" if trained else ":",
                  label=measured if trained else f"{measured}, untrained")
        significant = part["p_holm"] < 0.05
        axes.plot(np.flatnonzero(significant), part["spearman_r"][significant], "o", color=colour,
                  markersize=3)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    label_layers(axes, layers, max_labels=6)
    axes.set_ylabel("RDM correlation (Spearman ρ)")
    axes.set_ylim(top=1.6 * table["spearman_r"].max())
    axes.legend(loc="upper left", fontsize=5)


def noise_ceiling_scatter(axes: Axes, ceilings: pd.DataFrame) -> None:
    """Draw the noise ceilings of the generative model against split-half reliability.

    Parameters
    ----------
    axes : Axes
    ceilings : DataFrame
        Columns ``statistic, value, split_half``; one row a participant and region.
    """
    for (statistic, part), marker in zip(ceilings.groupby("statistic", sort=False), "o^"):
        axes.plot(part["split_half"], part["value"], marker, markersize=2.5, alpha=0.6,
                  color={"univariate": "k", "rsa": "0.55"}.get(statistic, "k"), label=statistic)
    axes.plot([0, 1], [0, 1], color="0.4", linestyle=":", linewidth=0.7)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="split-half (r)", ylabel="noise ceiling (r)")
    if len(ceilings):
        axes.legend(loc="lower right")
