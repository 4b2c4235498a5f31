"""Augmentation: pictures stay pictures, every step does what its share says, a seed decides all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training.tiny import clean_digits
from training.augment import Augmentation, Blur, Cut, Light, Line, Noise, Pen, Rescale, augmentation
from training.train import to_tensor

pytestmark = pytest.mark.torch
STEPS = (Pen, Cut, Line, Rescale, Blur, Light, Noise)
STILL = Augmentation().scaled(0.0)


def batch() -> Tensor:
    """Return a batch of 400 sample digits."""
    return to_tensor(clean_digits(20).images)


def changed(before: Tensor, after: Tensor) -> float:
    """Return the share of images that a step changed to the eye."""
    return float(((after - before).abs().amax(dim=(1, 2, 3)) > 0.02).float().mean())


def test_augmented_digits_stay_pictures_and_follow_their_seed() -> None:
    """Values stay in 0..1, nearly all pictures change, and the same seed gives the same batch."""
    images, results = batch(), []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(augmentation(Augmentation())(images))
    one, two, other = results
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.shape == images.shape
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert changed(images, one) > 0.95
    assert torch.equal(images, batch())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_changes_the_share_that_it_is_given(step: type[Pen]) -> None:
    """None at 0, some at a quarter, nearly all at 1."""
    torch.manual_seed(1)
    images = batch()
    assert torch.equal(step(0.0)(images), images)
    assert 0.1 < changed(images, step(0.25)(images)) < 0.35
    assert changed(images, step(1.0)(images)) > 0.7


def test_strength_stretches_bends_and_shares_together() -> None:
    """At strength 0 a digit stays as it is; bends grow with it, and shares up to 0.6."""
    images = batch()
    assert changed(images, augmentation(STILL)(images)) == 0
    strong = Augmentation().scaled(2.0)
    assert strong.rotation == 2 * Augmentation().rotation
    assert strong.pen_share == 0.6
    assert strong.elastic_grid == Augmentation().elastic_grid
