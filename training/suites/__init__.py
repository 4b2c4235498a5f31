"""What a package is measured on: suites of pictures that no part of training ever saw."""

from training.suites.suite import (
    JUNK,
    Figure,
    MissingDataError,
    Preparer,
    Result,
    Sources,
    Suite,
    preparer,
)

__all__ = ["JUNK", "Figure", "MissingDataError", "Preparer", "Result", "Sources", "Suite", "preparer"]
