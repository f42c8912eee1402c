"""Figures with controls: sliders in a browser, the same figure at its defaults elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure

from helpers.core.console import HEADLESS
from helpers.core.errors import LabError
from helpers.figures.style import show_figure, take_names_literally


def explore(draw: Callable[..., Figure], choices: Mapping[str, Sequence], **defaults) -> None:
    """Show a figure and one control for each of its parameters.

    The displayed object holds both the controls and the figure at its defaults as an image: a front
    end without widgets, a printed notebook and GitHub show the image. Headless runs make the image
    alone.

    Parameters
    ----------
    draw : callable
        Called with one keyword per parameter; returns a figure, which `new_figure` has closed.
    choices : mapping of str to sequence
        Values of each parameter, in order: numbers get a slider, words a list.
    **defaults
        One of its choices for each parameter.

    Raises
    ------
    LabError
        If a default is none of the choices.
    """
    for name, values in choices.items():
        if defaults.get(name) not in list(values):
            raise LabError(f"the default of {name!r} is {defaults.get(name)!r}",
                           expected=f"one of {', '.join(map(str, values))}",
                           remedy="give one of the choices as default")
    figure = draw(**defaults)
    if os.environ.get(HEADLESS) or get_ipython() is None:
        show_figure(figure)
        return
    controls = {name: _control(name, list(values), defaults[name])
                for name, values in choices.items()}
    view = widgets.VBox([*controls.values(), widgets.interactive_output(
        lambda **chosen: display(take_names_literally(draw(**chosen))), controls)])
    take_names_literally(figure)
    image, metadata = get_ipython().display_formatter.format(figure)
    metadata.setdefault("image/png", {})["alt"] = str(figure.get_label())
    display({**image, **view._repr_mimebundle_()}, metadata=metadata, raw=True)


def _control(name: str, values: list, value: object) -> widgets.Widget:
    kind = widgets.Dropdown if isinstance(values[0], str) else widgets.SelectionSlider
    return kind(options=values, value=value, description=name.replace("_", " "),
                style={"description_width": "initial"}, **(
                    {} if kind is widgets.Dropdown else {"continuous_update": False}))
