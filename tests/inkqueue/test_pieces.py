"""Laws of the parts that work on bytes: event streams, forms, retries."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkqueue import RetryPolicy
from inkqueue.cli.output import note, print_facts, print_table, printable
from inkqueue.client.answers import retry_after_s
from inkqueue.client.bodies import MultipartBody, Part
from inkqueue.client.events import Event, EventParser
from inkqueue.client.wire import Reply

STREAM = b': awake\r\n\r\nevent: a\r\nid: 1\r\ndata: {"x":\r\ndata:  1}\r\n\r\nid: 2\ndata: b\n\ndata: cut'
EVENTS = [Event("a", '{"x":\n 1}', "1"), Event("message", "b", "2")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    """Pieces of any size give the same events; one that is not finished gives none."""
    edges = [0, *sorted(cuts), len(STREAM)]
    parser = EventParser()

    events = [event for start, end in itertools.pairwise(edges) for event in parser.feed(STREAM[start:end])]

    assert events == EVENTS


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=50)), min_size=1, max_size=4),
    st.lists(st.tuples(st.text(max_size=10), st.text(max_size=30)), max_size=3),
)
def test_a_form_is_as_long_as_it_says(files: list[tuple[str, bytes]], fields: list[tuple[str, str]]) -> None:
    """The announced length is the length sent, whatever the names and contents, also the second time."""
    parts = [
        Part(name, len(data), "image/png", lambda data=data: io.BytesIO(data))  # type: ignore[misc] # bound at once
        for name, data in files
    ]
    body = MultipartBody(fields, parts)

    first, second = b"".join(body.pieces()), b"".join(body.pieces())

    assert len(first) == body.size
    assert first == second


@given(st.integers(0, 20), st.floats(0, 60), st.one_of(st.none(), st.floats(0, 200)))
def test_patience_is_bounded(tries: int, waited: float, wish: float | None) -> None:
    """No wait breaks the bound on number or time, and none is shorter than the service asks."""
    policy = RetryPolicy()

    wait = policy.wait_s(tries, waited, wish)

    if wait is None:
        assert (
            tries > policy.max_retries or waited + max(policy.longest_wait_s, wish or 0.0) > policy.max_wait_s
        )
    else:
        assert tries <= policy.max_retries
        assert waited + wait <= policy.max_wait_s
        assert wait >= (wish or 0.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("", None),
        ("soon", None),
        pytest.param(format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True), 0.0, id="past"),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    """Seconds and dates are understood, nonsense is ignored."""
    assert retry_after_s(Reply(503, {"retry-after": text}, b"")) == seconds


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b31m", "a\rb", "a\nb", "a\tb", "\x07", "\u202etxt.exe", "\u2028"]
)
def test_others_words_do_not_command_a_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A job's name, or what a receiver of webhooks answers, is shown as it is and never obeyed."""
    print_facts([("text", text)])
    print_table(["name"], [[text]])
    note(text.replace("\n", "\t"))

    told = capsys.readouterr()
    assert told.out.count("\n") == 3
    commands = {letter for letter in text if not letter.isprintable()}
    assert not commands & set((told.out + told.err).replace("\n", ""))
    assert printable("Zählung 7 – é") == "Zählung 7 – é"
