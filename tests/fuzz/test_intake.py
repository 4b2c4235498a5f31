"""Whatever strangers send is refused properly or read: the short, seeded run of `make fuzz`."""

from __future__ import annotations

import random

import pytest

from benchmarks.fuzz.target import Target, input_of
from benchmarks.fuzz.targets import TARGETS
from shared.errors import InkqueueError

SEED = 20_261
INPUTS = 200


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_broken_input_is_refused_or_read(target: Target) -> None:
    """No input raises anything but an error of ours, and no law of the reader breaks."""
    whole = 0
    for number in range(INPUTS):
        data = input_of(target, SEED, number)
        try:
            target.read(data)
        except InkqueueError:
            continue
        except Exception as error:
            raise AssertionError(f"--replay {target.name}:{SEED}:{number}") from error
        whole += 1
    assert whole >= 4, "hardly an input gets as far as the end of its reader"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_input_is_known_by_its_numbers(target: Target) -> None:
    """A seed and a number make the same bytes again, whatever was made before; others make other bytes."""
    numbers = list(range(30))
    first = {number: input_of(target, SEED, number) for number in numbers}
    random.Random(1).shuffle(numbers)
    assert {number: input_of(target, SEED, number) for number in numbers} == first
    assert len(set(first.values())) > 15
