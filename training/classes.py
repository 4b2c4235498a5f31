"""Hold several lessons at once: teachers, then students, each in a process and on a thread of its own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from training import data
from training.course import Course, School, WatchMaker, nobody


class Room(NamedTuple):
    """Where and on what a course is held; each process reads the same for itself."""

    folder: Path
    data_dir: Path
    course: Course

    def open(self, watch: WatchMaker = nobody) -> School:
        """Read the data and open the course's folder."""
        parts = data.split(data.load(self.data_dir, "train"), self.data_dir, seed=self.course.split_seed)
        return School(self.folder, parts, self.course, watch=watch)


def hold(room: Room, seeds: Sequence[int], *, jobs: int, watch: WatchMaker = nobody) -> School:
    """Train a student a seed to its end, in so many processes; what is finished is not done again.

    On a GPU one process does everything, and so it does on a CPU what there is only one of: with all threads.
    """
    school = room.open(watch)
    school.pool()
    school.held_out()
    if jobs > 1 and not torch.cuda.is_available():
        _share(room, [("teacher", seed) for seed in school.teacher_seeds], jobs, watch)
        school.student_pools()
        school.tuning_pools()
        _share(room, [("student", seed) for seed in seeds], jobs, watch)
    for seed in seeds:
        school.train_student(seed)
    return school


def _share(room: Room, tasks: Sequence[tuple[str, int]], jobs: int, watch: WatchMaker) -> None:
    """Deal tasks to processes; an error in one of them ends all."""
    if len(tasks) < 2:
        return
    threads = max(torch.get_num_threads() // jobs, 1)
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks)), _begin, (threads,)) as pool:
        pool.starmap(_work, [(room, kind, seed, watch) for kind, seed in tasks], chunksize=1)


def _begin(threads: int) -> None:
    """Take so many threads, and end with the parent, however that ends: nobody would want the work."""
    torch.set_num_threads(threads)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """Wait for a process to end, then end this one at once."""
    parent.join()
    os._exit(1)


def _work(room: Room, kind: str, seed: int, watch: WatchMaker) -> None:
    """Train one network to its end."""
    school = room.open(watch)
    if kind == "teacher":
        school.train_teacher(seed)
    else:
        school.train_student(seed)
