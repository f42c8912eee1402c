"""Panels of the encoding figure: scores by region, gains, pools of units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike, NDArray

from helpers.core.intervals import mean_interval
from helpers.figures.style import COLOURS, MARKERS, SEQUENTIAL, TRAINING, display_name, panel_letter

CEILING = "0.86"
RIDGE_COLOUR = TRAINING["regression"]
CHOSEN_COLOUR = "0.3"


def score_by_region(axes: Axes, own: pd.DataFrame, chosen: pd.DataFrame, ridge: pd.DataFrame,
                    ceilings: pd.DataFrame, rois: Sequence[str],
                    domain_by_roi: Mapping[str, str]) -> None:
    """Draw each participant's score from a region's own units, beside ridge and the noise ceiling.

    Parameters
    ----------
    axes : Axes
    own, chosen, ridge : DataFrame
        Columns ``roi, subject, score``: of the units of the region's domain, with the published
        penalty and with one that is chosen on validation images; and of whole layers.
    ceilings : DataFrame
        Columns ``roi, value``: one noise ceiling a participant; the band spans their range.
    rois : sequence of str
    domain_by_roi : dict, ROI -> its domain
        Colour and marker.
    """
    draw_ceilings(axes, ceilings, rois)
    for position, roi in enumerate(rois):
        values = own.loc[own["roi"] == roi, "score"].dropna().to_numpy()
        domain = domain_by_roi.get(roi) or "rest"
        draw_sample(axes, position - 0.22, values, COLOURS[domain], MARKERS.get(domain, "o"))
        for offset, scores, colour, marker in ((0.12, chosen, CHOSEN_COLOUR, "s"),
                                               (0.3, ridge, RIDGE_COLOUR, "v")):
            mean_and_interval(axes, position + offset,
                              scores.loc[scores["roi"] == roi, "score"].dropna(), colour, marker)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7, zorder=1)
    label_rois(axes, rois, own.dropna(subset="score").groupby("roi")["subject"].nunique())


def marker_handle(label: str, colour: str, marker: str, **style: object) -> Line2D:
    """Return the entry of a legend that is a marker without a line."""
    return Line2D([], [], label=label, color=colour, marker=marker,
                  **{"linestyle": "", "markersize": 4, **style})


def score_handles() -> list:
    """Return the legend entries of `score_by_region`."""
    return [marker_handle("own units, one participant", "0.35", "o", markersize=3, alpha=0.6),
            marker_handle("mean, 95 % interval", "k", "_", markersize=9, markeredgewidth=1.4),
            marker_handle("own units, penalty chosen", CHOSEN_COLOUR, "s"),
            marker_handle("ridge on whole layers", RIDGE_COLOUR, "v"),
            Patch(facecolor=CEILING, label="noise ceilings")]


def label_scores(left: Axes, right: Axes, metric: str, letters: str) -> None:
    """Label the panels of `score_by_region` and `gains_by_rival` of one metric."""
    what = {"veUnivar": "mean response", "veRSA": "geometry (RDM)"}[metric]
    left.set_title(f"Do a region's own units predict its {what}?")
    left.set_ylabel(f"{metric}, test images (r)")
    right.set_title("Better than the rivals?")
    right.set_xlabel(f"gain in {metric} (r)")
    if metric == "veUnivar":
        left.legend(handles=score_handles(), loc="upper left", bbox_to_anchor=(0, 0.93),
                    borderpad=0)
    for axes, letter, x in ((left, letters[0], -0.05), (right, letters[1], -0.3)):
        panel_letter(axes, letter, x=x)


def dodge(n: int, width: float) -> NDArray[np.float64]:
    """Return the places of ``n`` things side by side around 0, over ``width``."""
    return (np.arange(n) - (n - 1) / 2) * (width / n)


def draw_ceilings(axes: Axes, ceilings: pd.DataFrame, rois: Sequence[str]) -> None:
    """Draw a grey band from the lowest to the highest noise ceiling of each region."""
    for position, roi in enumerate(rois):
        values = ceilings.loc[ceilings["roi"] == roi, "value"].dropna()
        if len(values):
            axes.fill_between([position - 0.44, position + 0.44], values.min(), values.max(),
                              color=CEILING, linewidth=0, zorder=0)


def draw_sample(axes: Axes, x: float, values: ArrayLike, colour: str, marker: str) -> None:
    """Draw some participants' values as dots, and to their right their mean and 95 % interval."""
    axes.plot(np.full(len(values), x), values, marker, color=colour, markersize=3, alpha=0.6,
              markeredgewidth=0)
    mean_and_interval(axes, x + 0.14, values, "k", "_", markersize=6, markeredgewidth=1.4)


def mean_and_interval(axes: Axes, x: float, values: ArrayLike, colour: str, marker: str, *,
                      markersize: float = 4, **style: object) -> None:
    """Draw a mean and its 95 % interval over participants."""
    mean, low, high = mean_interval(values)
    axes.vlines(x, low, high, color=colour, linewidth=1)
    if len(values):
        axes.plot(x, mean, marker, color=colour, markersize=markersize, **style)


