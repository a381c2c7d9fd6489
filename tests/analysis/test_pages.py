"""Figures within a page."""

import re

from seesaw.analysis.pages import new_figure, style, svg


def test_the_numbers_of_an_axis_stand_whole_in_a_page() -> None:
    """Only coordinates are shortened: 0.435 was once 0.43, and 0.005 was 0.00."""
    figure = new_figure(4, 3)
    axes = style(figure.add_subplot(), "trials", "distance")
    axes.plot([1, 2], [0.004, 0.0067])
    axes.set_yticks([0.004, 0.005, 0.006])
    text = svg(figure, "a curve")
    assert {"0.004", "0.005", "0.006"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", text))
    assert not [tag for tag in re.findall("<[^>]*>", text) if re.search(r"\d\.\d{3}", tag)]
