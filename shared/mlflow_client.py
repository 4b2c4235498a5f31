"""Open MLflow without its telemetry, its log handlers and its bars; it is imported only where it is used."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCAL = Path("runs") / "mlflow.db"
"""The store of those who name no other by MLFLOW_TRACKING_URI."""
_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_RETRIES = 2  # MLflow's own seven keep a worker from starting for minutes


@dataclass(frozen=True)
class Store:
    """Where runs and models are kept, and whether that is the local file of this folder."""

    client: MlflowClient
    tracking_uri: str
    registry_uri: str
    local: bool


def open_store(*, create: bool = False) -> Store:
    """Open the store of MLflow's usual variables, else the SQLite file `runs/mlflow.db`.

    Args:
        create: whether the local file is made where there is none.

    Raises:
        Unavailable: MLflow is not installed, or there is neither a variable nor a local file.
    """
    _import_quietly()
    from mlflow import MlflowClient
    from mlflow.environment_variables import MLFLOW_REGISTRY_URI, MLFLOW_TRACKING_URI

    tracking_uri = MLFLOW_TRACKING_URI.get()
    local = not tracking_uri
    if local:
        _find_local(create)
        tracking_uri = f"sqlite:///{LOCAL.as_posix()}"
    registry_uri = MLFLOW_REGISTRY_URI.get() or tracking_uri
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Store(MlflowClient(tracking_uri, registry_uri), tracking_uri, registry_uri, local)


@contextmanager
def answering() -> Iterator[None]:
    """Turn MLflow's own error, which is mostly that of a server which does not answer, into one of ours.

    Raises:
        Unavailable: MLflow says no.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise Unavailable(f"MLflow does not take it: {error.message[:300]}") from error


def _import_quietly() -> None:
    """Import MLflow with its switches set first: it looks at them while it is imported."""
    os.environ.update(_SWITCHES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow's own use of SQLAlchemy and pydantic
            import mlflow.store.tracking.sqlalchemy_store
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise Unavailable(
            f'A model registry needs {missing}, which `pip install "inkqueue[registry]"` brings.'
        ) from error
    retries = mlflow.environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES
    if not retries.is_set():
        retries.set(_RETRIES)


def _find_local(create: bool) -> None:
    """Make the folder of the local store, or insist that the store is there."""
    if create:
        LOCAL.parent.mkdir(parents=True, exist_ok=True)
    elif not LOCAL.is_file():
        raise Unavailable(f"No model registry: MLFLOW_TRACKING_URI is not set, and there is no {LOCAL} here.")
