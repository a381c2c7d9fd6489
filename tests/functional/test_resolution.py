"""Resolutions: base grids times powers of two."""

import itertools

import pytest

from seesaw.functional.resolution import BASE_SIDES, Scales, Size, scales_of, scales_of_size, size_of


@pytest.mark.parametrize(("resolution", "base", "doublings"), [
    ("128x192", (4, 6), 5), ("96x160", (3, 5), 5), ("144x256", (9, 16), 4), ("256x64", (16, 4), 4), (96, (3, 3), 5),
    (64, (4, 4), 4), ("64", (4, 4), 4), ("64x64", (4, 4), 4), (1024, (4, 4), 8), (8, (4, 4), 1), ("16x18", (8, 9), 1),
])  # fmt: skip
def test_a_resolution_is_a_base_grid_times_a_power_of_two(
    resolution: int | str, base: tuple[int, int], doublings: int
) -> None:
    scales = scales_of(resolution)
    assert scales == (base, doublings)
    assert scales.at(doublings) == size_of(resolution) == (base[0] * 2**doublings, base[1] * 2**doublings)


def test_every_scale_of_an_image_has_its_base_grid() -> None:
    """Views find the grid of reals that come at a smaller level."""
    for height, width, k in itertools.product(range(3, 17), range(3, 17), range(1, 5)):
        scales = scales_of_size(height << k, width << k)
        for depth in range(scales.doublings + 1):
            assert scales_of_size(*scales.at(depth)) == Scales(scales.base, depth)
        assert min(scales.base) >= BASE_SIDES[0]


def by_search(low: int, high: int) -> set[tuple[int, int]]:
    """All sizes that the rule allows, by walking through all grids and powers."""
    grids = itertools.product(range(BASE_SIDES[0], BASE_SIDES[1] + 1), repeat=2)
    sizes = {(h << k, w << k) for h, w in grids for k in range(1, high.bit_length())}
    return {size for size in sizes if low <= min(size) and max(size) <= high}


@pytest.mark.parametrize(("low", "high"), [(8, 64), (16, 80)])
def test_the_rule_allows_all_that_it_states_and_names_the_nearest(low: int, high: int) -> None:
    allowed = by_search(low, high)
    for size in itertools.product(range(5, high + 6, 3), repeat=2):
        label = "{}x{}".format(*size)
        if size in allowed:
            assert scales_of(label, low, high).at(scales_of(label, low, high).doublings) == size
            continue
        with pytest.raises(
            ValueError, match=f"resolution is {label}; its sides must be from {low} to {high}"
        ) as caught:
            scales_of(label, low, high)
        named = size_of(str(caught.value).rpartition(" ")[2])
        assert named in allowed


@pytest.mark.parametrize(
    "wrong", ["wide", 0, -8, 64.0, True, "96 x 160", "96x", "0x160", "x", "", "96x160x3", "٩٦", None]
)
def test_what_is_no_resolution_is_named(wrong: object) -> None:
    with pytest.raises(
        ValueError, match=r"^resolution is .*; it must be a number of pixels, or height x width such as"
    ):
        size_of(wrong)  # type: ignore[arg-type]


def test_the_label_is_what_a_configuration_has() -> None:
    assert (Size(64, 64).label, Size(96, 160).label) == (64, "96x160")
    assert size_of(1) == (1, 1)
