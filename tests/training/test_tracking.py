"""Tracking and registry: a diary that survives interruptions; packages arrive unchanged or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared import mlflow_registry
from shared.errors import InkqueueError, ModelCorrupt, Unavailable, UnknownModel
from shared.mlflow_client import Store, open_store
from shared.mlflow_registry import TAG, fetch
from shared.packages import CARD, SHIPPED, ModelPackage, find_packages, load_package, resolve, verify
from training.commands import app
from training.tracking import register, track

pytestmark = [pytest.mark.torch, pytest.mark.slow]
SHIPPED_DIGITS = resolve(find_packages(), "digits@1.0.0")
VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Make one local store and stand beside it: its tables take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("laboratory"))
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        yield open_store(create=True)


def package(folder: Path, **changes: str) -> ModelPackage:
    """Make a package of two small files, with changes to its card."""
    name, version = changes.get("name", "digits"), changes.get("version", "7.0.0")
    path = folder / name / version
    shutil.copytree(SHIPPED_DIGITS.path, path)
    card = json.loads((path / CARD).read_text()) | {"name": name, "version": version} | changes
    (path / CARD).write_text(json.dumps(card))
    return load_package(path)


def kept(store: Store, model: str, number: str) -> Path:
    """Return the folder where the local store keeps a version's files."""
    run = store.client.get_model_version(model, number).run_id
    return Path(store.client.get_run(run).info.artifact_uri) / "package"


def left(folder: Path) -> list[str]:
    """Name what lies in a folder of packages, notes aside."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_a_run_keeps_parameters_curves_and_files(store: Store, tmp_path: Path) -> None:
    """What was asked, each epoch's figures and what came out are found again in the store."""
    tracker = track(tmp_path / "run", {"epochs": 2, "widths": (4, 8)})
    for epoch, wrong in ((1, 9), (2, 5)):
        tracker.epoch({"epoch": epoch, "loss": 1 / epoch, "held_out_errors": wrong})
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("# all well")
    tracker.keep(tmp_path / "report")
    tracker.end()

    run = store.client.get_run(tracker.run_id)
    assert run.data.params == {"epochs": "2", "widths": "(4, 8)"}
    curve = store.client.get_metric_history(tracker.run_id, "held_out_errors")
    assert [(point.step, point.value) for point in curve] == [(1, 9), (2, 5)]
    assert (Path(run.info.artifact_uri) / "report" / "report.md").read_text() == "# all well"
    assert run.info.status == "FINISHED"
    assert Path("runs/mlartifacts").is_dir()


def test_an_interrupted_run_goes_on_in_the_same_curves(store: Store, tmp_path: Path) -> None:
    """A run's folder remembers its MLflow run; a note of another store's run is passed over."""
    first = track(tmp_path, {"seed": 1})
    first.epoch({"epoch": 1, "loss": 0.5})
    again = track(tmp_path, {"seed": 1})
    again.epoch({"epoch": 2, "loss": 0.25})
    curve = store.client.get_metric_history(first.run_id, "loss")
    assert again.run_id == first.run_id
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]

    (tmp_path / "mlflow-run.txt").write_text("0" * 32)
    assert track(tmp_path, {"seed": 1}).run_id not in (first.run_id, "0" * 32)


