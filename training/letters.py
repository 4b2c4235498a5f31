"""Letters as a hand writes them: strokes through shaky points, and glyphs of no script at all."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Points = NDArray[np.float64]

_STROKES = """
A L1,10 5,0 9,10;L2.8,6 7.2,6
C C9,2 6,0 2,2 1,5 2,8 6,10 9,8
D L2,0 2,10;C2,0 7,1 9,5 7,9 2,10
E L9,0 2,0 2,10 9,10;L2,5 7,5
F L9,0 2,0 2,10;L2,5 7,5
G C9,2 6,0 2,2 1,5 2,8 6,10 9,8 9,6;L6,6 9,6
H L2,0 2,10;L8,0 8,10;L2,5 8,5
J L3,0 9,0;C6.5,0 6.5,7 5,10 2,9 1,7
K L2,0 2,10;L9,0 2,6;L4,5 9,10
L L2,0 2,10 9,10
M L1,10 2,0 5,6 8,0 9,10
N L2,10 2,0 8,10 8,0
P L2,0 2,10;C2,0 7,0 8.5,2.5 7,5 2,5
Q C5,0 1,2 1,8 5,10 9,8 9,2 5,0;L6,7 9.5,10.5
R L2,0 2,10;C2,0 7,0 8.5,2.5 7,5 2,5;L4,5 9,10
T L1,0 9,0;L5,0 5,10
U C2,0 2,6 3,9 5,10 7,9 8,6 8,0
V L1,0 5,10 9,0
W L0,0 2.5,10 5,3 7.5,10 10,0
X L1,0 9,10;L9,0 1,10
Y L1,0 5,5 9,0;L5,5 5,10
a C8,4 5,3 2,5 2,8 5,10 8,8 8,4;L8,4 8,9 9,10
b L2,0 2,10;C2,6 5,4 8,6 8,8.5 5,10 2,9
c C8,5 5,3.5 2,6 3,9 6,10 8,8.5
d C8,5 5,3.5 2,6 2,9 5,10 8,8;L8,0 8,10
e C2,7 8,6.5 7,4 4,3.5 2,6 3,9 6,10 8,9
f C8,1 6,0 4.5,2 4.5,10;L2,4.5 7,4.5
h L2,0 2,10;C2,6 5,4 7.5,5.5 7.5,10
k L2,0 2,10;L7,4 2,7.5;L4,6.5 8,10
m L1,4 1,10;C1,6 3,4 5,5.5 5,10;C5,6 7,4 9,5.5 9,10
n L2,4 2,10;C2,6 5,4 8,5.5 8,10
p L2,3 2,12;C2,4 5,3 8,5 7,8 4,9 2,8
r L3,4 3,10;C3,6 5,4 8,4.5
t L5,0 5,8;C5,8 6,10 8,9.5;L2,3.5 8,3.5
u C2,4 2,8 4,10 6,9.5 8,7;L8,4 8,10
v L2,4 5,10 8,4
w L1,4 3,10 5,5 7,10 9,4
x L2,4 8,10;L8,4 2,10
y L2,4 5,9;C8,4 5,10 2,13
"""
"""Each letter's strokes in a box of 10×10: L joins its points by straight lines, C by a smooth curve."""

_NEAR_DIGITS = frozenset("DGLQTUVYbhnruvyJce")
"""Letters that a careless hand turns into a digit: written more carefully, and more rarely."""
_PITCH = 6.0
_BORDER = 14


def read(text: str) -> list[tuple[bool, Points]]:
    """Read one letter's strokes: whether each is a curve, and its points (n, 2)."""
    strokes = []
    for stroke in text.split(";"):
        points = np.array([[float(v) for v in pair.split(",")] for pair in stroke[1:].split()])
        strokes.append((stroke[0] == "C", points))
    return strokes


ALPHABET = {line[0]: read(line[2:]) for line in _STROKES.split("\n") if line}
_LETTERS = list(ALPHABET)
_WEIGHTS = np.array([0.35 if letter in _NEAR_DIGITS else 1.0 for letter in _LETTERS])
_CURVES = [stroke for strokes in ALPHABET.values() for stroke in strokes]


def write_letter(rng: np.random.Generator) -> Plane:
    """Write a letter with a shaky hand; ink (H, W) in 0..1."""
    letter = str(rng.choice(_LETTERS, p=_WEIGHTS / _WEIGHTS.sum()))
    shake = rng.uniform(0.1, 0.35) if letter in _NEAR_DIGITS else rng.uniform(0.15, 0.75)
    return draw(ALPHABET[letter], shake, rng)


def write_glyph(rng: np.random.Generator) -> Plane:
    """Write three to five strokes of several letters over each other: a sign of no script."""
    chosen = [_CURVES[k] for k in rng.integers(len(_CURVES), size=int(rng.integers(3, 6)))]
    moved = [
        (curved, points * rng.uniform(0.6, 1.1) + rng.uniform(-2.5, 2.5, 2)) for curved, points in chosen
    ]
    return draw([(curved, _turn(points, rng)) for curved, points in moved], 0.5, rng)


def _turn(points: Points, rng: np.random.Generator) -> Points:
    """Turn a stroke about the middle by quarters."""
    centred = points - 5
    for _ in range(int(rng.integers(4))):
        centred = np.stack((-centred[:, 1], centred[:, 0]), 1)
    return np.asarray(centred + 5)


def draw(strokes: list[tuple[bool, Points]], shake: float, rng: np.random.Generator) -> Plane:
    """Draw strokes whose points each go astray a little."""
    shaken = [(curved, points + rng.normal(0, shake, points.shape)) for curved, points in strokes]
    lines = [_curve(points) if curved and len(points) > 2 else points for curved, points in shaken]
    low = np.min([line.min(0) for line in lines], axis=0)
    high = np.max([line.max(0) for line in lines], axis=0)
    size = np.ceil((high - low) * _PITCH).astype(int) + 2 * _BORDER
    sheet, pen = np.zeros((size[1], size[0]), np.float32), int(rng.integers(3, 10))
    for line in lines:
        path = np.round((line - low) * _PITCH + _BORDER).astype(np.int32)
        cv2.polylines(sheet, [path], False, 1.0, pen, cv2.LINE_AA)
    return sheet


def _curve(points: Points, steps: int = 10) -> Points:
    """Return a Catmull–Rom spline through points (n, 2)."""
    padded = np.concatenate((2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]))
    t = np.linspace(0, 1, steps)[:, None]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        parts.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.concatenate(parts)
