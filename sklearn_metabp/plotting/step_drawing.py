"""The drawing of a small network with texts at its neurons and links."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from sklearn_metabp.network import layer_name
from sklearn_metabp.plotting.step_panels import Numbers, Panel

# In the units of the axes: radius of a neuron, distance of layers and of neurons, and the size of
# one line of text at a link and at a neuron.
_RADIUS = 0.62
_LAYER_DISTANCE = 5.2
_NEURON_DISTANCE = 2.5
_LINK_TEXT = np.array([1.5, 0.5])
_NEURON_TEXT = np.array([2.2, 0.5])
# Inches of a figure for one unit.
INCHES = 0.52


def places_of(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Return the place of every neuron, (n_neurons, 2) for every layer."""
    tallest = max(sizes)
    n_links = max(one * other for one, other in pairwise(sizes))
    layer_distance = _LAYER_DISTANCE + 0.1 * max(0, n_links - 6)
    places = []
    for layer, size in enumerate(sizes):
        # Layers of fewer neurons are spread, so that their links have space.
        distance = _NEURON_DISTANCE * min(1.5, max(1.0, (tallest - 1) / max(size - 1, 1)))
        y = distance * (np.arange(size)[::-1] - (size - 1) / 2)
        places.append(np.column_stack([np.full(size, layer_distance * layer), y]))
    return places


def bounds(places: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower left and upper right corner of a drawing."""
    every = np.concatenate(places)
    margin = np.array([1.4, 2.1])
    return every.min(axis=0) - margin, every.max(axis=0) + margin


def _links(places: list[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Yield the layer that a link leads to, from 1, and its neurons."""
    for layer in range(1, len(places)):
        for source in range(len(places[layer - 1])):
            for target in range(len(places[layer])):
                yield layer, source, target


def draw_links(
    ax: Any,
    panel: Panel,
    numbers: Numbers,
    places: list[np.ndarray],
    colour: Any,
    style: dict[str, Any],
) -> dict[str, Any]:
    """Draw a line and a text for every weight; return the texts by the names of the weights."""
    texts: dict[str, Any] = {}
    boxes = [box for of_layer in places for place in of_layer for box in _neuron_boxes(place)]
    for layer, source, target in _links(places):
        start, end = places[layer - 1][source], places[layer][target]
        ax.plot(*np.transpose([start, end]), color=colour, alpha=0.35, linewidth=1, zorder=1)
        lines = panel.link(numbers, layer, source, target)
        others = [
            (places[layer - 1][i], places[layer][j])
            for to, i, j in _links(places)
            if to == layer and (i, j) != (source, target)
        ]
        place, box = _free_place(start, end, _LINK_TEXT * (1, len(lines)), boxes, others)
        boxes.append(box)
        texts[f"coefs_[{layer - 1}][{source},{target}]"] = ax.text(
            *place,
            "\n".join(lines),
            ha="center",
            va="center",
            zorder=2,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            **style,
        )
    return texts


def _neuron_boxes(place: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the centre and the size of the circle of a neuron, and of the texts at it."""
    yield np.array([place, (2 * _RADIUS, 2 * _RADIUS)])
    yield np.array([place - (0, 0.97), _NEURON_TEXT])
    yield np.array([place + (0, 0.92), _NEURON_TEXT])


def _free_place(
    start: np.ndarray,
    end: np.ndarray,
    size: np.ndarray,
    boxes: list[np.ndarray],
    others: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return a place for a text of that size on a link, and its box: centre and size, (2, 2).

    It covers as little as possible of the boxes, and then is as far as possible from other links.
    """
    shares = np.linspace(0.24, 0.76, 27)[:, None]
    candidates = start + shares * (end - start)
    centres, sizes = np.array(boxes).transpose(1, 0, 2)
    apart = np.abs(candidates[:, None] - centres) / ((size + sizes) / 2)
    # Two boxes are free of each other if they are apart in one direction.
    score = np.minimum(apart.max(axis=2), 1).min(axis=1)
    if others:
        starts, ends = np.array(others).transpose(1, 0, 2)
        heights = starts[:, 1] + shares * (ends - starts)[:, 1]
        gaps = np.abs(heights - candidates[:, 1:]).min(axis=1) / size[1]
        score += 0.3 * np.minimum(gaps, 1)
    place = candidates[np.argmax(score)]  # the first of several equal ones
    return place, np.array([place, size])


def draw_neurons(
    ax: Any,
    panel: Panel,
    numbers: Numbers,
    places: list[np.ndarray],
    colour: Any,
    style: dict[str, Any],
) -> dict[str, list[Any]]:
    """Draw a circle and three texts for every neuron; return the texts by the neurons' names."""
    from matplotlib.patches import Circle

    texts = {}
    top = max(of_layer[0, 1] for of_layer in places) + 1.35
    for layer, of_layer in enumerate(places):
        name = layer_name(layer, len(places))
        ax.text(of_layer[0, 0], top, name, ha="center", va="bottom", color="0.35", fontsize="small")
        for n, (x, y) in enumerate(of_layer):
            inside, below, above = panel.neuron(numbers, layer, n)
            edge = {"edgecolor": colour, "linewidth": 1.8}
            if not inside:
                edge = {"edgecolor": "0.7", "linewidth": 1.0}
            ax.add_patch(Circle((x, y), _RADIUS, facecolor="white", zorder=3, **edge))
            texts[f"{name} [{n}]"] = [
                ax.text(x, y, inside, ha="center", va="center", zorder=4, **style),
                ax.text(x, y - 0.72, below.strip(), ha="center", va="top", zorder=4, **style),
                ax.text(x, y + 0.7, above, ha="center", va="bottom", zorder=4, **style),
            ]
    return texts
