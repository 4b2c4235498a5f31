"""Networks of one's own, served: the right pixels reach them, and the running service takes them up."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from shared.blobs import Blobs
from shared.db import Database
from shared.jobs.claim import claim, start
from shared.jobs.models import unfinished_with
from shared.packages import fingerprint
from shared.settings import Settings
from shared.status import Lane
from tests.networks import COLOURS, classifier, folder_of
from tests.processes import ROOT, Process, worker
from tests.queue_driver import execute, row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import items_of, sample_digits, zip_of
from tests.worker.installing import exported, install, net
from worker.drain import Drainer
from worker.models import Models, ModelWatch
from worker.runtime import build

pytestmark = pytest.mark.torch
PAINTS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}


class Service:
    """A worker in this process, and the folder of models that it looks at."""

    def __init__(
        self, drainer: Drainer, models: Models, settings: Settings, database: Database, blobs: Blobs
    ) -> None:
        self.root = settings.model_dirs[0]
        self.drainer, self.models, self.database, self.blobs = drainer, models, database, blobs
        self._settings = settings
        self.watch = ModelWatch(settings, models, fingerprint(settings.model_dirs))

    def add(self, folder: Path) -> None:
        """Install, and let the worker look."""
        install(folder, self.root)
        assert self.watch.look()

    def submit(self, pictures: dict[str, bytes], model: str, max_items: int = 1000) -> UUID:
        """Submit pictures to be read by a model."""
        data = zip_of(pictures)
        job_id = submit_file(self.database, self.blobs, self._settings, "a.zip", data, max_items=max_items)
        execute(self.database, "UPDATE jobs SET model_name = :m WHERE id = :id", m=model, id=job_id)
        execute(self.database, "UPDATE chunks SET model = :m WHERE job_id = :id", m=model, id=job_id)
        return job_id

    def read(self, pictures: dict[str, bytes], model: str) -> list[dict[str, object]]:
        """Submit pictures and return their items."""
        job_id = self.submit(pictures, model)
        self.drainer.drain(Lane.BULK)
        return items_of(self.database, job_id)


@pytest.fixture
def service(
    models: Models, settings: Settings, database: Database, blobs: Blobs, tmp_path: Path
) -> Iterator[Service]:
    """Make a worker with the shipped models and an empty folder for others."""
    mine = settings.model_copy(update={"models_dirs": str(tmp_path / "models")})
    own = Models(models.loaded)
    drainer = build(mine, own, [Lane.BULK, Lane.INTERACTIVE], blobs=blobs)
    yield Service(drainer, own, mine, database, blobs)
    drainer.heartbeat.close()
    drainer.db.close()


def picture(
    colour: tuple[int, ...], form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (40, 30)
) -> bytes:
    """Make a picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(buffer, form)
    return buffer.getvalue()


def paintings() -> dict[str, bytes]:
    """Return a picture of each colour."""
    return {f"{name}.png": picture(colour) for name, colour in PAINTS.items()}


def predictions(items: Sequence[dict[str, object]]) -> list[object]:
    """Return what was read."""
    return [item["prediction"] for item in items]


