"""The search for a recipe: a study that a kill does not change, a budget that holds, a command that trains the best."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from tests.docs.pages import ROOT
from tests.shared.pictures import digits
from training.augment import Augmentation
from training.commands import app
from training.data import FILES, Set
from training.network import WIDTHS, DigitNet
from training.plan import Plan, count_products
from training.recipes import Way, read_way, write_way
from training.search import BEST, OtherPlanError, search, tried
from training.study import HEADINGS, table, write_study
from training.train import Part, Pool, Recipe

pytestmark = [pytest.mark.torch, pytest.mark.timeout(120)]
BASE = Recipe(epochs=3, batch=10, bf16=False, widths=(4, 4, 4, 4, 4, 4))


def sample() -> Set:
    """Return the twenty sample digits, as they are."""
    return Set(np.stack([image for _, image in digits()]), np.array([label for label, _ in digits()]))


def look(folder: Path, plan: Plan) -> optuna.Study:
    """Search on one thread with the sample digits."""
    torch.set_num_threads(1)
    return search(folder, plan, Pool.of(Part(sample())), {"held_out": sample()}, device="cpu")


def outcome(study: optuna.Study) -> list[tuple[str, dict[str, float], dict[int, float]]]:
    """Return what a study tried, in its order, and how it went."""
    return [(str(t.state), t.params, t.intermediate_values) for t in tried(study)]


KILLED = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.training import test_search as here

class Killer:
    epochs = 0
    def batch(self, done, of):
        if self.epochs == 5 and done == of:
            os.kill(os.getpid(), signal.SIGKILL)
    def epoch(self, line):
        self.epochs += 1

here.torch.set_num_threads(1)
data = here.sample()
pool = here.Pool.of(here.Part(data))
plan = here.Plan(4, here.BASE)
here.search(Path(sys.argv[1]), plan, pool, {{"held_out": data}}, device="cpu", watch=Killer())
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_killed_study_goes_on_and_finds_what_an_unbroken_one_does(tmp_path: Path) -> None:
    """Killed within its second trial's last epoch, it tries that again from where it was, and nothing twice."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")], env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL

    resumed, unbroken = look(tmp_path / "killed", Plan(4, BASE)), look(tmp_path / "unbroken", Plan(4, BASE))

    states = [trial.state for trial in resumed.trials]
    assert states.count(optuna.trial.TrialState.FAIL) == 1
    assert optuna.trial.TrialState.RUNNING not in states
    assert outcome(resumed) == outcome(unbroken)
    assert len(outcome(resumed)) == 4
    assert table(resumed) == table(unbroken)
    assert {path.name for path in (tmp_path / "killed" / "trials").iterdir()} == {
        path.name for path in (tmp_path / "unbroken" / "trials").iterdir()
    }


def test_more_trials_are_added_to_those_there(tmp_path: Path) -> None:
    """A finished study begins nothing anew; asked for more, it adds them."""
    first = outcome(look(tmp_path, Plan(1, BASE)))
    assert outcome(look(tmp_path, Plan(1, BASE))) == first
    more = outcome(look(tmp_path, Plan(2, BASE)))
    assert more[:1] == first
    assert len(more) == 2


def test_another_plan_or_other_data_never_joins_a_study(tmp_path: Path) -> None:
    """Errors after other epochs, or on other pictures, are not comparable; what differs is named."""
    look(tmp_path, Plan(1, BASE))
    with pytest.raises(OtherPlanError, match="other last;"):
        look(tmp_path, Plan(2, BASE, last=1))
    few = Set(*(part[:15] for part in sample()))
    with pytest.raises(OtherPlanError, match="other held_out;"):
        search(tmp_path, Plan(2, BASE), Pool.of(Part(sample())), {"held_out": few})


def test_no_network_over_the_budget_is_trained(tmp_path: Path) -> None:
    """A network over the budget is narrowed until it is within; a budget that nothing meets is refused."""
    plan = Plan(2, BASE, parameters=700, products=30_000)
    for trial in tried(look(tmp_path / "a", plan)):
        assert trial.user_attrs["parameters"] <= 700
        assert trial.user_attrs["products"] <= 30_000
        assert trial.user_attrs["widths"] != [trial.params[f"width{index}"] for index in range(6)]
    with pytest.raises(ValueError, match="no network has 10 parameters"):
        look(tmp_path / "b", Plan(1, BASE, parameters=10))


