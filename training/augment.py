"""Write each digit anew: another slant, size, place, pen and blur, a whole batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far a digit may be bent; lengths in pixels of 28, angles in degrees, shares in 0..1."""

    rotation: float = 14.0
    scale: float = 0.15
    shear: float = 0.22
    shift: float = 1.8
    elastic: float = 1.3
    elastic_grid: int = 5
    pen_share: float = 0.35
    blur_share: float = 0.25
    noise_share: float = 0.15
    untouched_share: float = 0.12


def augment(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Bend float images (N, 1, 28, 28) in 0..1; each draws its own numbers from the generator."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    count = len(images)
    grid = functional.affine_grid(_affine(count, how, uniform), list(images.shape), align_corners=False)
    field = uniform(count, 2, how.elastic_grid, how.elastic_grid) * (how.elastic * 2 / 28)
    bend = functional.interpolate(field, size=images.shape[2:], mode="bicubic", align_corners=True)
    grid = grid + bend.permute(0, 2, 3, 1)
    bent = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
    bent = _pen(bent, how, uniform)
    bent = _blur(bent, how, uniform)
    bent = _noise(bent, how, uniform, generator)
    untouched = (uniform(count, 1, 1, 1) + 1) / 2 < how.untouched_share
    return torch.where(untouched, images, bent.clamp_(0, 1))


def _affine(count: int, how: Augmentation, uniform) -> Tensor:  # type: ignore[no-untyped-def]
    """Draw one affine map an image: rotation, two scales, shear, shift."""
    angle = uniform(count) * math.radians(how.rotation)
    sx, sy = torch.exp(uniform(count) * how.scale), torch.exp(uniform(count) * how.scale)
    shear = uniform(count) * how.shear
    cos, sin = torch.cos(angle), torch.sin(angle)
    shift = uniform(2, count) * (how.shift * 2 / 28)
    first = torch.stack((cos / sx, (cos * shear - sin) / sx, shift[0]), dim=1)
    second = torch.stack((sin / sy, (sin * shear + cos) / sy, shift[1]), dim=1)
    return torch.stack((first, second), dim=1)


def _pen(images: Tensor, how: Augmentation, uniform) -> Tensor:  # type: ignore[no-untyped-def]
    """Thicken or thin the strokes of a share of the batch, by up to a pixel."""
    wide = functional.max_pool2d(images, 3, stride=1, padding=1)
    thin = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    amount = uniform(len(images), 1, 1, 1)
    amount = torch.where(
        uniform(len(images), 1, 1, 1).abs() < how.pen_share, amount, torch.zeros_like(amount)
    )
    return images + amount.clamp(min=0) * (wide - images) + 0.7 * amount.clamp(max=0) * (images - thin)


def _blur(images: Tensor, how: Augmentation, uniform) -> Tensor:  # type: ignore[no-untyped-def]
    """Blur a share of the batch by a small binomial kernel, mixed in by a random part."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    soft = functional.conv2d(images, (line[:, None] * line)[None, None], padding=2)
    part = uniform(len(images), 1, 1, 1).abs()
    part = torch.where(uniform(len(images), 1, 1, 1).abs() < how.blur_share, part, torch.zeros_like(part))
    return images + part * (soft - images)


def _noise(images: Tensor, how: Augmentation, uniform, generator: torch.Generator) -> Tensor:  # type: ignore[no-untyped-def]
    """Add grain to a share of the batch."""
    chosen = uniform(len(images), 1, 1, 1).abs() < how.noise_share
    grain = torch.randn(images.shape, generator=generator) * 0.12 * uniform(len(images), 1, 1, 1).abs()
    return torch.where(chosen, images + grain, images)
