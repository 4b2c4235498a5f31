"""What `inkqueue model …` runs in a process of its own: `python -m worker.install '{"command": …}'`.

Prints one JSON object: `{"ok": true, "lines": […]}`, or `{"ok": false, "error": …, "fix": …}` with exit code 1.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import InkqueueError
from shared.mlflow_registry import fetch, is_reference
from shared.packages import SHIPPED, ModelPackage, Packages, resolve, survey, verify
from shared.settings import Settings, get_settings
from worker.install.make import make_package
from worker.install.pinned import checker
from worker.install.refusal import Refused
from worker.install.store import NOTICED_S, publish, remove, staging

Request = Mapping[str, Any]


def add(request: Request, settings: Settings) -> list[str]:
    """Make a package of a folder or a registry's model, and install it."""
    root = Path(request["into"])
    with staging(root) as stage:
        package = _made(request, stage)
        is_new = publish(package, root, settings.model_dirs)
    there = survey((root, *settings.model_dirs)).packages.get((package.name, package.version))
    place = there.path if there is not None else root / package.name / package.version
    lines = [*_facts(package), f"{'installed' if is_new else 'was there already'}: {place}"]
    return lines + _advice(package, root, settings)


def check(request: Request, settings: Settings) -> list[str]:
    """Make the same package and throw it away."""
    with tempfile.TemporaryDirectory() as stage:
        return [*_facts(_made(request, Path(stage))), "fine; nothing was installed"]


def _made(request: Request, stage: Path) -> ModelPackage:
    """Make a package in a folder of ours."""
    source = str(request["source"])
    options = request.get("options", {})
    if not is_reference(source):
        return make_package(Path(source), stage / "made", options)
    return make_package(fetch(source, stage / "fetched"), stage / "made", options)


def _facts(package: ModelPackage) -> list[str]:
    """Say what the package is."""
    card = package.card
    labels = ", ".join(package.labels[:10]) + (", …" if len(package.labels) > 10 else "")
    preparation = f"{card['preparation']['name']}@{card['preparation']['version']}"
    lines = [
        f"model: {package.ref}",
        f"labels: {len(package.labels)} ({labels})",
        f"input: {'×'.join(map(str, package.shape))}, prepared by {preparation}",
        f"answers: {card.get('answers', 'logits')}",
        f"sha256: {package.sha256}",
    ]
    if not card["thresholds"]:
        lines.append("thresholds: none, so every answer goes to review")
    return lines


def _advice(package: ModelPackage, root: Path, settings: Settings) -> list[str]:
    """Say what a person may have to do, or should know."""
    lines = []
    if root.resolve() not in {known.resolve() for known in settings.model_dirs}:
        lines.append(f"note: API and workers read {root} once INKQUEUE_MODELS_DIRS names it")
    newest = resolve(survey((root, *settings.model_dirs)).packages, package.name)
    if package.name == settings.default_model and newest.version == package.version:
        lines.append(f"note: jobs that name no model are read by {package.ref} from now on")
    return lines


def list_models(request: Request, settings: Settings) -> list[str]:
    """List what is installed, one a line, and what is broken."""
    found = survey((Path(request["into"]), *settings.model_dirs))
    broken = [f"{name}\tbroken: {reason}" for name, reason in found.broken.items()]
    return [*_rows(found.packages), *broken]


def _rows(packages: Packages) -> list[str]:
    """Return reference, state, number of labels and place of each package."""
    rows = []
    for package in packages.values():
        try:
            verify(package)
            state = "ok"
        except InkqueueError as error:
            state = f"broken: {error.detail}"
        place = "shipped" if package.path.is_relative_to(SHIPPED) else str(package.path)
        rows.append(f"{package.ref}\t{state}\t{len(package.labels)} labels\t{place}")
    return rows


def remove_model(request: Request, settings: Settings) -> list[str]:
    """Remove one version."""
    in_use = checker(settings, force=bool(request.get("force")))
    noticed_s = NOTICED_S if "database_url" in settings.model_fields_set else 0.0
    remove(str(request["ref"]), Path(request["into"]), in_use, noticed_s=noticed_s)
    return [f"removed: {request['ref']}"]


def fetch_all(request: Request, settings: Settings) -> list[str]:
    """Fetch the registry's models that the settings name."""
    root = Path(request["into"])
    done, failed = [], []
    for reference in settings.registry_models:
        try:
            done.append(f"{reference}: {fetch(reference, root)}")
        except InkqueueError as error:
            failed.append(f"{reference}: {error.detail}")
    if failed:
        raise Refused(" ".join(failed))
    return done


COMMANDS = {"add": add, "check": check, "list": list_models, "remove": remove_model, "fetch": fetch_all}


def main() -> int:
    """Run one command."""
    logging.disable(logging.WARNING)  # what is wrong is told below, once
    warnings.simplefilter("ignore")
    request = json.loads(sys.argv[1])
    answer: dict[str, object]
    try:
        answer = {"ok": True, "lines": COMMANDS[request["command"]](request, get_settings())}
    except Refused as refused:
        answer = {"ok": False, "error": str(refused), "fix": refused.fix}
    except InkqueueError as error:
        answer = {"ok": False, "error": error.detail, "fix": ""}
    except OSError as error:
        answer = {"ok": False, "error": f"{error.filename or 'A file'}: {error.strerror}.", "fix": ""}
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
