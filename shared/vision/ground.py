"""The sheet under the ink: one grey plane, even light, dark ink on light ground."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.signature import Pixels

_SMALL = 64
"""Longer side at which lighting is estimated."""
_WIDEST = 19
"""Widest stroke at that size that is taken for ink and not for a shadow."""
_UNEVEN = 0.12
"""Range of the ground's brightness, as a share, from which on lighting is evened out."""
_LIFT = 16
"""Grey levels added to ink and ground before the division, so that the dark end of a slope keeps its calm."""
_COLOUR_GAIN = 1.25
"""How much more contrast a colour channel must have to be taken instead of luminance."""
_SAMPLE = 64


def to_grey(pixels: Pixels) -> Pixels:
    """Return one plane: alpha flattened on white, and for coloured ink the channel of most contrast."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 4:
        pixels = flatten(pixels)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    step = max(1, max(grey.shape) // _SAMPLE)
    _, spread = cv2.meanStdDev(np.ascontiguousarray(pixels[::step, ::step]))
    _, plain = cv2.meanStdDev(np.ascontiguousarray(grey[::step, ::step]))
    best = int(spread.argmax())
    return np.ascontiguousarray(pixels[:, :, best]) if spread[best, 0] > _COLOUR_GAIN * plain[0, 0] else grey


def flatten(pixels: Pixels) -> Pixels:
    """Lay an RGBA picture on white, on black where white would swallow the ink."""
    alpha = pixels[:, :, 3]
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[:, :, :3])
    on_white = blend(pixels, 255)
    return blend(pixels, 0) if int(np.ptp(on_white)) < 0.25 * int(np.ptp(alpha)) else on_white


def blend(pixels: Pixels, ground: int) -> Pixels:
    """Blend RGBA with a grey ground into RGB."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    return ((pixels[:, :, :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def shrink(pixels: Pixels, step: int) -> Pixels:
    """Reduce a picture by area in whole steps, which is several times as fast as in others.

    A side shorter than the step becomes one pixel; what is left over at the right and bottom edge falls away.
    """
    if step == 1:
        return np.ascontiguousarray(pixels)
    rows, columns = (max(side // step, 1) for side in pixels.shape[:2])
    whole = pixels[: rows * step, : columns * step]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def is_light_ground(light: Pixels) -> bool:
    """Say whether a mask of light pixels holds the ground: most of the border and of the whole."""
    height, width = light.shape
    depth = max(1, min(height, width) // 20)
    total = cv2.countNonZero(light)
    if min(height, width) <= 2 * depth:
        return 2 * total > light.size
    inner = cv2.countNonZero(light[depth : height - depth, depth : width - depth])
    ring = light.size - (height - 2 * depth) * (width - 2 * depth)
    return bool(0.6 * (total - inner) / ring + 0.4 * total / light.size > 0.5)


def even_light(grey: Pixels) -> Pixels | None:
    """Divide by the ground's brightness; None where the light is even. Expects dark ink on light ground.

    The ground is what a closing leaves of the small picture: it fills every stroke narrower than its kernel.
    """
    height, width = grey.shape
    step = -(-max(height, width) // _SMALL)
    if step < 2 or min(height, width) // step < _WIDEST:
        return None
    small = shrink(grey, step)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_WIDEST, _WIDEST))
    # Repeated beyond its border, a slope of light is closed to itself there too.
    wide = cv2.copyMakeBorder(small, _WIDEST, _WIDEST, _WIDEST, _WIDEST, cv2.BORDER_REPLICATE)
    closed = cv2.blur(cv2.morphologyEx(wide, cv2.MORPH_CLOSE, kernel), (5, 5))
    ground = closed[_WIDEST:-_WIDEST, _WIDEST:-_WIDEST]
    low, high, _, _ = cv2.minMaxLoc(ground)
    if high - low < _UNEVEN * max(high, 1.0):
        return None
    smooth = cv2.resize(ground, (width, height), interpolation=cv2.INTER_LINEAR)
    raised, under = cv2.convertScaleAbs(grey, beta=_LIFT), cv2.convertScaleAbs(smooth, beta=_LIFT)
    return np.asarray(cv2.divide(raised, under, scale=255), np.uint8)
