"""The network: six small convolutions, the first of them over the whole picture, made for one CPU core."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIDE = 28
DIGITS = 10
JUNK = 10
"""Index of the output that stands for everything that is no digit."""
OUTPUTS = 11
WIDTHS = (16, 32, 32, 64, 64, 120)
STRIDES = (1, 2, 1, 2, 1, 2)
"""Of each 3×3 convolution: 28 → 28 → 14 → 14 → 7 → 7 → 4 pixels, 6.7M products at the usual widths.

A first convolution that halves the picture at once is quicker by a fifth and less steady: moved by one pixel, doubtful
digits read otherwise, and at equal epochs a tenth more of the clean ones are misread.
"""


class DigitNet(nn.Module):
    """Map float images (N, 1, 28, 28) in 0..1 to logits (N, outputs)."""

    def __init__(
        self,
        outputs: int = OUTPUTS,
        dropout: float = 0.3,
        widths: Sequence[int] = WIDTHS,
        strides: Sequence[int] = STRIDES,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels, side = 1, SIDE
        for index, (width, stride) in enumerate(zip(widths, strides, strict=True)):
            self.features.add_module(f"conv{index}", nn.Conv2d(channels, width, 3, stride, 1, bias=False))
            self.features.add_module(f"norm{index}", nn.BatchNorm2d(width))
            self.features.add_module(f"relu{index}", nn.ReLU(inplace=True))
            channels, side = width, -(-side // stride)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * side * side, outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(images))
        return logits


def fold(network: DigitNet, *, junk_odds: float = 1.0) -> nn.Sequential:
    """Return the same function for serving: normalisation folded into the convolutions, no dropout.

    `junk_odds` corrects the prior: what is served holds so many times less junk than what was trained on, so the
    logit of junk falls by its logarithm (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002).
    """
    network = copy.deepcopy(network).eval()
    layers: list[nn.Module] = []
    children = list(network.features.children())
    for conv, norm in zip(children[0::3], children[1::3], strict=True):
        layers += [_fuse(conv, norm), nn.ReLU()]
    head = network.head[2]
    assert isinstance(head, nn.Linear)
    if junk_odds != 1.0:
        with torch.no_grad():
            head.bias[JUNK] -= math.log(junk_odds)
    return nn.Sequential(*layers, nn.Flatten(), head).eval()


def _fuse(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """Fold one normalisation into its convolution."""
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def count_parameters(network: nn.Module) -> int:
    """Count what was learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_products(widths: Sequence[int] = WIDTHS, outputs: int = OUTPUTS) -> int:
    """Count the multiplications of one image."""
    channels, side, total = 1, SIDE, 0
    for width, stride in zip(widths, STRIDES, strict=True):
        side = -(-side // stride)
        total += side * side * 9 * channels * width
        channels = width
    return total + channels * side * side * outputs
