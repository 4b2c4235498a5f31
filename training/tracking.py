"""Keep a diary of runs in MLflow: what was asked, every epoch's figures, what came out; and register packages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from shared.errors import Unavailable
from shared.mlflow_client import LOCAL, Store, answering, open_store
from shared.mlflow_registry import ARTEFACTS, TAG
from shared.packages import CARD, ModelPackage, verify

if TYPE_CHECKING:
    from mlflow.entities import Metric

EXPERIMENT = "inkqueue"
NOTE = "mlflow-run.txt"
"""The file in a run's folder that names its MLflow run, so that a resumed run goes on in the same curves."""


class Tracker:
    """One MLflow run; a `Watch` of `training.train`."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self._unsent: list[Metric] = []

    def batch(self, done: int, of: int) -> None:
        """Leave batches alone: the curves have a point an epoch."""

    def epoch(self, line: Mapping[str, float]) -> None:
        """Add an epoch's figures to the curves; while the server is away they wait for the next epoch."""
        from mlflow.entities import Metric

        step, now = int(line["epoch"]), int(time.time() * 1000)
        self._unsent += [
            Metric(name, float(value), now, step) for name, value in line.items() if name != "epoch"
        ]
        with _going_on():
            self._send()

    def keep(self, path: Path, name: str | None = None) -> None:
        """Keep a file, or a folder under its own or another name, as an artefact, if the server takes it."""
        with _going_on():
            if path.is_dir():
                self.store.client.log_artifacts(self.run_id, str(path), name or path.name)
            else:
                self.store.client.log_artifact(self.run_id, str(path))

    def end(self, status: str = "FINISHED") -> None:
        """Close the run: FINISHED, FAILED or KILLED."""
        with _going_on():
            self._send()
            self.store.client.set_terminated(self.run_id, status)

    def _send(self) -> None:
        """Send the points that were not sent yet."""
        if self._unsent:
            self.store.client.log_batch(self.run_id, metrics=self._unsent, synchronous=True)
            self._unsent = []


@contextmanager
def _going_on() -> Iterator[None]:
    """Say what MLflow refuses, and go on: the weights are worth more than their diary."""
    try:
        with answering():
            yield
    except Unavailable as error:
        Console(stderr=True).print(f"not tracked: {error.detail}", style="yellow", markup=False)


def track(folder: Path, parameters: Mapping[str, object]) -> Tracker:
    """Open the MLflow run of a run's folder: a new one, or that which an interruption left.

    Raises:
        Unavailable: MLflow is not installed, or its server does not answer.
    """
    store = open_store(create=True)
    note = folder / NOTE
    with answering():
        run_id = _known(store, note) or _begin(store, folder.name)
        store.client.update_run(run_id, status="RUNNING")
        for name, value in parameters.items():
            store.client.log_param(run_id, name, value, synchronous=True)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(run_id + "\n", encoding="utf-8")
    return Tracker(store, run_id)


def _known(store: Store, note: Path) -> str | None:
    """Return the run that a folder's note names, if this store has it."""
    from mlflow.exceptions import MlflowException

    if not note.is_file():
        return None
    try:
        return str(store.client.get_run(note.read_text(encoding="utf-8").strip()).info.run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _begin(store: Store, name: str) -> str:
    """Make a run in our experiment; the local store keeps artefacts beside its file."""
    found = store.client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        experiment = found.experiment_id
    else:
        place = str(LOCAL.parent / "mlartifacts") if store.local else None
        experiment = store.client.create_experiment(EXPERIMENT, artifact_location=place)
    return str(store.client.create_run(experiment, run_name=name).info.run_id)


def register(
    package: ModelPackage, *, name: str | None = None, alias: str | None = None, run_id: str | None = None
) -> str:
    """Register a package as a version of a model, and give it an alias; return the version's number.

    The same package is registered once: again, it only moves the alias.

    Args:
        package: what is registered; its files are checked first.
        name: of the registered model; without it the package's.
        alias: such as `champion`, taken from the version that had it.
        run_id: the MLflow run that made the package; without it a new one.

    Raises:
        ModelCorrupt: a file differs from its checksum.
        Unavailable: MLflow is not installed, or its server does not answer.
    """
    verify(package)
    store = open_store(create=True)
    model = name or package.name
    with answering():
        number = _registered(store, model, package.sha256) or _add(store, model, package, run_id)
        if alias is not None:
            store.client.set_registered_model_alias(model, alias, number)
    return number


def _registered(store: Store, model: str, checksum: str) -> str | None:
    """Return the version of a model that holds a package already; make the model where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = store.client.search_model_versions(f"name='{model}'")
    return next((str(one.version) for one in versions if one.tags.get(TAG) == checksum), None)


def _add(store: Store, model: str, package: ModelPackage, run_id: str | None) -> str:
    """Keep the package's files with a run and make a version of them."""
    run_id = run_id or _begin(store, package.ref)
    for file in _files(package):
        store.client.log_artifact(run_id, str(package.path / file), ARTEFACTS)
    store.client.set_terminated(run_id)
    made = store.client.create_model_version(
        model,
        source=f"runs:/{run_id}/{ARTEFACTS}",
        run_id=run_id,
        tags={TAG: package.sha256, "inkqueue.package": package.ref},
        description=package.card["description"],
    )
    return str(made.version)


def _files(package: ModelPackage) -> Iterable[str]:
    """Name what a package consists of: its card and the files that the card lists."""
    return (CARD, *package.card["files"])