def test_products_are_counted_as_the_layers_do_them() -> None:
    """The formula gives what the layers' own shapes give."""
    counted = 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)
        counted += output[0].numel() * layer.weight[0].numel()

    network = DigitNet().eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 1, 28, 28))
    assert count_products(WIDTHS) == counted


def test_a_search_ends_in_a_table_and_a_recipe(tmp_path: Path) -> None:
    """The table lists every trial, the best first, and the recipe that is kept is the best trial's."""
    study = look(tmp_path, Plan(2, BASE))
    write_study(study, tmp_path)

    rows = list(csv.reader((tmp_path / "trials.csv").read_text().splitlines()))
    assert tuple(rows[0]) == HEADINGS
    errors = [float(row[2]) for row in rows[1:]]
    assert errors == sorted(errors)
    assert float(rows[1][2]) == pytest.approx(study.best_value, abs=1e-4)
    assert (tmp_path / "trials.md").read_text().count("\n|") == 4
    assert (tmp_path / "trials.svg").read_text().startswith("<?xml")
    assert read_way(tmp_path / BEST).recipe.dropout == study.best_params["dropout"]
    assert not list(tmp_path.glob("trials/*/checkpoint.pt"))


def write_idx(path: Path, values: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Write an idx file of bytes."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def test_the_command_says_how_to_train_what_it_found(tmp_path: Path) -> None:
    """A search from the command line prints its table, a line an epoch, and a command whose options exist."""
    for name, part in zip(FILES["train"], sample(), strict=True):
        write_idx(tmp_path / name, np.tile(part, (30, *[1] * (part.ndim - 1))))
    places = ["--data-dir", str(tmp_path), "--study", str(tmp_path / "study")]
    done = CliRunner().invoke(
        app, ["search", "--trials", "1", "--epochs", "1", "--pages", "0", "--threads", "1", *places]
    )

    assert done.exit_code == 0, done.output
    assert "search: epoch 1/1" in done.stderr
    command = shlex.split(done.stdout.splitlines()[-1])
    assert command[:4] == ["python", "-m", "training", "train"]
    options = {name for option in get_command(app).commands["train"].params for name in option.opts}
    assert {word for word in command if word.startswith("--")} <= options
    assert read_way(Path(command[command.index("--recipe") + 1])).recipe.epochs == 1
    again = CliRunner().invoke(app, ["search", "--epochs", "2", "--pages", "0", *places])
    assert "has other base" in re.sub(r"[\s│]+", " ", again.stderr)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_at_once(tmp_path: Path, device: str) -> None:
    """The option is blamed before any picture is read or drawn."""
    done = CliRunner().invoke(app, ["search", "--device", device, "--data-dir", str(tmp_path / "none")])

    assert done.exit_code == 2
    assert "--device" in done.stderr
    assert "say cpu" in re.sub(r"[\s│]+", " ", done.stderr)


def test_a_recipe_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Recipe and augmentation survive the file; a part of one means the rest as usual."""
    way = Way(Recipe(epochs=7, widths=(8, 8, 8, 8, 8, 8)), Augmentation().scaled(0.7))
    write_way(way, tmp_path / "way.json")
    assert read_way(tmp_path / "way.json") == way
    (tmp_path / "part.json").write_text(json.dumps({"recipe": {"dropout": 0.1}}))
    assert read_way(tmp_path / "part.json") == Way(Recipe(dropout=0.1), Augmentation())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no readable recipe"),
        ("[]", "no recipe"),
        ('{"recipes": {}}', "no recipe"),
        ('{"recipe": 3}', "recipe is no object"),
        ('{"recipe": {"epoch": 3}}', "recipe has no epoch"),
        ('{"recipe": {"epochs": "many"}}', "epochs: Input should be a valid integer"),
    ],
)
def test_a_wrong_recipe_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A misspelt name is never passed over in silence."""
    path = tmp_path / "way.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_way(path)
