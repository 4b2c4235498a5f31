"""Figures that a card brings along because only the maker of the package can measure them."""

from __future__ import annotations

from shared.packages import ModelCard
from training.suites.suite import Figure

NAME = "card"
PARAMETERS = "parameters"
MEAN_OF_SEEDS = "mean_accuracy_of_seeds"
TRAINING_MINUTES = "training_minutes"


def figures(card: ModelCard) -> list[Figure]:
    """Return the number of parameters, and the mean over seeds and the time of training where they are told."""
    told = [
        Figure(metric["name"], NAME, metric["value"], metric["count"], note=metric.get("note", ""))
        for metric in card["metrics"]
        if metric["name"] in (MEAN_OF_SEEDS, TRAINING_MINUTES)
    ]
    return [Figure(PARAMETERS, NAME, card["parameters"], 1), *told]
