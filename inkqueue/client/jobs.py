"""What both kinds of job share: the state as last told, and reading it."""

from __future__ import annotations

from collections.abc import Callable

from inkqueue.models import Counts, JobState

Watcher = Callable[[JobState], None]
"""Called with a job's state whenever it changed."""


class JobView:
    """A job's state as the service last told it; see the attributes of `JobState`, kept in `state`."""

    def __init__(self, state: JobState) -> None:
        self.state = state

    @property
    def id(self) -> str:
        """Return the job's id."""
        return self.state.id

    @property
    def status(self) -> str:
        """Return the job's status, as last told."""
        return self.state.status

    @property
    def name(self) -> str | None:
        """Return the name that people see."""
        return self.state.name

    @property
    def counts(self) -> Counts:
        """Return how many items are where, as last told."""
        return self.state.counts

    @property
    def progress(self) -> float:
        """Return the finished share of the items, 0 to 1, as last told."""
        return self.state.progress

    @property
    def done(self) -> bool:
        """Tell whether the job had ended when it was last looked at."""
        return self.state.done

    def __repr__(self) -> str:
        counts = self.counts
        return f"<{type(self).__name__} {self.id} {self.status} {counts.finished}/{counts.total}>"
