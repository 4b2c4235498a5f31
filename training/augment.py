"""Write each digit anew, a whole batch at once: another slant, size, place, pen, light and paper.

Each step is a transform of torchvision's v2 that draws its own numbers for every image of the batch, from
torch's global generator; `augmentation` joins them. What happens to a digit on paper, before it was cut out and
prepared, is drawn at full size in `training.scenes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.torchvision_ops import declare_missing_operators

declare_missing_operators()
from torchvision.transforms import v2  # noqa: E402  # only after the operators are declared

SIDE = 28


@dataclass(frozen=True)
class Augmentation:
    """How far a digit may be bent; lengths in pixels of 28, angles in degrees, shares in 0..1."""

    rotation: float = 15.0
    scale: float = 0.17
    shear: float = 0.25
    shift: float = 2.0
    elastic: float = 1.4
    elastic_grid: int = 5
    pen_share: float = 0.35
    blur_share: float = 0.25
    rescale_share: float = 0.12
    cut_share: float = 0.08
    line_share: float = 0.10
    noise_share: float = 0.20
    light_share: float = 0.15

    def scaled(self, strength: float) -> Augmentation:
        """Return the same with every bend and every share times `strength`; shares end at 0.6."""
        bends = ("rotation", "scale", "shear", "shift", "elastic")
        shares = ("pen", "blur", "rescale", "cut", "line", "noise", "light")
        changed = {name: getattr(self, name) * strength for name in bends}
        changed |= {f"{name}_share": min(getattr(self, f"{name}_share") * strength, 0.6) for name in shares}
        return Augmentation(**{**self.__dict__, **changed})


def augmentation(how: Augmentation) -> v2.Transform:
    """Return the transform of float batches (N, 1, 28, 28) in 0..1, light on dark."""
    return v2.Compose(
        [
            Bend(how),
            Pen(how.pen_share),
            Cut(how.cut_share),
            Line(how.line_share),
            Rescale(how.rescale_share),
            Blur(how.blur_share),
            Light(how.light_share),
            Noise(how.noise_share),
        ]
    )


def _uniform(*shape: int) -> Tensor:
    """Draw from −1..1."""
    return torch.rand(*shape) * 2 - 1


def _chosen(count: int, share: float) -> Tensor:
    """Draw which images of a batch a step shall change; bool (N, 1, 1, 1)."""
    return torch.rand(count, 1, 1, 1) < share


class _Batch(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A transform of batches that leaves all but a drawn share as they are."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Change the drawn share; the others pass untouched and cost nothing."""
        chosen = torch.nonzero(_chosen(len(inpt), self.share).flatten()).flatten()
        if len(chosen):
            inpt = inpt.clone()
            inpt[chosen] = self.change(inpt[chosen]).clamp_(0, 1)
        return inpt

    def change(self, images: Tensor) -> Tensor:
        """Change all given images."""
        raise NotImplementedError