def label_rois(axes: Axes, rois: Sequence[str], n_subjects: pd.Series) -> None:
    """Write under each region the number of participants behind its mean."""
    axes.set_xlim(-0.5, len(rois) - 0.5)
    axes.set_xticks(range(len(rois)), [f"{roi}\nn = {n_subjects.get(roi, 0)}" for roi in rois])
    axes.tick_params(axis="x", length=0)


def gains_by_rival(axes: Axes, gains: Mapping[str, ArrayLike]) -> None:
    """Draw each participant's gain over every rival, with mean and 95 % interval.

    Parameters
    ----------
    axes : Axes
    gains : dict, rival -> array, float, shape (n_subjects,)
        Score minus the rival's, averaged over regions; positive: better than the rival.
    """
    for row, values in enumerate(gains.values()):
        values = np.asarray(values)[np.isfinite(values)]
        axes.plot(values, np.full(len(values), row - 0.12), "o", color=TRAINING["contrastive"],
                  markersize=3, alpha=0.5, markeredgewidth=0)
        mean, low, high = mean_interval(values)
        axes.hlines(row + 0.16, low, high, color="k", linewidth=1)
        if len(values):
            axes.plot(values.mean(), row + 0.16, "|", color="k", markersize=6, markeredgewidth=1.4)
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.8)
    axes.set_yticks(range(len(gains)), list(gains))
    axes.set_ylim(len(gains) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def pool_matrix(axes: Axes, scores: pd.DataFrame, rois: Sequence[str], domains: Sequence[str],
                domain_by_roi: Mapping[str, str]) -> AxesImage:
    """Draw the mean score of every pool of units in some regions; own domain: framed.

    Colour: the score as a fraction of the region's best pool, 0 to 1; below 0 as 0. The numbers are
    the means themselves; a pool without units counts as 0.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        Columns ``subject, roi, domain, score``.
    rois, domains : sequence of str
    domain_by_roi : dict, ROI -> its domain
    """
    means = scores.assign(score=scores["score"].fillna(0.0)).pivot_table(
        index="roi", columns="domain", values="score").reindex(index=rois, columns=domains)
    best = means.max(axis=1).where(lambda value: value > 0)
    fraction = means.div(best, axis=0).clip(lower=0)
    image = axes.imshow(fraction, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(means.to_numpy()):
        dark = fraction.iloc[row, column] <= 0.55  # no pool above 0: NaN, a white cell
        axes.text(column, row, f"{value:.2f}".replace("0.", ".") if np.isfinite(value) else "–",
                  ha="center", va="center", fontsize=6.5, color="w" if dark else "k")
    for row, roi in enumerate(rois):
        if domain_by_roi.get(roi) in domains:
            corner = list(domains).index(domain_by_roi[roi]) - 0.5, row - 0.5
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="k", linewidth=2,
                                     zorder=3, clip_on=False))
    axes.set_xticks(range(len(domains)), map(display_name, domains), rotation=40, ha="right",
                    rotation_mode="anchor")
    axes.set_yticks(range(len(rois)), rois)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def pool_colour_bar(figure: Figure, image: AxesImage, second: Axes, bar_axes: Axes) -> None:
    """Draw the colour bar of two matrices of pools; the second shares the first one's regions."""
    second.set_yticklabels([])
    figure.colorbar(image, cax=bar_axes, ticks=[0, 1]).set_label("score / best pool", labelpad=-3)


def pool_advantage_pairs(axes: Axes, advantage: Mapping[str, pd.DataFrame], rois: Sequence[str],
                         domain_by_roi: Mapping[str, str]) -> None:
    """Draw the advantage of the own pool with and without the constraint, a line a participant.

    Parameters
    ----------
    axes : Axes
    advantage : dict, method -> DataFrame
        Two tables of `helpers.encoding.statistics.pool_advantage`: with the constraint, without.
    rois : sequence of str
    domain_by_roi : dict, ROI -> its domain
        Colour and marker.
    """
    wide = [table.pivot(index="subject", columns="roi", values="advantage").reindex(columns=rois)
            for table in advantage.values()]
    for position, roi in enumerate(rois):
        domain = domain_by_roi.get(roi) or "rest"
        x = position + np.array([-0.2, 0.2])
        pairs = np.stack([table[roi].reindex(wide[0].index).to_numpy() for table in wide])
        axes.plot(x, pairs, color=COLOURS[domain], linewidth=0.5, alpha=0.6)
        for place, values, filled in zip(x, pairs, (True, False)):
            axes.plot(place, np.nanmean(values) if np.isfinite(values).any() else np.nan,
                      MARKERS.get(domain, "o"), color=COLOURS[domain], markersize=5,
                      markerfacecolor=COLOURS[domain] if filled else "white", zorder=3)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    label_rois(axes, rois, wide[0].notna().sum())
    bottom, top = axes.get_ylim()
    axes.set_ylim(top=top + 0.15 * (top - bottom))
    axes.legend(handles=[marker_handle(method, "0.3", "o", markerfacecolor=face)
                         for method, face in zip(advantage, ("0.3", "white"))],
                loc="upper center", ncols=2, borderaxespad=0)
