"""The sheet under the ink: one grey plane, even light, dark ink on light ground."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.signature import Pixels

_SMALL = 64
"""Longer side at which lighting is estimated."""
_UNEVEN = 0.12
"""Range of the ground's brightness, as a share, from which on lighting is evened out."""
_COLOUR_GAIN = 1.25
"""How much more contrast a colour channel must have to be taken instead of luminance."""


def to_grey(pixels: Pixels) -> Pixels:
    """Return one plane: alpha flattened on white, and for coloured ink the channel of most contrast."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 4:
        pixels = flatten(pixels)
    grey: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]  # 8 bits stay 8
    step = max(1, max(grey.shape) // 128)
    sample = pixels[::step, ::step].reshape(-1, 3).astype(np.float32)
    spread = sample.std(axis=0)
    best = int(spread.argmax())
    if spread[best] > _COLOUR_GAIN * float(grey[::step, ::step].std()):
        return np.ascontiguousarray(pixels[:, :, best])
    return grey


def flatten(pixels: Pixels) -> Pixels:
    """Lay an RGBA picture on white, on black where white would swallow the ink."""
    alpha = pixels[:, :, 3]
    if int(alpha.min()) == 255:
        return pixels[:, :, :3]
    on_white = _blend(pixels, 255)
    if np.ptp(on_white) < 0.25 * np.ptp(alpha):
        return _blend(pixels, 0)
    return on_white


def _blend(pixels: Pixels, ground: int) -> Pixels:
    """Blend RGBA with a grey ground."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    return ((pixels[:, :, :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def is_light(grey: Pixels) -> bool:
    """Say whether the ground is light: on which side of Otsu's threshold border and whole lie."""
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = grey > threshold
    depth = max(1, min(grey.shape) // 20)
    inner = light[depth:-depth, depth:-depth] if min(grey.shape) > 2 * depth else light[:0]
    ring = light.size - inner.size
    ring_share = (int(light.sum()) - int(inner.sum())) / ring
    return 0.6 * ring_share + 0.4 * float(light.mean()) > 0.5


def even_light(grey: Pixels) -> Pixels:
    """Divide by the ground's brightness where lighting is uneven; expects dark ink on light ground.

    The ground is what a closing leaves of the small picture: it fills every stroke narrower than its kernel.
    """
    height, width = grey.shape
    factor = _SMALL / max(height, width)
    if factor >= 1:
        return grey
    small = cv2.resize(
        grey,
        (max(round(width * factor), 4), max(round(height * factor), 4)),
        interpolation=cv2.INTER_AREA,
    )
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (19, 19))
    ground = cv2.medianBlur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel), 5)
    low, high = np.percentile(ground, (2, 98))
    if high - low < _UNEVEN * max(float(high), 1.0):
        return grey
    smooth = cv2.resize(
        cv2.GaussianBlur(ground, (0, 0), 1.5),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    return cv2.divide(grey, smooth, scale=255)  # type: ignore[return-value]  # 8 bits stay 8
