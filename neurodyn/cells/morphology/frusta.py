"""Areas and axial resistances of parts of a section, in closed form over its truncated cones."""

from typing import Any

import numpy as np

from .section import Section


def diameter_at(section: Section, x: Any) -> np.ndarray:
    """The diameter at relative positions `x` from 0 to 1, um, same shape as `x`; linear between the 3-d points.

    **Raises:** `ValueError` for positions outside of [0, 1].
    """
    return np.interp(_positions(section, x) * section.length, section.arc, section.diameters)


def integrate(section: Section, edges: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lateral area and axial resistance of the m intervals between `edges`.

    The area of an interval is the sum of the lateral areas of the truncated cones within it, as NEURON's. The resistance is the integral of
    dx / (pi r^2), which over a cone of length h with end radii a and b is h / (pi a b).

    **Arguments:** `section`; `edges`, relative positions in ascending order, shape (m + 1,), from 0 to 1.

    **Returns:** areas, shape (m,), um2; and the resistances of the first and second half (by length) of every interval in turn, shape (2 m,), 1/um:
    times ohm cm and 1e4 they are ohm.

    **Raises:** `ValueError`.
    """
    edges = _positions(section, edges)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges of shape {edges.shape} are not allowed: must be two or more, in ascending order")
    halves = np.empty(2 * len(edges) - 1)
    halves[::2] = edges
    halves[1::2] = (edges[1:] + edges[:-1]) / 2
    area, resistance = _cumulative(section, halves * section.length)
    return np.diff(area[::2]), np.diff(resistance)


def _positions(section: Section, x: Any) -> np.ndarray:
    x = np.asarray(x, float)
    if not ((x >= 0) & (x <= 1)).all():
        bad = x[~((x >= 0) & (x <= 1))].flat[0]
        raise ValueError(f"position {bad} on section {section.name!r} is not allowed: must be between 0 and 1")
    return x


def _cumulative(section: Section, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area (um2) and resistance (1/um) from the 0-end to each arc length `s`."""
    arc, radii = section.arc, section.diameters / 2
    height, change = np.diff(arc), np.diff(radii)
    slant = np.hypot(height, change)
    areas = np.concatenate([[0.0], np.cumsum(np.pi * (radii[1:] + radii[:-1]) * slant)])
    resistances = np.concatenate([[0.0], np.cumsum(height / (np.pi * radii[1:] * radii[:-1]))])
    k = np.clip(np.searchsorted(arc, s, side="right") - 1, 0, len(height) - 1)
    # A step of the diameter has no length; an edge on it takes the whole step.
    part = np.where(height[k] > 0, (s - arc[k]) / np.where(height[k] > 0, height[k], 1), 1.0)
    part = np.clip(part, 0, 1)
    here = radii[k] + part * change[k]
    area = areas[k] + np.pi * (radii[k] + here) * slant[k] * part
    area = np.where(s > 0, area, 0.0)  # before a step at the 0-end
    return area, resistances[k] + part * height[k] / (np.pi * radii[k] * here)
