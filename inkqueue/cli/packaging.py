"""`inkqueue model add`, `check`, `list` and `remove`: the models of this machine's installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from inkqueue.cli.errors import Failure
from inkqueue.cli.exits import Exit
from inkqueue.cli.machine import ROOMS, need
from inkqueue.cli.output import print_json
from inkqueue.local.home import default_home, with_local_urls

MODELS = "INKQUEUE_MODELS_DIRS"
_LONGEST_S = 300
"""Seconds that checking and installing a package may take."""
app = typer.Typer(no_args_is_help=True, help="Bring networks of your own, list and remove them.")

Source = Annotated[str, typer.Argument(metavar="DIR", help="Folder of the model, or mlflow:NAME@ALIAS.")]
Into = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder of models. (default: the first of INKQUEUE_MODELS_DIRS)"),
]
Name = Annotated[str | None, typer.Option(help="The model's name. (default: the folder's)")]
Version = Annotated[str | None, typer.Option(help="(default: 1.0.0)")]
Size = Annotated[
    str | None, typer.Option(metavar="SIDE|HxW", help="Height and width of the network's input.")
]
Channels = Annotated[int | None, typer.Option(min=1, max=3, help="1 for grey, 3 for red, green, blue.")]
Mean = Annotated[
    str | None, typer.Option(metavar="M[,M,M]", help="Taken off after scaling; one or one a channel.")
]
Std = Annotated[str | None, typer.Option(metavar="S[,S,S]", help="Divides after that; one or one a channel.")]
Scale = Annotated[float | None, typer.Option(help="Multiplies the values 0…255. (default: 1/255)")]
Preparation = Annotated[
    str | None, typer.Option(metavar="plain|digits", help="How an upload becomes a picture. (default: plain)")
]
Answers = Annotated[
    Literal["logits", "probabilities"] | None, typer.Option(help="What comes out. (default: found out)")
]
Temperature = Annotated[float | None, typer.Option(help="Divides the logits. (default: 1)")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add(
    source: Source,
    into: Into = None,
    name: Name = None,
    version: Version = None,
    size: Size = None,
    channels: Channels = None,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = None,
    preparation: Preparation = None,
    answers: Answers = None,
    temperature: Temperature = None,
    as_json: JsonOption = False,
) -> None:
    """Check a network with its labels and install it; the running service takes it up by itself.

    The folder holds one .onnx or .pt2 file (or both), labels.txt or labels.json, and what the network takes in
    input.json, model.toml or the options here. Or it is a whole package with model.json. A version that exists is
    never overwritten.
    """
    options = _options(name, version, size, channels, mean, std, scale, preparation, answers, temperature)
    _run({"command": "add", "source": source, "options": options}, into, as_json=as_json)


def check(
    source: Source,
    name: Name = None,
    version: Version = None,
    size: Size = None,
    channels: Channels = None,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = None,
    preparation: Preparation = None,
    answers: Answers = None,
    temperature: Temperature = None,
    as_json: JsonOption = False,
) -> None:
    """Check a network as `add` does, and install nothing."""
    options = _options(name, version, size, channels, mean, std, scale, preparation, answers, temperature)
    _run({"command": "check", "source": source, "options": options}, None, as_json=as_json)


def list_models(into: Into = None, as_json: JsonOption = False) -> None:
    """List the packages of this machine, with what is wrong with broken ones."""
    _run({"command": "list"}, into, as_json=as_json)


def remove(
    ref: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version to remove.")],
    into: Into = None,
    force: Annotated[bool, typer.Option("--force", help="Even if the database does not answer.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a version; refused while an unfinished job needs it, and for models that ship with inkqueue."""
    _run({"command": "remove", "ref": ref, "force": force}, into, as_json=as_json)


app.command("add")(add)
app.command("check")(check)
app.command("list")(list_models)
app.command("remove")(remove)


def _options(
    name: str | None,
    version: str | None,
    size: str | None,
    channels: int | None,
    mean: str | None,
    std: str | None,
    scale: float | None,
    preparation: str | None,
    answers: str | None,
    temperature: float | None,
) -> dict[str, object]:
    """Return what was given, with numbers as numbers."""
    given = {
        "name": name,
        "version": version,
        "size": None if size is None else _sides(size),
        "channels": channels,
        "mean": None if mean is None else _numbers("--mean", mean),
        "std": None if std is None else _numbers("--std", std),
        "scale": scale,
        "preparation": preparation,
        "answers": answers,
        "temperature": temperature,
    }
    return {key: value for key, value in given.items() if value is not None}


def _numbers(option: str, text: str) -> list[float]:
    """Read numbers with commas between them."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Failure(f"{option} takes numbers with commas, not {text!r}.", code=Exit.USAGE) from None


def _sides(text: str) -> list[int]:
    """Read `224` or `48x160`, height first."""
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise Failure(f"--size takes 224 or 48x160 (height first), not {text!r}.", code=Exit.USAGE)
    return sides * (3 - len(sides))


def _run(request: dict[str, object], into: Path | None, *, as_json: bool) -> None:
    """Have the server package do it, in a process of its own."""
    need("worker", "onnxruntime", "cv2", "pydantic_settings")
    environment = with_local_urls(os.environ)
    environment.setdefault(MODELS, str(default_home(environment) / "models"))
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOMS), *filter(None, [environment.get("PYTHONPATH")])])
    request["into"] = str((into or Path(environment[MODELS].split(os.pathsep)[0])).expanduser().absolute())
    if "source" in request and not str(request["source"]).startswith("mlflow:"):
        request["source"] = str(Path(str(request["source"])).expanduser().absolute())
    # neither module nor library may come from the folder that the user stands in
    command = [sys.executable, "-P", "-m", "worker.install", json.dumps(request)]
    try:
        finished = subprocess.run(
            command, capture_output=True, encoding="utf-8", check=False, env=environment, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise Failure(
            f"The check did not end within {_LONGEST_S} s, so nothing was changed.",
            "A network that takes this long for a few pictures, or for ever, cannot be served.",
        ) from None
    answer = _answer_of(finished)
    if not answer["ok"]:
        raise Failure(str(answer["error"]), str(answer["fix"]), Exit.REFUSED)
    if as_json:
        print_json(answer["lines"])
    else:
        print("\n".join(answer["lines"]))


def _answer_of(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the other process's answer; one that crashed has none."""
    try:
        answer: dict[str, Any] = json.loads(finished.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = finished.stderr.strip().splitlines()[-1:] or [f"it ended with code {finished.returncode}"]
        raise Failure(
            f"The check broke off: {last[0]}", "If the network itself brings it down, it cannot be served."
        ) from None
    return answer
