"""Models that come and go while the API runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest

from shared.catalogue import Catalogue
from shared.packages import CARD, SHIPPED
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, submit_files
from tests.services import wait_for


def copy(root: Path, name: str) -> Path:
    """Put the shipped package under another name, moved into place as the installer does."""
    made = shutil.copytree(SHIPPED / "digits" / "1.0.0", root / ".made" / "1.0.0")
    (made / CARD).write_text(json.dumps(json.loads((made / CARD).read_text()) | {"name": name}))
    (root / name).mkdir()
    return made.rename(root / name / "1.0.0")


def names(client: httpx.Client) -> set[str]:
    """Return the names of the models that are offered."""
    return {card["name"] for card in client.get("/v1/models").json()["items"]}


def test_a_model_that_is_added_needs_no_restart(settings: Settings, tmp_path: Path) -> None:
    """The next submission may name it; removed, it is unknown again; what is broken is listed with the reason."""
    root = tmp_path / "models"
    with serving(settings.model_copy(update={"models_dirs": str(root)})) as client:
        problem(submit_files(client, [("a.png", PNG)], model="mine"), 422, "unknown_model")
        path = copy(root, "mine")
        assert submit_files(client, [("a.png", PNG)], model="mine").json()["model"]["name"] == "mine"
        assert "mine" in names(client)

        (path / CARD).write_text("{")
        wait_for(lambda: "mine" not in names(client), "the API to notice", 5, 0.1)
        (broken,) = client.get("/v1/models").json()["broken"]
        assert broken["package"] == "mine/1.0.0"
        assert str(tmp_path) not in broken["reason"]


@pytest.mark.check
def test_cards_are_read_only_after_a_change(tmp_path: Path) -> None:
    """A second look at the same folders gives the very same packages."""
    catalogue = Catalogue([tmp_path], "digits")
    first = catalogue.packages()
    with pytest.raises(Exception, match="No model 'mine'"):
        catalogue.resolve("mine")
    assert catalogue.packages() is first
    copy(tmp_path, "mine")
    assert catalogue.resolve("mine").version == "1.0.0"