@pytest.mark.parametrize(
    ("network", "description"),
    [
        (classifier(), {}),
        (classifier(), {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
        (classifier(softmax=True), {}),
        (classifier(shape=(1, 3, 8, 8)), {}),
        (classifier(shape=(2, 3, 8, 8)), {}),
        (classifier(shape=("n", 3, 6, 21)), {}),
        (classifier(shape=("n", 3, 224, 224)), {}),
    ],
    ids=["plain", "normalised", "softmax", "one at once", "two at once", "oblong", "large"],
)
def test_colours_reach_the_network_in_their_order(
    service: Service, tmp_path: Path, network: onnx.ModelProto, description: dict[str, list[float]]
) -> None:
    """Red is red: channels, means, sizes, fixed batches and networks with a softmax are all served."""
    folder = folder_of(tmp_path / "colours", network)
    if description:
        (folder / "input.json").write_text(str(description).replace("'", '"'))
    service.add(folder)
    items = service.read(paintings(), "colours")
    assert predictions(items) == list(COLOURS)
    assert all(float(str(item["confidence"])) > 0.9 for item in items)


def test_a_torch_export_alone_is_served(service: Service, tmp_path: Path) -> None:
    """A worker runs it by torch on the CPU, and gives what the network gives."""
    network = net().eval()
    service.add(exported(tmp_path / "colours", network))
    items = service.read(paintings(), "colours")
    batch = np.array([np.full((8, 8, 3), colour) for colour in PAINTS.values()]) / 255
    with torch.no_grad():
        expected = network(torch.tensor(batch.transpose(0, 3, 1, 2), dtype=torch.float32)).softmax(1).numpy()
    assert np.array([item["probabilities"] for item in items]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "CMYK"), ("BMP", "RGB"), ("TIFF", "RGB")]
)
def test_pictures_of_every_kind_keep_their_colour(
    service: Service, tmp_path: Path, form: str, mode: str
) -> None:
    """Palette, alpha and print colours arrive as red, green and blue."""
    service.add(folder_of(tmp_path / "colours"))
    pictures = {f"{name}.{form.lower()}": picture(colour, form, mode) for name, colour in PAINTS.items()}
    assert predictions(service.read(pictures, "colours")) == list(COLOURS)


def test_many_labels_give_the_five_best(service: Service, tmp_path: Path) -> None:
    """Above twenty labels an item has alternatives instead of probabilities."""
    labels = [*COLOURS, *(f"other {number}" for number in range(30))]
    service.add(folder_of(tmp_path / "colours", classifier(len(labels)), labels))
    items = service.read(paintings(), "colours")
    assert predictions(items) == list(COLOURS)
    assert [item["probabilities"] for item in items] == [None] * 3
    best = items[0]["alternatives"]
    assert isinstance(best, list)
    assert (len(best), best[0][0]) == (5, "red")


def test_two_labels_of_grey_pictures(service: Service, tmp_path: Path) -> None:
    """One channel, prepared as it is: nothing is inverted or cut out."""
    folder = folder_of(tmp_path / "light", classifier(2, shape=("n", 1, 8, 8)), ("light", "dark"))
    (folder / "input.json").write_text('{"mean": 0.5}')
    service.add(folder)
    items = service.read({"a.png": picture((250, 250, 250)), "b.png": picture((5, 5, 5))}, "light")
    assert predictions(items) == ["light", "dark"]


def test_without_thresholds_everything_goes_to_review(service: Service, tmp_path: Path) -> None:
    """Nothing was promised, so nothing is accepted, however sure the network is."""
    service.add(folder_of(tmp_path / "colours"))
    items = service.read(paintings(), "colours")
    assert {item["decision"] for item in items} == {"review"}
    assert all(item["reasons"] == ["not_calibrated"] for item in items)


def test_a_running_job_keeps_its_version(service: Service, tmp_path: Path, database: Database) -> None:
    """A newer version serves new jobs; the chunks that are left of an older one are read as the first was."""
    service.add(folder_of(tmp_path / "colours"))
    first = service.models.find("colours", None)
    job_id = service.submit(paintings(), "colours", max_items=1)
    pin = {"model_sha256": first.package.sha256, "engine_class": "cpu-fp32", "preparation": "plain@1"}
    start(database, job_id, model_version="1.0.0", **pin)
    service.add(folder_of(tmp_path / "colours", labels=("crimson", "lime", "navy"), version="1.1.0"))
    assert unfinished_with(database, "colours", "1.0.0", last=False) == 1

    assert predictions(service.read(paintings(), "colours")) == ["crimson", "lime", "navy"]

    assert predictions(items_of(database, job_id)) == list(COLOURS)
    assert row(database, "SELECT model_version FROM jobs WHERE id = :id", id=job_id).model_version == "1.0.0"
    assert unfinished_with(database, "colours", "1.0.0", last=True) == 0


