"""Who takes part, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence

from training.compare.classical import Forest, NearestNeighbours, Perceptron, SupportVectors
from training.compare.entrant import Entrant
from training.compare.simple_cnn import SimpleCnn

SHIPPED = "shipped"
TRAINED = (
    Entrant("knn", "k-NN (k = 3)", NearestNeighbours),
    Entrant("svm", "SVM (RBF)", SupportVectors, most=10_000),
    Entrant("forest", "random forest (100 trees)", Forest),
    Entrant("mlp", "MLP (256)", Perceptron),
    Entrant("cnn", "simple CNN", SimpleCnn),
)
KEYS = (*(entrant.key for entrant in TRAINED), SHIPPED)


def chosen(names: str) -> Sequence[str]:
    """Return the keys that a list with commas names, in the order of the table.

    Raises:
        ValueError: there is no such entrant, or none is named.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in KEYS]
    if unknown or not wanted:
        raise ValueError(
            f"{', '.join(unknown) or 'nothing'} cannot be compared; choose from {', '.join(KEYS)}"
        )
    return [key for key in KEYS if key in wanted]


def find_entrant(key: str) -> Entrant:
    """Return the entrant of a key."""
    return next(entrant for entrant in TRAINED if entrant.key == key)
