"""MNIST-C's fifteen corruptions of 28×28 digits, after their paper (Mu and Gilmer, arXiv 1906.02337).

Written anew from the paper and the parameters of its reference. It differs where the reference leans on
ImageMagick and scikit-image: the motion blur rebuilds ImageMagick's one-sided kernel, shear keeps the meaning
that scikit-image gave it then, and the Canny edges are thinned along four directions instead of interpolated
ones. Random numbers are drawn for all digits at once, so single pictures are others than the published ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from shared.vision.signature import Pixels
from training.suites.mnist_c import blur, fog, further, noise, overlay, warp

Floats = NDArray[np.float32]

Corruption = Callable[[Floats, Generator], Floats]

CORRUPTIONS: dict[str, Corruption] = {
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "shear": warp.shear,
    "scale": warp.scale,
    "rotate": warp.rotate,
    "brightness": noise.brightness,
    "translate": warp.translate,
    "stripe": overlay.stripe,
    "fog": fog.fog,
    "spatter": overlay.spatter,
    "dotted_line": overlay.dotted_line,
    "zigzag": overlay.zigzag,
    "canny_edges": blur.canny_edges,
}


OTHERS: dict[str, Corruption] = {
    function.__name__: function
    for function in (
        further.gaussian_noise,
        further.speckle_noise,
        further.gaussian_blur,
        further.defocus_blur,
        further.contrast,
        further.pixelate,
        further.jpeg_compression,
        further.quantize,
        further.line,
        further.inverse,
    )
}
"""Ten more of the reference, none of the fifteen."""


def corrupt(images: Pixels, name: str, *, seed: int) -> Pixels:
    """Return uint8 pictures (N, 28, 28), each corrupted by its own random numbers.

    Raises:
        KeyError: no such corruption.
    """
    known = CORRUPTIONS | OTHERS
    function = known[name]
    generator = np.random.default_rng([seed, list(known).index(name)])
    floats = images.astype(np.float32) / np.float32(255)
    return (function(floats, generator).clip(0, 1) * 255).astype(np.uint8)