def test_each_model_has_its_own_class_of_engine(service: Service, database: Database, tmp_path: Path) -> None:
    """A job that was begun on a GPU waits for one, also at a worker that has another model on a GPU."""
    service.add(folder_of(tmp_path / "colours"))
    service.submit(paintings(), "colours")
    execute(
        database, "UPDATE jobs SET model_version = '1.0.0', engine_class = 'cuda-fp32', status = 'running'"
    )
    served = service.models.served
    assert claim(database, Lane.BULK, served, "w", lease_s=5) == []
    execute(database, "UPDATE jobs SET engine_class = 'cpu-fp32'")
    assert len(claim(database, Lane.BULK, served, "w", lease_s=5)) == 1


def test_a_removed_model_is_let_go_and_a_broken_one_left_out(service: Service, tmp_path: Path) -> None:
    """The worker serves on with what it has."""
    service.add(folder_of(tmp_path / "colours"))
    broken = service.root / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{")
    assert service.watch.look()
    assert "colours@1.0.0" in service.models.served.references
    (service.root / "colours" / "1.0.0" / "model.json").unlink()
    assert service.watch.look()
    assert not service.watch.look()
    assert set(service.models.served.names) == {"digits"}
    assert predictions(service.read(dict(list(sample_digits(3).items())), "digits")) != [None] * 3


def test_large_pictures_make_small_batches(service: Service, tmp_path: Path) -> None:
    """A batch holds at most 16 MiB of input, whatever is set."""
    service.add(folder_of(tmp_path / "colours", classifier(shape=("n", 3, 224, 224))))
    large, small = (service.models.find(name, None) for name in ("colours", "digits"))
    large.image_s = small.image_s = 1e-6  # as measured on a machine that is quick enough for any batch
    assert (large.batch_size(128), small.batch_size(128)) == (27, 128)


@pytest.mark.parametrize(
    ("status", "version", "last", "needed"),
    [
        ("running", "1.0.0", False, 1),
        ("queued", "1.0.0", False, 1),
        ("running", "1.1.0", True, 0),
        ("queued", None, False, 0),
        ("queued", None, True, 1),
    ],
)
def test_which_jobs_need_a_version(
    database: Database,
    blobs: Blobs,
    settings: Settings,
    status: str,
    version: str | None,
    last: bool,
    needed: int,
) -> None:
    """Those that have not ended and are bound to it, and where it is the last those that may yet get it."""
    submit_file(database, blobs, settings, "a.png", picture((0, 0, 0)))
    execute(
        database, "UPDATE jobs SET model_name = 'mine', status = :status, model_version = :version",
        status=status, version=version,
    )  # fmt: skip
    assert unfinished_with(database, "mine", "1.0.0", last=last) == needed


SMALL_EXAMPLE = """
import runpy
from training.torchvision_ops import declare_missing_operators
declare_missing_operators()
example = runpy.run_path("examples/own_model.py")
from torchvision.models.resnet import BasicBlock, ResNet
example["main"](ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5), side=32)
"""
"""The documented example with fewer layers and smaller pictures."""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_example_runs_against_a_service_that_is_up_already(
    settings_env: dict[str, str], tmp_path: Path
) -> None:
    """A ResNet of torchvision is exported, added while API and worker run, and reads colour photographs."""
    url = f"http://127.0.0.1:{settings_env['INKQUEUE_PORT']}"
    models = {"INKQUEUE_MODELS_DIRS": str(tmp_path / "models"), "INKQUEUE_URL": url, "NO_PROXY": "127.0.0.1"}
    env = {**settings_env, **models}
    api = Process([sys.executable, "-m", "api"], env, tmp_path / "api.log")
    try:
        with worker(env, tmp_path):
            wait_for(lambda: is_up(url), "the API", 40, 0.1)
            command = [sys.executable, "-W", "ignore", "-c", SMALL_EXAMPLE]
            done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
            cards = httpx.get(f"{url}/v1/models", trust_env=False).json()["items"]
    finally:
        api.stop()
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("red.jpg", "blue.jpg"))]
    assert [line[0] for line in lines] == ["red.jpg", "blue.jpg"]
    assert {line[1] for line in lines} <= {"cup", "fork", "knife", "plate", "spoon"}
    assert [line[3] for line in lines] == ["review", "review"]
    assert {card["name"]: card["workers"] for card in cards}["tableware"] == 1


def is_up(url: str) -> bool:
    """Ask the API whether it lives."""
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.HTTPError:
        return False
