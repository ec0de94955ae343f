"""Shapes and patterns of the generated scenes' objects, as functions of coordinates.

A shape gives the signed distance to its outline, negative inside; a pattern gives a value from 0 to 1, which mixes
two colours. ``u`` and ``v`` are (H, W) pixel coordinates about the object's centre, in its own rotated frame; ``r`` is
its radius and ``p`` the period of its pattern, both in pixels. Every result is (H, W).
"""
import numpy as np
from numpy import ndarray


def disc(u: ndarray, v: ndarray, r: float) -> ndarray:
    return np.hypot(u, v) - r


def ellipse(u: ndarray, v: ndarray, r: float) -> ndarray:
    return (np.hypot(u / 1.25, v / 0.75) - r) * 0.75


def square(u: ndarray, v: ndarray, r: float) -> ndarray:
    return np.maximum(abs(u), abs(v)) - 0.85 * r


def oblong(u: ndarray, v: ndarray, r: float) -> ndarray:
    return np.maximum(abs(u) - 1.25 * r, abs(v) - 0.65 * r)


def triangle(u: ndarray, v: ndarray, r: float) -> ndarray:
    return np.maximum(0.87 * abs(u) - 0.5 * v, v) - 0.65 * r


def flower(u: ndarray, v: ndarray, r: float) -> ndarray:
    return 0.8 * (np.hypot(u, v) - r * (0.88 + 0.2 * np.cos(5 * np.arctan2(v, u))))


def ring(u: ndarray, v: ndarray, r: float) -> ndarray:
    return abs(np.hypot(u, v) - 0.7 * r) - 0.35 * r


def half_disc(u: ndarray, v: ndarray, r: float) -> ndarray:
    return np.maximum(np.hypot(u, v + 0.4 * r) - 1.1 * r, -(v + 0.4 * r))


def stripes(u: ndarray, v: ndarray, p: float) -> ndarray:
    return _wave(u, p)


def circles(u: ndarray, v: ndarray, p: float) -> ndarray:
    return _wave(np.hypot(u, v), p)


def checks(u: ndarray, v: ndarray, p: float) -> ndarray:
    return np.clip(0.5 + p / 4 * np.sin(np.pi * u / p) * np.sin(np.pi * v / p), 0, 1)


def bricks(u: ndarray, v: ndarray, p: float) -> ndarray:
    row = np.floor(v / p)
    across = abs((u / (2 * p) + row / 2) % 1 - 0.5) * 2 * p  # distance from the brick's middle
    along = abs(v / p - row - 0.5) * p
    return np.clip(np.maximum(across - 0.82 * p, along - 0.32 * p), 0, 1)


def dots(u: ndarray, v: ndarray, p: float) -> ndarray:
    row = np.floor(v / p)
    du = (u / p + row / 2) % 1 - 0.5
    dv = v / p - row - 0.5
    return np.clip(0.5 + p * (0.33 - np.hypot(du, dv)), 0, 1)


def chevrons(u: ndarray, v: ndarray, p: float) -> ndarray:
    return _wave(v + abs((u / (2 * p)) % 1 - 0.5) * 2 * p, p)


def spokes(u: ndarray, v: ndarray, p: float) -> ndarray:
    return np.clip(0.5 + np.hypot(u, v) / 8 * np.sin(9 * np.arctan2(v, u)), 0, 1)


def planks(u: ndarray, v: ndarray, p: float) -> ndarray:
    return _wave(v, 1.3 * p)


def _wave(x: ndarray, p: float) -> ndarray:
    """A square wave of period p whose edges are about a pixel wide."""
    return np.clip(0.5 + p / 6 * np.sin(2 * np.pi * x / p), 0, 1)