class Bend(v2.Transform):  # type: ignore[misc]
    """Rotate, scale, shear, shift and bend elastically, in one resampling.

    The bend is a coarse grid of random shifts, interpolated: the smooth random field of Simard et al., "Best
    Practices for Convolutional Neural Networks" (ICDAR 2003), without its costly convolution.
    """

    def __init__(self, how: Augmentation) -> None:
        super().__init__()
        self.how = how
        # interpolation is linear in the grid: as a matrix it costs a tenth
        grid = torch.eye(how.elastic_grid)[None, None]
        size = (SIDE, how.elastic_grid)
        self.smooth = functional.interpolate(grid, size=size, mode="bicubic", align_corners=True)[0, 0]

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Bend each image in its own way."""
        how, count = self.how, len(inpt)
        grid = functional.affine_grid(_affine(count, how), list(inpt.shape), align_corners=False)
        field = _uniform(count, 2, how.elastic_grid, how.elastic_grid) * (how.elastic * 2 / SIDE)
        field = field * torch.rand(count, 1, 1, 1) * 1.5
        bend = self.smooth @ field @ self.smooth.T
        bent = functional.grid_sample(
            inpt, grid + bend.permute(0, 2, 3, 1), mode="bilinear", align_corners=False
        )
        return bent.clamp_(0, 1)


def _affine(count: int, how: Augmentation) -> Tensor:
    """Draw one affine map an image: rotation, two scales, shear, shift."""
    angle = _uniform(count) * math.radians(how.rotation)
    sx, sy = torch.exp(_uniform(count) * how.scale), torch.exp(_uniform(count) * how.scale)
    shear = _uniform(count) * how.shear
    cos, sin = torch.cos(angle), torch.sin(angle)
    shift = _uniform(2, count) * (how.shift * 2 / SIDE)
    first = torch.stack((cos / sx, (cos * shear - sin) / sx, shift[0]), dim=1)
    second = torch.stack((sin / sy, (sin * shear + cos) / sy, shift[1]), dim=1)
    return torch.stack((first, second), dim=1)


class Pen(_Batch):
    """Thicken strokes by up to a pixel and a half, or thin them by up to 0.7."""

    def change(self, images: Tensor) -> Tensor:
        """Mix each image with its dilation or its erosion."""
        wide = functional.max_pool2d(images, 3, stride=1, padding=1)
        thin = -functional.max_pool2d(-images, 3, stride=1, padding=1)
        amount = _uniform(len(images), 1, 1, 1)
        wider = torch.where(amount > 0.6, functional.max_pool2d(wide, (2, 3), 1, (1, 1))[:, :, :SIDE], wide)
        return images + amount.clamp(min=0) * (wider - images) + 0.7 * amount.clamp(max=0) * (images - thin)


def _binomial() -> Tensor:
    """Return the matrix that blurs a column by 1, 4, 6, 4, 1; with darkness beyond the border."""
    diagonals = [
        torch.diag(torch.full((SIDE - abs(k),), w), k)
        for k, w in zip(range(-2, 3), (1, 4, 6, 4, 1), strict=True)
    ]
    return torch.stack(diagonals).sum(0).float() / 16


_BINOMIAL = _binomial()


class Blur(_Batch):
    """Blur by a binomial kernel, mixed in by a random part, once or twice."""

    def change(self, images: Tensor) -> Tensor:
        """Mix each image with its blurred copy."""
        soft = _BINOMIAL @ images @ _BINOMIAL
        softer = _BINOMIAL @ soft @ _BINOMIAL
        part = torch.rand(len(images), 1, 1, 1)
        return images + part * (torch.where(torch.rand_like(part) < 0.35, softer, soft) - images)


class Rescale(_Batch):
    """Lose detail: down to between a third and nearly all of the size, and up again."""

    def change(self, images: Tensor) -> Tensor:
        """Shrink the whole drawn share to one of four sizes, part by part."""
        parts = []
        for part in images.chunk(4):
            side = int(torch.randint(9, 24, ()))
            small = functional.interpolate(part, size=(side, side), mode="bilinear", antialias=True)
            parts.append(functional.interpolate(small, size=images.shape[2:], mode="bilinear"))
        return torch.cat(parts)


def _bands(count: int, slack: float) -> tuple[Tensor, Tensor]:
    """Draw a straight line an image; return each pixel's distance from it, and along it, in pixels."""
    place = torch.arange(SIDE) - (SIDE - 1) / 2
    angle = torch.rand(count, 1, 1) * math.pi
    # half of all lines are nearly level or upright, as rules and frames are
    straight = torch.rand(count, 1, 1) < 0.5
    angle = torch.where(
        straight, (angle * 2 / math.pi).round() * (math.pi / 2) + 0.05 * _uniform(count, 1, 1), angle
    )
    offset = _uniform(count, 1, 1) * slack
    across = place[:, None] * torch.cos(angle) - place * torch.sin(angle) - offset
    along = place[:, None] * torch.sin(angle) + place * torch.cos(angle)
    return across[:, None], along[:, None]


class Cut(_Batch):
    """Interrupt strokes along a narrow band, as a worn pen or a removed rule does."""

    def change(self, images: Tensor) -> Tensor:
        """Fade what lies on the band."""
        across, _ = _bands(len(images), 9)
        width = 0.4 + 0.8 * torch.rand(len(images), 1, 1, 1)
        return images * ((across.abs() - width).clamp(0, 1))


class Line(_Batch):
    """Leave a piece of a printed line or frame beside or across the digit."""

    def change(self, images: Tensor) -> Tensor:
        """Draw the piece with its own strength, width and ends."""
        count = len(images)
        across, along = _bands(count, 13)
        width = 0.3 + 0.8 * torch.rand(count, 1, 1, 1)
        middle, reach = _uniform(count, 1, 1, 1) * 10, 3 + 14 * torch.rand(count, 1, 1, 1)
        inside = (1 + width - across.abs()).clamp(0, 1) * (reach - (along - middle).abs()).clamp(0, 1)
        return torch.maximum(images, inside * (0.4 + 0.6 * torch.rand(count, 1, 1, 1)))


class Light(_Batch):
    """Change gamma and contrast, and lift the ground evenly or along a slope."""

    def change(self, images: Tensor) -> Tensor:
        """Give each image its own light."""
        count = len(images)
        shaped = images.clamp(min=1e-4) ** torch.exp(0.7 * _uniform(count, 1, 1, 1))
        across, _ = _bands(count, 6)
        floor = 0.35 * torch.rand(count, 1, 1, 1) * torch.rand(count, 1, 1, 1)
        slope = (0.5 + across / SIDE * torch.rand(count, 1, 1, 1)).clamp(0, 1)
        top = 0.5 + 0.5 * torch.rand(count, 1, 1, 1)
        return floor * slope + shaped * (top - floor * slope)


class Noise(_Batch):
    """Add grain, or single light and dark pixels."""

    def change(self, images: Tensor) -> Tensor:
        """Give each image one of both kinds."""
        strength = torch.rand(len(images), 1, 1, 1)
        grain = images + torch.randn_like(images) * 0.25 * strength
        hit = torch.rand_like(images) < 0.12 * strength
        salted = torch.where(hit, (torch.rand_like(images) < 0.6).to(images.dtype), images)
        return torch.where(_chosen(len(images), 0.6), grain, salted)
