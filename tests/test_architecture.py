"""What the documents say about settings, errors and states is what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.problems import STATUS
from deploy import settings_doc
from shared.errors import ITEM_ERRORS, InkqueueError
from shared.settings import Settings
from shared.status import TERMINAL, TRANSITIONS

pytestmark = pytest.mark.check
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def errors(kind: type[InkqueueError] = InkqueueError) -> Iterator[type[InkqueueError]]:
    """Yield the whole tree of errors."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("shared.errors"):
            yield from errors(child)


def sections(page: Path) -> dict[str, str]:
    """Return the sections of a page whose heading is a code, with their texts."""
    parts = re.split(r"^### `(\w+)`$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_settings_page_is_written_from_the_class() -> None:
    """`python -m deploy.settings_doc` would change nothing."""
    assert (DOCS / "configuration.md").read_text() == settings_doc.page()
    assert (ROOT / ".env.example").read_text() == settings_doc.example()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    """Each field has a sentence, and a line in the page and in the example."""
    name = f"INKQUEUE_{field.upper()}"

    assert (Settings.model_fields[field].description or "").endswith(".")
    assert f"| `{name}` |" in (DOCS / "configuration.md").read_text()
    assert f"# {name}=" in (ROOT / ".env.example").read_text()


def test_only_the_settings_class_reads_the_environment_of_the_server() -> None:
    """No server room looks into `os.environ` by itself; MLflow's switches are only set."""
    readers = [
        path.relative_to(ROOT)
        for room in ("api", "worker", "shared", "migrations")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.environ(?!\.update\(_SWITCHES\))|getenv", path.read_text())
    ]
    assert readers == []


@pytest.mark.parametrize("error", list(errors()), ids=lambda error: error.__name__)
def test_every_error_is_mapped_and_documented(error: type[InkqueueError]) -> None:
    """Each class of the tree has an HTTP status or is an item's, a text, and a section in the page."""
    assert error.code in STATUS.keys() | ITEM_ERRORS.keys()
    assert error.default.endswith(".")
    assert len(sections(DOCS / "errors.md")[error.code].strip()) > 20


def test_no_error_is_documented_that_does_not_exist() -> None:
    """The page names the codes of the tree and no others, requests first, with the status that is sent."""
    documented = sections(DOCS / "errors.md")

    assert list(documented) == [*STATUS, *ITEM_ERRORS]
    assert set(documented) == {error.code for error in errors()}
    for code, status in STATUS.items():
        assert documented[code].lstrip().startswith(str(status)), code


def test_a_retryable_error_is_documented_as_such() -> None:
    """What a client may send again says so."""
    documented = sections(DOCS / "errors.md")
    retryable = {error.code for error in errors() if error.retryable}

    assert {code for code in STATUS if ", retryable." in documented[code]} == retryable & STATUS.keys()


def test_the_diagram_of_states_is_the_transition_table() -> None:
    """Every arrow of the page is an allowed change, and every allowed change an arrow."""
    text = (DOCS / "architecture.md").read_text()
    diagram = text.split("stateDiagram-v2", 1)[1].split("```", 1)[0]
    arrows = set(re.findall(r"(\S+) --> (\S+)", diagram))

    inner = {(a, b) for a, b in arrows if "[*]" not in (a, b)}
    assert inner == {(str(a), str(b)) for a, after in TRANSITIONS.items() for b in after}
    assert {a for a, b in arrows if b == "[*]"} == {str(state) for state in TERMINAL}
    assert {b for a, b in arrows if a == "[*]"} == {"validating", "queued"}
