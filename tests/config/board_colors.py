"""How well colours can be told apart, and seen on a ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.float64]
"""Linear red, green and blue, 0 to 1."""

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# IEEE TVCG 15(6), 2009, table 1, severity 1.0.
SIGHTS: dict[str, Sequence[Sequence[float]]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "red-blind": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "green-blind": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
    ),
    "blue-blind": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900),
    ),
}  # fmt: skip
_TO_XYZ = np.array(
    ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
)


def linear(color: str) -> Rgb:
    """A colour such as `#75C1F4`, without sRGB's gamma."""
    values = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(color: str, sight: str) -> Rgb:
    """A colour as somebody with this sight sees it."""
    return np.clip(np.array(SIGHTS[sight]) @ linear(color), 0, 1)


def distance(one: str, other: str, sight: str) -> float:
    """How far apart two colours are in CIELAB (ΔE of 1976)."""
    return float(np.linalg.norm(_lab(seen(one, sight)) - _lab(seen(other, sight))))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 has it, from 1 to 21."""
    darker, lighter = sorted(float(_TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _lab(color: Rgb) -> Rgb:
    relative = _TO_XYZ @ color / (_TO_XYZ @ np.ones(3))
    x, y, z = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.array((116 * y - 16, 500 * (x - y), 200 * (y - z)))
