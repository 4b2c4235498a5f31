"""Commands that measure: evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import UnknownModel
from shared.packages import SHIPPED, ModelPackage, find_packages, load_package, resolve
from training.commands.options import Models
from training.evaluate import SEED, Evaluation, evaluate_all
from training.package import write_card
from training.report import write_report
from training.suites import Sources, mnist, real_digits, tell
from training.suites.bars import BARS
from training.suites.catalogue import CATALOGUE
from training.suites.speed import NAME as SPEED

app = typer.Typer()

Model = Annotated[str, typer.Option("--model", help="name or name@version")]
Reference = Annotated[
    Path, typer.Option("--reference", help="Folder of mnist/, usps/usps.h5, real-digits/ and not-digits/.")
]
Mnist = Annotated[Path | None, typer.Option("--data-dir", help="Folder of MNIST's four idx files.")]
Usps = Annotated[Path | None, typer.Option("--usps", help="File usps.h5.")]
Real = Annotated[Path | None, typer.Option("--real-digits", help="Folder of real images with labels.csv.")]
NotDigits = Annotated[
    Path | None, typer.Option("--not-digits", help="Folder of fashion.npz and omniglot.npz.")
]
All = Annotated[bool, typer.Option("--all", help="Measure everything and hold it against the bars.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help=f"A suite, may be repeated: {', '.join(CATALOGUE)}, {SPEED}."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Measure a sample: so many digits of each source.")
]
SuiteSeed = Annotated[int, typer.Option("--seed", help="Decides corruptions, variants and drawn junk.")]
Json = Annotated[Path | None, typer.Option("--json", help="File for bars and figures.")]
Report = Annotated[Path | None, typer.Option("--report", help="Folder for report.html and report.md.")]
Write = Annotated[bool, typer.Option("--write", help="Write the figures into the card.")]
RequireAll = Annotated[
    bool, typer.Option("--require-all", help="Fail where a suite was not measured or a bar is missed.")
]


@app.command()
def evaluate(
    model: Model = "digits",
    reference: Reference = Path("data"),
    data_dir: Mnist = None,
    usps: Usps = None,
    real: Real = None,
    not_digits: NotDigits = None,
    everything: All = False,
    only: Only = None,
    limit: Limit = None,
    seed: SuiteSeed = SEED,
    models: Models = SHIPPED,
    json_file: Json = None,
    report: Report = None,
    write: Write = False,
    require_all: RequireAll = False,
) -> None:
    """Measure a package as it is served: everything, the suites named, or MNIST and real digits alone."""
    if write and limit is not None:
        raise typer.BadParameter("--limit measures a sample, whose figures are not for the card")
    given = Sources.under(reference)
    sources = Sources(
        data_dir or given.mnist, usps or given.usps, real or given.real_digits, not_digits or given.not_digits
    )
    chosen = _chosen(models, model)
    names = () if everything else _names(only, real)
    measured = evaluate_all(chosen, sources, seed=seed, limit=limit, only=names, watch=_say)
    _show(measured, everything)
    if json_file is not None:
        json_file.write_text(_as_json(measured, seed, limit), encoding="utf-8")
    if report is not None:
        results = list(measured.results.values())
        write_report(results, chosen, report, verdicts=measured.verdicts, figures=measured.figures)
    if write:
        _write(chosen, measured)
    if not everything and not measured.results:
        typer.echo("Nothing was measured: name the folders of the data.", err=True)
        raise typer.Exit(1)
    if require_all and not all(verdict.passes for verdict in measured.verdicts):
        raise typer.Exit(1)


def _chosen(models: Path, model: str) -> ModelPackage:
    """Return the package meant; one that a shipped one hides is not silently mistaken for that."""
    try:
        chosen = resolve(find_packages([models]), model)
    except UnknownModel as error:
        raise typer.BadParameter(error.detail, param_hint="--model") from error
    other = models / chosen.name / chosen.version
    if other.exists() and not other.samefile(chosen.path):
        raise typer.BadParameter(
            f"{chosen.ref} is shipped already, so that the one in {models} does not count. "
            "Give it a version of its own.",
            param_hint="--models",
        )
    return chosen


def _names(only: list[str] | None, real: Path | None) -> list[str]:
    """Return which suites are wanted where not all are."""
    unknown = sorted(set(only or ()) - {*CATALOGUE, SPEED})
    if unknown:
        raise typer.BadParameter(f"no suite {unknown[0]!r}: {', '.join((*CATALOGUE, SPEED))}")
    return only or [mnist.NAME, *([real_digits.NAME] if real else [])]


def _say(suite: str) -> None:
    """Say what is being measured, apart from the result."""
    typer.echo(f"measuring {suite} …", err=True)


def _show(measured: Evaluation, everything: bool) -> None:
    """Print bars, or the figures alone where only some suites were wanted, and what was not measured."""
    if everything:
        typer.echo("\n".join(tell.table(measured.verdicts)))
    else:
        typer.echo(json.dumps([tell.metric(f) for f in measured.figures], indent=2, ensure_ascii=False))
    for name, why in measured.missing.items():
        if why:
            typer.echo(f"{name}: not measured: {why}", err=not everything)


def _as_json(measured: Evaluation, seed: int, limit: int | None) -> str:
    """Return all that was measured as JSON."""
    told = {
        "model": measured.package.ref,
        "sha256": measured.package.sha256,
        "seed": seed,
        "limit": limit,
        "bars": tell.plain(measured.verdicts),
        "figures": [tell.metric(figure) for figure in measured.figures],
        "not_measured": dict(measured.missing),
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _write(package: ModelPackage, measured: Evaluation) -> None:
    """Replace the figures on the card that were measured anew; each keeps its place."""
    card = load_package(package.path).card
    figures = tell.metrics(measured.figures, BARS)
    all_of_them = {(figure["name"], figure["data"]): figure for figure in [*card["metrics"], *figures]}
    card["metrics"] = list(all_of_them.values())
    write_card(card, package.path)
