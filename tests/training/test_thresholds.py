"""Bounds are what they are called, and thresholds keep their word."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibrate import upper_bound
from training.thresholds import TARGETS, threshold_table

# Bounds


@pytest.mark.parametrize(("errors", "count"), [(0, 1), (0, 2995), (1, 4742), (3, 50), (17, 900), (80, 4000)])
def test_the_bound_is_clopper_and_pearson_s(errors: int, count: int) -> None:
    """At the bound so few errors have a chance of exactly 5 %, counted out with whole numbers."""
    rate = upper_bound(errors, count)

    chance = math.fsum(math.comb(count, k) * rate**k * (1 - rate) ** (count - k) for k in range(errors + 1))
    assert chance == pytest.approx(0.05, rel=1e-6)


def test_nothing_right_bounds_nothing() -> None:
    """If every answer is wrong the rate may be 1; the rule of three holds where none is."""
    assert upper_bound(5, 5) == 1.0
    assert upper_bound(0, 30_000) == pytest.approx(1e-4, rel=0.01)


# Thresholds

answers = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def simulated(rng: np.random.Generator, count: int, *, hardness: float = 3.0) -> tuple[Any, Any]:
    """Draw confidences and, with just that probability, right answers."""
    confidence = 1 / (1 + np.exp(-rng.normal(2 * hardness, hardness, count)))
    return confidence, rng.random(count) < confidence


@settings(max_examples=25)
@given(answers, st.floats(1.0, 4.0))
def test_every_row_of_the_table_counts_what_it_accepts(rng: np.random.Generator, hardness: float) -> None:
    """Accepted, errors and coverage are those of the threshold as served; what is certified is within bound."""
    confidence, right = simulated(rng, 400, hardness=hardness)

    for row in threshold_table(confidence, right):
        accepted = confidence >= row["threshold"]
        assert row["accepted"] == accepted.sum()
        assert row["errors"] == (accepted & ~right).sum()
        assert row["coverage"] == round(float(accepted.mean()), 4)
        assert 0 <= row["threshold"] <= 1
        assert row["error_upper"] >= upper_bound(row["errors"], max(row["accepted"], 1)) - 1e-12
        assert row["error_upper"] <= row["target_error"] or not row["certified"]


@settings(max_examples=25)
@given(answers, st.floats(1.0, 4.0))
def test_a_smaller_target_never_has_a_smaller_threshold(rng: np.random.Generator, hardness: float) -> None:
    """Whoever wants fewer errors sees no more answers accepted, certified rows and others alike."""
    table = threshold_table(*simulated(rng, 400, hardness=hardness), [0.3, *TARGETS, 0.03])

    assert [row["target_error"] for row in table] == sorted([0.3, *TARGETS, 0.03])
    thresholds = [row["threshold"] for row in table]
    assert thresholds == sorted(thresholds, reverse=True)


def test_a_certified_threshold_keeps_its_promise_nineteen_times_in_twenty() -> None:
    """Over many calibrations the true error of what is accepted passes the target in 5 % of them at most."""
    rng = np.random.default_rng(7)
    world = simulated(rng, 400_000)[0]
    broken = certified = 0
    for _ in range(150):
        row = threshold_table(*simulated(rng, 1500), [0.01])[0]
        certified += row["certified"]
        broken += row["certified"] and (1 - world[world >= row["threshold"]]).mean() > 0.01

    assert certified > 100
    assert broken <= 0.05 * 150 + 2 * math.sqrt(0.05 * 150)


def test_too_few_images_certify_nothing_and_accept_little() -> None:
    """A hundred perfect answers do not prove one error in a thousand."""
    confidence, right = np.linspace(0.5, 0.99, 100), np.ones(100, bool)
    row = threshold_table(confidence, right, [0.001])[0]

    assert not row["certified"]
    assert row["threshold"] >= 0.5
    assert row["error_upper"] > 0.001


def test_what_could_never_be_accepted_counts_as_refused() -> None:
    """Answers without confidence are in the coverage's denominator and in no numerator."""
    confidence = np.concatenate([np.linspace(0.9, 1, 500), np.full(500, np.nan)])
    row = threshold_table(confidence, np.ones(1000, bool), [0.1])[0]

    assert row["certified"]
    assert row["coverage"] == pytest.approx(0.5, abs=0.01)


def test_junk_that_looks_sure_raises_the_threshold() -> None:
    """A scribble that would pass counts as the error it is."""
    confidence = np.linspace(0.5, 1, 4000)
    clean = threshold_table(confidence, np.ones(4000, bool), [0.01])[0]
    junk = np.concatenate([confidence, np.full(100, 0.8)])
    mixed = threshold_table(junk, np.arange(4100) < 4000, [0.01])[0]

    assert clean["threshold"] < 0.51
    assert mixed["threshold"] > 0.8
    assert mixed["errors"] == 0


def test_the_easy_do_not_pay_for_the_hard() -> None:
    """Worn pictures with 5 % errors are not hidden behind many clean ones."""
    confidence = np.concatenate([np.linspace(0.9, 1, 9000), np.linspace(0.89, 0.95, 1000)])
    right, kinds = np.ones(10_000, bool), ["clean"] * 9000 + ["worn"] * 1000
    right[9000:9050] = False
    pooled = threshold_table(confidence, right, [0.01])[0]
    each = threshold_table(confidence, right, [0.01], kinds=kinds)[0]

    assert pooled["certified"]
    assert pooled["threshold"] < 0.9
    assert each["threshold"] > pooled["threshold"]
    assert each["coverage_by_kind"]["clean"] > each["coverage_by_kind"]["worn"]


def test_junk_is_weighed_against_all_that_is_accepted() -> None:
    """Of a kind that is never right every accepted picture is an error; it counts in the pool, not by itself."""
    confidence, right = np.linspace(0.5, 1, 5200), np.arange(5200) % 52 != 0
    kinds = ["clean" if ok else "junk" for ok in right]
    row = threshold_table(confidence, right, [0.05], kinds=kinds)[0]

    assert row["certified"]
    assert row["coverage_by_kind"]["junk"] > 0.9


def test_errors_of_one_hand_weigh_more_than_scattered_ones() -> None:
    """Ten errors by ten writers certify what ten errors by one do not."""
    confidence, right = np.ones(2000), np.ones(2000, bool)
    right[::200] = False
    scattered = threshold_table(confidence, right, [0.01], groups=np.arange(2000) // 20)[0]
    one = threshold_table(confidence, right, [0.01], groups=np.where(right, np.arange(2000) // 20, 0))[0]

    assert scattered["design_effect"] == pytest.approx(1.0, abs=0.1)
    assert one["design_effect"] > 5
    assert one["error_upper"] > scattered["error_upper"]
