"""Digits as other schools teach them: MNIST's writers are American, forms are filled in everywhere.

The one with its upstroke, the crossed seven, the open four, the nine with a straight or a curled leg, the flat-topped
three: drawn as strokes through shaky points, as `training.letters` draws letters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training import letters

Plane = NDArray[np.float32]

_STROKES = """
0 C5,0 2,3 2,7 5,10 8,7 8,3 5,0
1 L2.5,3.5 5.5,0 5.5,10
1 L1.5,4.5 5.5,0 5,10
1 L3,2.5 5,0 5,10
1 L2.5,3.5 5.5,0 5.5,10;L3,10 8,10
1 L3.5,2 5,0 5,10;L2.5,10 7.5,10
2 C2,3 4,0 8,2 6,6 2,10;L2,10 8.5,10
2 C2,3 4,0 8,2 6,6 3,9 2,10 4,9 8.5,10
3 L2,0.5 8,0.5 4.5,4.2;C4.5,4.2 8,5.5 7.5,9 4,10 2,8.5
3 C2,1.5 5,0 7.5,2.5 4.5,4.7;C4.5,4.7 8,6 7,9.5 4,10 2,8.5
4 L3,0 1.5,6 8.5,6;L6.5,3 6.5,10
4 L6,0 1.5,7 8.5,7;L6,0 6,10
4 L3,0 2,5.5 8,5;L7.5,0 6.5,10
5 L8,0.5 3,0.5 2.5,4.5;C2.5,4.5 6,3.8 8,6.5 6,10 2,9
5 L3,0.5 2.5,4.5;C2.5,4.5 6,3.8 8,6.5 6,10 2,9;L3,0.5 8,0.5
6 C7,0.5 3.5,3 2.5,7 5,10 7.5,7.5 5,5 2.7,7.5
7 L1.5,0.5 8.5,0.5 4,10
7 L1.5,0.5 8.5,0.5 4,10;L3.5,5 8,5
7 L1.5,2.2 1.5,0.5 8.5,0.5 4.5,10
7 L1.5,2.2 1.5,0.5 8.5,0.5 4.5,10;L3,5.2 8.5,5
8 C5,4.7 2.5,2.5 5,0 7.5,2.5 5,4.7;C5,4.7 2,7.5 5,10 8,7.5 5,4.7
9 C7.5,2.8 5,0 2.5,2.5 5,5.2 7.5,2.8;L7.5,2 7.3,10
9 C7.5,2.8 5,0 2.5,2.5 5,5.2 7.5,2.8;C7.5,2.5 7.8,7 6,10 2.5,9
9 C7.5,2.8 5,0 2.5,2.5 5,5.2 7.5,2.8;L7.5,2.5 4,10
"""

FORMS = [(int(line[0]), letters.read(line[2:])) for line in _STROKES.split("\n") if line]
"""Each form's digit and strokes."""


def write_numeral(rng: np.random.Generator) -> tuple[Plane, int]:
    """Write a digit in one of its forms; ink (H, W) in 0..1 and the digit, each digit as often as any other."""
    digit = int(rng.integers(10))
    forms = [strokes for value, strokes in FORMS if value == digit]
    return letters.draw(forms[rng.integers(len(forms))], rng.uniform(0.1, 0.5), rng), digit
