"""The script `inkqueue-train`: the laboratory's commands, or one sentence on what to install for them."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from tests.docs.pages import ROOT

START = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == %r:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from training.entry import main
main()
"""


@pytest.mark.parametrize("missing", ["torch", "numpy"])
def test_without_the_extra_one_sentence_says_what_to_install(missing: str) -> None:
    """No traceback: the package that is missing, and the extra that brings it."""
    done = subprocess.run(
        [sys.executable, "-c", START % missing], cwd=ROOT, capture_output=True, text=True, check=False
    )
    expected = f'inkqueue-train needs {missing}, which `pip install "inkqueue[training]"` brings.\n'
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_the_script_is_the_module() -> None:
    """`inkqueue-train` and `python -m training` start the same function."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["inkqueue-train"] == "training.entry:main"
    assert "from training.entry import main" in (ROOT / "training" / "__main__.py").read_text()
