"""Textbook classifiers of scikit-learn with settings that are usual for MNIST; none was tuned here."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from training.compare.entrant import Progress, bytes_on_disk, flat
from training.data import Images, Labels

CLASSES = np.arange(10)


class NearestNeighbours:
    """The three nearest training images vote by their distance."""

    def __init__(self, seed: int, threads: int) -> None:
        self.model = KNeighborsClassifier(3, weights="distance", algorithm="brute", n_jobs=threads)

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Keep the images."""
        self.model.fit(flat(images), labels)

    def read(self, images: Images) -> Labels:
        """Return the vote."""
        return np.asarray(self.model.predict(flat(images)), np.int64)

    def size(self) -> int:
        """Return the bytes of all training images."""
        return bytes_on_disk((self.model._fit_X, self.model._y))


class SupportVectors:
    """A support vector machine with a radial kernel: C 5, and γ from the variance of the pixels."""

    def __init__(self, seed: int, threads: int) -> None:
        self.model = SVC(C=5, gamma="scale", cache_size=500, random_state=seed)

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Find the support vectors."""
        self.model.fit(flat(images), labels)

    def read(self, images: Images) -> Labels:
        """Return the winner of the duels between labels."""
        return np.asarray(self.model.predict(flat(images)), np.int64)

    def size(self) -> int:
        """Return the bytes of the support vectors and their weights."""
        model = self.model
        return bytes_on_disk((model.support_vectors_, model.dual_coef_, model.intercept_, model.n_support_))


class Forest:
    """A random forest of 100 trees."""

    TREES, STEP = 100, 10

    def __init__(self, seed: int, threads: int) -> None:
        self.model = RandomForestClassifier(0, warm_start=True, n_jobs=threads, random_state=seed)

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Grow ten trees at a time."""
        rows = flat(images)
        for trees in range(self.STEP, self.TREES + 1, self.STEP):
            self.model.set_params(n_estimators=trees).fit(rows, labels)
            progress(trees / self.TREES)

    def read(self, images: Images) -> Labels:
        """Return the label that the trees find likeliest together."""
        return np.asarray(self.model.predict(flat(images)), np.int64)

    def size(self) -> int:
        """Return the bytes of all trees' nodes and values."""
        states = [tree.tree_.__getstate__() for tree in self.model.estimators_]
        return bytes_on_disk(array for state in states for array in (state["nodes"], state["values"]))


class Perceptron:
    """A multilayer perceptron: one hidden layer of 256, Adam, twelve epochs."""

    EPOCHS = 12

    def __init__(self, seed: int, threads: int) -> None:
        self.model = MLPClassifier((256,), batch_size=128, random_state=seed)

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Go through the images twelve times."""
        rows = flat(images)
        self.model.set_params(batch_size=min(128, len(rows)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is meant to end it
            for epoch in range(self.EPOCHS):
                self.model.partial_fit(rows, labels, classes=CLASSES)
                progress((epoch + 1) / self.EPOCHS)

    def read(self, images: Images) -> Labels:
        """Return the likeliest label."""
        return np.asarray(self.model.predict(flat(images)), np.int64)

    def size(self) -> int:
        """Return the bytes of the weights."""
        return bytes_on_disk((*self.model.coefs_, *self.model.intercepts_))