def test_a_server_that_is_away_for_a_while_loses_no_point(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training goes on to its end, says so, and the figures are sent when the server is there again."""
    from mlflow.exceptions import MlflowException

    tracker = track(tmp_path, {})

    def away(*_: object, **__: object) -> None:
        raise MlflowException("no route")

    with monkeypatch.context() as patch:
        for name in ("log_batch", "log_artifact", "set_terminated"):
            patch.setattr(tracker.store.client, name, away)
        tracker.epoch({"epoch": 1, "loss": 0.5})
        tracker.epoch({"epoch": 2, "loss": 0.25})
        tracker.keep(Path(__file__))
        tracker.end()
    tracker.end()
    assert capsys.readouterr().err.count("not tracked: MLflow does not take it: no route") == 4
    assert [point.step for point in store.client.get_metric_history(tracker.run_id, "loss")] == [1, 2]


def test_a_registered_package_arrives_unchanged(store: Store, tmp_path: Path) -> None:
    """By alias and by number, with the same checksum, among the packages that a worker finds."""
    made = package(tmp_path / "made")
    number = register(made, name="whole", alias="champion")
    into = tmp_path / "models"

    path = fetch("mlflow:whole@champion", into)

    assert path == into / "digits" / "7.0.0" == fetch(f"mlflow:whole@{number}", into)
    arrived = resolve(find_packages([into]), "digits@7.0.0")
    verify(arrived)
    assert arrived.sha256 == made.sha256 == store.client.get_model_version("whole", number).tags[TAG]
    assert sorted(file.name for file in path.iterdir()) == ["model.json", "model.onnx", "model.pt2"]


def test_a_package_is_registered_once_and_an_alias_moves(store: Store, tmp_path: Path) -> None:
    """Registering again makes no second version; the champion is whoever was named last."""
    one, two = package(tmp_path), package(tmp_path, version="7.1.0")
    first = register(one, name="moving", alias="champion")
    assert register(one, name="moving") == first
    second = register(two, name="moving", alias="champion")

    assert first != second
    assert fetch("mlflow:moving@champion", tmp_path / "models").name == "7.1.0"
    assert fetch(f"mlflow:moving@{first}", tmp_path / "models").name == "7.0.0"


def test_the_command_prints_the_reference(store: Store, tmp_path: Path) -> None:
    """What `register` prints is what a worker takes; a folder without a package is refused in a sentence."""
    made = package(tmp_path / "made")
    register_it = ["register", str(made.path), "--name", "typed", "--alias", "champion"]
    printed = CliRunner().invoke(app, register_it).stdout.strip()

    assert printed == "mlflow:typed@champion"
    assert load_package(fetch(printed, tmp_path / "models")).sha256 == made.sha256
    refused = CliRunner().invoke(app, ["register", str(tmp_path)])
    assert refused.exit_code == 2
    assert "cannot be read" in refused.stderr


@pytest.mark.parametrize(
    ("file", "words"),
    [("model.onnx", "model.onnx of model .* differs"), ("model.json", "differs from the checksum")],
)
def test_a_tampered_file_is_refused(store: Store, tmp_path: Path, file: str, words: str) -> None:
    """A byte changed in the store is noticed, in the network as in the card, and nothing is left behind."""
    made = package(tmp_path, description=f"tampered {file}")
    victim = kept(store, "tampered", register(made, name="tampered", alias="champion")) / file
    victim.write_bytes(victim.read_bytes() + b" ")

    with pytest.raises(ModelCorrupt, match=words):
        fetch("mlflow:tampered@champion", tmp_path / "models")
    assert left(tmp_path / "models") == []


def test_a_version_without_its_checksum_is_refused(store: Store, tmp_path: Path) -> None:
    """What was registered by other means than ours has nothing that vouches for it."""
    number = register(package(tmp_path), name="unmarked")
    store.client.delete_model_version_tag("unmarked", number, TAG)
    with pytest.raises(ModelCorrupt, match="no tag"):
        fetch(f"mlflow:unmarked@{number}", tmp_path / "models")


def test_a_version_that_is_there_is_never_overwritten(store: Store, tmp_path: Path) -> None:
    """Another package of the same name and version stays as it was; the same one, come first, is taken."""
    register(package(tmp_path / "made"), name="twice", alias="champion")
    there = package(tmp_path / "models", description="mine").path / CARD
    before = there.read_bytes()
    with pytest.raises(ModelCorrupt, match="never overwritten"):
        fetch("mlflow:twice@champion", tmp_path / "models")
    assert there.read_bytes() == before


def test_two_workers_that_fetch_at_once_agree(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes second with the same download finds the place taken by the same package, and is content."""
    register(package(tmp_path / "made"), name="race", alias="champion")
    first = fetch("mlflow:race@champion", tmp_path / "models")
    monkeypatch.setattr(mlflow_registry, "_installed", lambda *_: None)
    assert fetch("mlflow:race@champion", tmp_path / "models") == first
    assert not list((tmp_path / "models").glob(".fetching-*"))


@pytest.mark.parametrize(
    "reference",
    ["mlflow:digits", "mlflow:a/b@1", "mlflow:nobody@champion", "mlflow:lonely@9", "mlflow:lonely@x"],
)
def test_what_the_registry_does_not_have_is_unknown(store: Store, tmp_path: Path, reference: str) -> None:
    """A misspelt reference, and a model, number or alias that is not there."""
    register(package(tmp_path), name="lonely")
    with pytest.raises(UnknownModel):
        fetch(reference, tmp_path / "models")


def test_a_worker_starts_again_without_the_registry(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reference meant last time is served while nobody answers; the first time it is an error."""
    register(package(tmp_path / "made"), name="offline", alias="champion")
    path = fetch("mlflow:offline@champion", tmp_path / "models")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    assert fetch("mlflow:offline@champion", tmp_path / "models") == path
    with pytest.raises(Unavailable, match="does not answer"):
        fetch("mlflow:offline@champion", tmp_path / "elsewhere")
    (path / "model.onnx").write_bytes(b"damaged since")
    with pytest.raises(ModelCorrupt):
        fetch("mlflow:offline@champion", tmp_path / "models")


def test_a_server_that_never_answers_is_told_in_a_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracking and registering end with our own error, the address in it; so does an alias that MLflow reserves."""
    made = package(tmp_path)
    with pytest.raises(Unavailable, match="reserved"):
        register(made, name="reserved", alias="v1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for attempt in (lambda: track(tmp_path / "run", {}), lambda: register(made)):
        with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
            attempt()


def test_no_store_is_made_by_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is told of no registry says so, and leaves no empty database behind."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unavailable, match="MLFLOW_TRACKING_URI is not set"):
        fetch("mlflow:digits@champion", tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_without_mlflow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who did not install the extra is told its name."""
    monkeypatch.setitem(sys.modules, "mlflow.store.tracking.sqlalchemy_store", None)
    with pytest.raises(InkqueueError, match=r"needs mlflow, which `pip install \"inkqueue\[registry\]\"`"):
        fetch("mlflow:digits@champion", tmp_path)


SILENT = """
import sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo") or (event == "subprocess.Popen" and args[0] != "uname"):
        raise SystemExit(f"{event} {args}")
sys.addaudithook(hook)
from pathlib import Path
from training.tracking import register, track
from shared.packages import load_package
tracker = track(Path("run"), {"seed": 1})
tracker.epoch({"epoch": 1, "loss": 0.5})
tracker.end()
print(register(load_package(Path(sys.argv[1])), alias="champion"))
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None
"""


def test_nobody_is_told_of_a_run(tmp_path: Path) -> None:
    """A fresh process tracks and registers without a connection, a look-up, another program or an id at home."""
    environment = {"HOME": str(tmp_path / "home"), "PATH": "/nowhere", "PYTHONPATH": str(SHIPPED.parent)}
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(SHIPPED_DIGITS.path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert not (tmp_path / "home").exists()
