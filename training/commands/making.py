"""Commands that make: train, export, package, samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from shared.packages import SHIPPED
from training import data
from training.classes import Room, hold
from training.commands.options import DATA_DIR, RUN_DIR, DataDir, Download, Models, Out, Seed
from training.costs import mean_of_seeds, training_minutes
from training.course import Course, School, read_course, write_course
from training.export import export as write_exports
from training.following import followers
from training.network import DigitNet, fold
from training.package import AlreadyThereError, Origin, make_package
from training.recipes import read_way
from training.samples import make_samples
from training.search import BEST

app = typer.Typer()
Seeds = Annotated[int, typer.Option("--seeds", help="Number of students: seeds 1, 2, …", min=1)]
Student = Annotated[int, typer.Option("--seed", help="Which student.")]
PROTOCOL = (
    "Averaged weights of the last epoch of the student of seed {seed}; nothing was selected on test images. "
    "{taught}"
    "Pictures for training are drawn by the project, among them damage of the kinds that MNIST-C knows, "
    "with strengths and shapes of its own."
)
TAUGHT = "{teachers} teachers, trained on the same writers, gave the probabilities that students learn from. "


@app.command()
def train(
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    seeds: Seeds = 1,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Epochs of a student.", min=1)] = None,
    teachers: Annotated[int | None, typer.Option("--teachers", help="0 trains without.", min=0)] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="What `search` found.")] = None,
    share: Annotated[
        float, typer.Option("--stock", help="Share of the usual number of drawn pictures.", min=0, max=1)
    ] = 1.0,
    split_seed: Annotated[int, typer.Option("--seed", help="Decides which writers are held out.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Networks trained at once.", min=1)] = 2,
    threads: Annotated[int, typer.Option("--threads", help="Threads of torch, of all jobs.", min=1)] = 2,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Keep a diary in MLflow.")] = False,
    download: Download = False,
) -> None:
    """Train the networks of a course, or go on where it was interrupted: teachers first, then a student a seed."""
    torch.set_num_threads(threads)
    if download:
        data.fetch(data_dir)
    with _refusing("--data-dir"):
        data.find_idx(data_dir, data.FILES["train"][0])
    with _refusing("--recipe"):
        course = _course(recipe, epochs, teachers)
    course = replace(course, stock=course.stock.scaled(share), split_seed=split_seed)
    with _refusing("--out"):
        write_course(course, out)
    watch = followers(course.augmentation, tracked=track)
    hold(Room(out, data_dir, course), range(1, seeds + 1), jobs=jobs, watch=watch)
    typer.echo(f"Trained: {', '.join(str(out / f'seed-{seed}') for seed in range(1, seeds + 1))}")


def _course(recipe: Path | None, epochs: int | None, teachers: int | None) -> Course:
    """Return the usual course with what the options change."""
    course = Course()
    if recipe is not None:
        way = read_way(recipe)
        course = replace(
            course,
            student=way.recipe,
            teacher=replace(way.recipe, epochs=course.teacher.epochs),
            augmentation=way.augmentation,
        )
    if epochs is not None:
        course = replace(course, student=replace(course.student, epochs=epochs))
    return course if teachers is None else replace(course, teachers=teachers)


def _unusual(course: Course) -> str:
    """Return the options that make this course out of the usual one, as they are typed."""
    usual, given = Course(), []
    if course.student.epochs != usual.student.epochs:
        given.append(f"--epochs {course.student.epochs}")
    if course.teachers != usual.teachers:
        given.append(f"--teachers {course.teachers}")
    if course.stock != usual.stock:
        given.append(f"--stock {course.stock.scenes / usual.stock.scenes:g}")
    if course.split_seed != usual.split_seed:
        given.append(f"--seed {course.split_seed}")
    if (course.augmentation, course.student.widths) != (usual.augmentation, usual.student.widths):
        given.append(f"--recipe {BEST}")
    return "".join(f" {option}" for option in given)


@contextmanager
def _refusing(
    option: str, kinds: tuple[type[Exception], ...] = (ValueError, FileNotFoundError)
) -> Iterator[None]:
    """Blame an option for errors of these kinds."""
    try:
        yield
    except kinds as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _school(data_dir: Path, out: Path) -> School:
    """Open the folder of a course."""
    with _refusing("--out"):
        course = read_course(out)
    with _refusing("--data-dir"):
        return Room(out, data_dir, course).open()


def _graduate(school: School, seed: int) -> DigitNet:
    """Return a student that is trained to its end."""
    with _refusing("--out"):
        return school.graduate(seed)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where model.onnx and model.pt2 go.")],
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    seed: Student = 1,
) -> None:
    """Write a student's network as ONNX and torch.export, and compare both with it."""
    write_exports(fold(_graduate(_school(data_dir, out), seed)), folder)


@app.command()
def package(
    version: Annotated[str, typer.Option("--version", help="Version of the package, such as 1.0.0.")],
    data_dir: DataDir = DATA_DIR,
    out: Out = RUN_DIR,
    seed: Student = 1,
    seeds: Seeds = 1,
    models: Models = SHIPPED,
) -> None:
    """Calibrate and export a student as models/digits/<version>/, with its card and the mean of all seeds."""
    school = _school(data_dir, out)
    network, every = _graduate(school, seed), range(1, seeds + 1)
    for other in every:
        _graduate(school, other)
    measured = [mean_of_seeds(school, every, data.load(data_dir, "test")), training_minutes(school, seed)]
    command = f"python -m training train --data-dir {DATA_DIR} --seeds {seeds}{_unusual(school.course)}"
    teachers = school.course.teachers
    protocol = PROTOCOL.format(seed=seed, taught=TAUGHT.format(teachers=teachers) if teachers else "")
    origin = Origin(version, replace(school.course.student, seed=seed), command, protocol, measured)
    with _refusing("--version", (AlreadyThereError,)):
        make_package(network, school.parts, models, origin)
    typer.echo(f"{models / 'digits' / version}")


@app.command()
def samples(
    data_dir: DataDir = DATA_DIR,
    folder: Annotated[Path, typer.Option("--folder", help="Where the samples go.")] = Path("samples"),
    seed: Seed = 1,
) -> None:
    """Make the sample zip and pictures from MNIST's test images."""
    make_samples(data.load(data_dir, "test"), folder, seed=seed)
