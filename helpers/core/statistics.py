"""Statistics of a few numbers, without torch: corrections of p values, intervals of means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from helpers.core.errors import LabError


def correct_p_values(p: Sequence[float], method: str = "holm") -> NDArray[np.float64]:
    """Correct p values for their number, leaving unknown ones (NaN) out of the family.

    Parameters
    ----------
    p : sequence of float
    method : {"bonferroni", "holm"}

    Raises
    ------
    LabError
        If one is no probability, or the method is another one.
    """
    from statsmodels.stats.multitest import multipletests  # late: it loads half of statsmodels

    values = np.array(p, float)
    wrong = values[(values < 0) | (values > 1 + 1e-9)]  # rounding alone ends no run
    if len(wrong) or method not in ("bonferroni", "holm"):
        raise LabError(f"a p value of {wrong[0]:g}" if len(wrong) else f"the method {method!r}",
                       expected="p values from 0 to 1 or NaN; 'bonferroni' or 'holm'",
                       remedy="pass p values that are not corrected yet")
    finite = np.isfinite(values)
    if finite.any():
        values[finite] = multipletests(values[finite], method=method)[1]
    return values


def confidence_interval(values: NDArray, level: float = 0.95, *,
                        crossed: bool = False) -> tuple[float, float]:
    r"""Return the interval of a mean over participants, and over trainings where there are several.

    One value a participant gives Student's t interval. In a table (rows: participants, columns:
    trainings) where every cell is a training of its own, the participants' means hold what their
    trainings add, and the t interval over these means covers both.

    Where trainings are ``crossed`` by the participants (a pooled network), it is the interval of
    the grand mean of crossed random effects. With the mean squares of the two-way analysis of
    variance without replication, MSP, MSS and MSR,

    .. math:: SE^2 = (MSP + \max(0, MSS - MSR)) / (P S),

    with Satterthwaite's degrees of freedom, at least one less than the smaller of P and S. It is
    never narrower than the t interval over the participants' means.

    Parameters
    ----------
    values : array, shape (n_participants,) or (n_participants, n_trainings)
        No NaN.
    level : float
    crossed : bool

    Returns
    -------
    low, high : float
        NaN for fewer than two participants, or than three shared trainings: of two, the spread
        is hardly known, and another machine's rounding may turn whatever is said.
    """
    values = np.asarray(values, float)
    if crossed:
        return _crossed_effects_interval(values, level)
    values = values.mean(1) if values.ndim == 2 and values.size else values.reshape(len(values))
    if len(values) < 2:
        return np.nan, np.nan
    standard_error = values.std(ddof=1) / np.sqrt(len(values))
    half_width = special.stdtrit(len(values) - 1, (1 + level) / 2) * standard_error
    return float(values.mean() - half_width), float(values.mean() + half_width)


def _crossed_effects_interval(values: NDArray, level: float) -> tuple[float, float]:
    """Return the interval of the grand mean, rows and columns both drawn at random."""
    n_rows, n_columns = values.shape if values.ndim == 2 else (0, 0)
    if n_rows < 2 or n_columns < 3:
        return np.nan, np.nan
    mean, rows, columns = values.mean(), values.mean(1), values.mean(0)
    residual = values - rows[:, None] - columns + mean
    df_row, df_column = n_rows - 1, n_columns - 1
    ms_row = n_columns * rows.var(ddof=1)
    ms_column = n_rows * columns.var(ddof=1)
    ms_residual = (residual**2).sum() / (df_row * df_column)
    quantile = lambda df: special.stdtrit(df, (1 + level) / 2)  # noqa: E731
    half_width = quantile(df_row) * np.sqrt(ms_row / values.size)
    if ms_column > ms_residual:
        variance = ms_row + ms_column - ms_residual
        df = variance**2 / (ms_row**2 / df_row + ms_column**2 / df_column
                            + ms_residual**2 / (df_row * df_column))
        df = max(df, min(df_row, df_column))
        half_width = max(half_width, quantile(df) * np.sqrt(variance / values.size))
    return float(mean - half_width), float(mean + half_width)
