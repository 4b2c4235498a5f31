"""The pictures that were misread: those that nobody would have looked at first, the surest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.report import measures
from training.report.document import Gallery, Picture
from training.report.numbers import count
from training.suites.suite import Result

SHOWN = 48


def misread(result: Result, names: tuple[str, ...], slug: str) -> Gallery:
    """Show what was read wrongly and what was accepted though it must be refused."""
    readings, labels = result.readings, result.suite.labels
    bad = np.flatnonzero(~measures.good(readings, labels))
    confidence = np.nan_to_num(readings.confidence[bad], nan=-1.0)
    order = bad[np.lexsort((-confidence, ~readings.accept[bad]))]
    caption = f"{count(len(bad))} of {count(len(labels))} misread" + (
        f"; the first {SHOWN} shown, accepted ones first, then the surest" if len(bad) > SHOWN else ""
    )
    return Gallery(
        f"{slug}-misread", caption, [_picture(result, int(index), names) for index in order[:SHOWN]]
    )


def _picture(result: Result, index: int, names: tuple[str, ...]) -> Picture:
    """Describe one picture: what it is, what was read, how sure, and what becomes of it."""
    readings, label = result.readings, int(result.suite.labels[index])
    truth = names[label] if label >= 0 else "no digit"
    said = int(readings.prediction[index])
    answer = names[said] if said >= 0 else "none"
    accepted = bool(readings.accept[index])
    decision = "accepted" if accepted else f"review: {', '.join(readings.reasons[index])}"
    confidence = float(readings.confidence[index])
    sure = "no confidence" if np.isnan(confidence) else f"confidence {confidence:.4f}"
    lines = [f"true {truth}, read {answer}", sure, decision]
    if result.suite.groups is not None:
        lines.append(result.suite.groups[index])
    pixels: NDArray[np.uint8] = result.suite.pictures[index].image
    return Picture(pixels, "; ".join(lines), tuple(lines), accepted)
