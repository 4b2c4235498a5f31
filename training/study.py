"""What a search found, to read: a table as CSV and Markdown, a plot, and the command that trains the best."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path

import optuna

from training.report.plots import ACCENT, drawing
from training.search import BEST, tried

HEADINGS = (
    "trial",
    "state",
    "error %",
    "epochs",
    "parameters",
    "MACs",
    "widths",
    "dropout",
    "rate",
    "strength",
)


def write_study(study: optuna.Study, folder: Path) -> None:
    """Write `trials.csv`, `trials.md` and `trials.svg` into the study's folder."""
    rows = table(study)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADINGS, *rows])
    (folder / "trials.csv").write_text(text.getvalue(), encoding="utf-8")
    (folder / "trials.md").write_text(_markdown(rows, folder), encoding="utf-8")
    (folder / "trials.svg").write_text(_plot(study), encoding="utf-8")


def table(study: optuna.Study) -> list[tuple[str, ...]]:
    """Return a row a trial, the best first; those that were cut short come last with their last error."""
    rows = []
    for number, trial in enumerate(tried(study)):
        epochs = max(trial.intermediate_values)
        whole = trial.value is not None and trial.state == optuna.trial.TrialState.COMPLETE
        error = trial.value if whole else trial.intermediate_values[epochs]
        assert error is not None
        widths = "-".join(map(str, trial.user_attrs["widths"]))
        cost = (str(trial.user_attrs["parameters"]), str(trial.user_attrs["products"]))
        drawn = (f"{trial.params[name]:.4g}" for name in ("dropout", "peak_rate", "strength"))
        state = "whole" if whole else "cut short"
        rows.append(
            (not whole, error, (str(number), state, f"{error:.4f}", str(epochs), *cost, widths, *drawn))
        )
    return [row for _, _, row in sorted(rows)]


def best_command(folder: Path, data_dir: Path, epochs: int) -> str:
    """Return the command that trains the best recipe found."""
    options = {"--recipe": folder / BEST, "--data-dir": data_dir, "--epochs": epochs}
    words = [word for name, value in options.items() for word in (name, str(value))]
    return shlex.join(["python", "-m", "training", "train", *words])


def _markdown(rows: Sequence[Sequence[str]], folder: Path) -> str:
    """Write the table as Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# Study {folder.name}\n\n{drawn}\n\n![error of each trial](trials.svg)\n"


def _plot(study: optuna.Study) -> str:
    """Draw error against products, and the course of each trial, as SVG."""
    with drawing(9, 4) as made:
        cost, course = made.figure.subplots(1, 2)
        for trial in tried(study):
            epochs = sorted(trial.intermediate_values)
            course.plot(epochs, [trial.intermediate_values[epoch] for epoch in epochs], alpha=0.6)
            if trial.state == optuna.trial.TrialState.COMPLETE:
                cost.plot(trial.user_attrs["products"] / 1e6, trial.value, "o", color=ACCENT)
        cost.set(xlabel="million multiply–adds an image", ylabel="held-out error, %")
        course.set(xlabel="epoch", ylabel="held-out error, %", yscale="symlog")
    return made.svg
