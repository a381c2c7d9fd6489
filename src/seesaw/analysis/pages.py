"""The page kit of reports: jinja2 templates, figures that follow light and dark, links and pictures in one file.

A page is one HTML file without scripts that needs no network. `templates/base.html.j2` holds the head, the CSS and the macro
`data_table`; a report extends it and is rendered by `render`. What runs wrote is not to be trusted: templates escape it, and
`printable` removes control characters. Imports no torch.
"""

import base64
import io
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

GREY = "#8a8a8a"
"""Axes, ticks, and curves without a colour of their own: visible on white and on black."""


def render(template: str, **context: Any) -> str:
    """A page.

    Args:
        template: the name of a file of `templates/`, such as "compare.html.j2".
        context: the template's variables. A missing one is an error.
    """
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("seesaw.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def printable(words: str) -> str:
    """The text without what could control a terminal."""
    return "".join(c if c.isprintable() else " " for c in words)


def link(folder: Path, page_folder: Path) -> str:
    """The address of a folder from a page in another."""
    return quote(os.path.relpath(folder.resolve(), page_folder.resolve())) + "/"


def thumbnail(path: Path, side: int = 360) -> str | None:
    """A picture as a data URL of a JPEG, at most `side` pixels wide and high, about 30 kB. None if it cannot be read."""
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches without pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)
    return figure


def style(axes: Axes, xlabel: str, title: str = "") -> Axes:
    """Light axes and a grid, in a grey that suits white and black paper."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold").set_parse_math(False)
    axes.set_xlabel(xlabel, fontsize=9)
    axes.grid(True, color=GREY, alpha=0.25, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(which="both", labelsize=9, color=GREY)
    return axes


def save(figure: Figure, out: IO[Any], **options: Any) -> None:
    """`Figure.savefig` without warnings about letters that matplotlib's font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(out, **options)


def _shortened(tag: re.Match[str]) -> str:
    """A tag with two digits behind each point: coordinates, and never text, such as the numbers of an axis."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])


def svg(figure: Figure, label: str) -> Markup:
    """A figure as an inline `<svg>` without background; the page's CSS gives its text the page's colour and font.

    Args:
        figure: its text should have the default colour.
        label: what a screen reader reads out. It also makes the identifiers inside distinct from those of other figures.
    """
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "path.simplify": True}):
        save(figure, out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = out.getvalue()
    body = re.sub(r'(?<=<g) id="[^"]*"', "", text[text.index("<svg") + len("<svg") :])  # every figure has the same
    body = re.sub("<[^>]*>", _shortened, body)  # a third of the page's size
    return Markup(f'<svg role="img" aria-label="{escape(printable(label))}"{body}')
