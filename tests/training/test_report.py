"""Reports: their numbers are right, they survive odd data, and they give away nothing of the machine."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from shared.packages import find_packages, resolve
from shared.vision import Prepared
from shared.vision.readings import LOW_CONFIDENCE, Readings
from training.report import measures, write_report
from training.report.gallery import SHOWN, misread
from training.suites.bars import Bar, Verdict
from training.suites.suite import JUNK, Figure, Result, Suite

pytestmark = pytest.mark.torch
DIGITS = resolve(find_packages(), "digits@1.0.0")
NAN = float("nan")


def readings(predictions: list[int], confidence: list[float], threshold: float = 0.9) -> Readings:
    """Make answers that are accepted from a threshold on."""
    sure = np.array(confidence, np.float32)
    accept = sure.astype(np.float64) >= threshold
    return Readings(
        prediction=np.array(predictions, np.int16),
        confidence=sure,
        probabilities=np.zeros((len(sure), 10), np.float32),
        accept=accept,
        reasons=[
            () if ok else (LOW_CONFIDENCE if value == value else "not_a_digit",)
            for ok, value in zip(accept, sure, strict=True)
        ],
    )


def result(
    labels: list[int], answers: Readings, groups: list[str] | None = None, name: str = "some digits"
) -> Result:
    """Make a measured suite whose pictures differ from each other."""
    pictures = [Prepared(np.full((28, 28), index % 256, np.uint8)) for index in range(len(labels))]
    return Result(Suite(name, pictures, np.array(labels, np.int64), groups), answers)


def awkward() -> list[Result]:
    """Make suites without errors, without confidence, without some classes, without digits, without anything."""
    none = readings([-1, -1], [NAN, NAN])
    return [
        result([0, 1, 2], readings([0, 1, 2], [0.99, 0.95, 0.2])),
        result([3, 3], none, name="nothing read"),
        result([JUNK, JUNK], readings([4, -1], [0.97, NAN]), ["<scribble> | [x]", "blank"], "junk"),
        result([5, JUNK], readings([6, 6], [0.99, 0.5]), ["a", "b"], "both"),
        result([], readings([], []), [], "empty"),
    ]


BAR = Bar("Reading", "mnist/accuracy", 0.99, 0.999)
VERDICTS = (
    Verdict(BAR, Figure("accuracy", "mnist", 0.995, 1000, 0.99, 0.999)),
    Verdict(BAR, Figure("accuracy", "mnist", 0.97, 1000)),
    Verdict(
        Bar("Trust", "all/error", 0.001, 0.001, falling=True, fewest=20_000),
        Figure("error", "all", 0.0, 100),
    ),
    Verdict(BAR, None, "usps.h5 is missing"),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one report on odd data for those tests that only look at it."""
    folder = tmp_path_factory.mktemp("report")
    write_report(awkward(), DIGITS, folder, verdicts=VERDICTS)
    return folder


class Page(HTMLParser):
    """What a page is made of."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that what is closed was opened last."""
        assert self.open.pop() == tag


def test_precision_recall_and_f1_are_those_of_the_confusion() -> None:
    """Two of three ones are found, and two of the four answers “one” are right."""
    answers = readings([1, 1, 7, 1, 1], [0.9] * 5)
    table = measures.confusion(answers, np.array([1, 1, 1, 2, JUNK]), 10)
    one = measures.per_class(table, DIGITS.labels)[1]
    assert (one.pictures, one.precision, one.recall) == (3, 0.5, pytest.approx(2 / 3))
    assert one.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert table[1, 7] == 1
    assert table[-1, 1] == 1
    assert table.sum() == 5


def test_a_label_that_never_occurs_has_no_figures() -> None:
    """Nothing is divided by nothing, and no figure is made up."""
    table = measures.confusion(readings([1], [0.9]), np.array([1]), 10)
    assert np.isnan(measures.per_class(table, DIGITS.labels)[4][2:]).all()


def test_calibration_compares_confidence_with_the_share_right() -> None:
    """Four answers of confidence 0.75, half of them right, are off by a quarter; NaN counts nowhere."""
    confidence = np.array([0.75, 0.75, 0.75, 0.75, NAN], np.float32)
    (bin_,) = measures.reliability(confidence, np.array([True, True, False, False, False]))
    assert (bin_.readings, bin_.confidence, bin_.accuracy) == (4, 0.75, 0.5)
    assert bin_.low < 0.5 < bin_.high
    assert measures.calibration_error([bin_]) == pytest.approx(0.25)


def test_certainty_falls_into_the_last_bin() -> None:
    """A confidence of exactly 1 is not lost."""
    (bin_,) = measures.reliability(np.array([1.0], np.float32), np.array([True]))
    assert bin_.readings == 1


def test_the_area_under_risk_and_coverage_is_that_worked_out_by_hand() -> None:
    """Right, wrong, right, wrong: risks 0, 1/2, 1/3, 1/2."""
    curve = measures.risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert curve.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, 12, elements=st.sampled_from([-1.0, 0.3, 0.6, 0.9])),
    arrays.arrays(np.bool_, 12),
    st.permutations(range(12)),
)
def test_the_curve_does_not_depend_on_the_order_of_pictures(
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    right: np.ndarray[tuple[int], np.dtype[np.bool_]],
    order: list[int],
) -> None:
    """Equal confidences come together, whatever lies first; all together the risk is the share wrong."""
    one, other = measures.risk_coverage(score, right), measures.risk_coverage(score[order], right[order])
    assert one.aurc == pytest.approx(other.aurc)
    assert one.risk[-1] == pytest.approx((~right).mean())


def test_a_threshold_accepts_what_the_service_accepts() -> None:
    """At the card's default target the report's count is that of the readings; what is barred stays out."""
    threshold = DIGITS.threshold(None)
    answers = readings([1, 2, 3, 4], [threshold + 1e-6, threshold - 1e-6, 1.0, NAN], threshold)
    answers.reasons[2], answers.accept[2] = ("multiple_digits",), False
    right = np.array([True, True, True, False])
    point = measures.threshold_point(measures.scores(answers), right, 0.001, threshold)
    assert point.accepted == answers.accept.sum() == 1
    assert point.coverage == 0.25


def test_a_digit_that_is_like_junk_is_barred_by_its_confidence_alone() -> None:
    """A lower threshold would accept it; what has no answer is accepted by none."""
    answers = readings([1, -1], [0.8, NAN])
    answers.reasons[:] = [(LOW_CONFIDENCE, "not_a_digit"), ("not_a_digit",)]
    assert measures.scores(answers).tolist() == pytest.approx([0.8, -1])


def test_a_model_without_thresholds_has_a_curve_all_the_same() -> None:
    """Answers that are reviewed only because nobody calibrated the model are ordered by their confidence."""
    answers = readings([1, 2], [0.8, 0.6])
    answers.reasons[:] = [("not_calibrated",)] * 2
    assert measures.scores(answers).tolist() == pytest.approx([0.8, 0.6])


def test_junk_is_good_when_it_is_refused() -> None:
    """Refused junk and a digit read rightly are good; accepted junk is not, and it counts as an error."""
    answers = readings([3, 3, 3], [0.99, 0.5, 0.5])
    labels = np.array([JUNK, JUNK, 3])
    assert measures.good(answers, labels).tolist() == [False, True, True]
    (row,) = measures.by_group(answers, labels, ["x"] * 3)
    assert (row.pictures, row.errors, row.good) == (3, 1, pytest.approx(2 / 3))


def test_the_gallery_begins_with_what_passed_unseen() -> None:
    """Accepted errors stand first, then the surest; those without confidence last; right ones never."""
    answers = readings([9, 9, -1, 9, 9], [0.5, 0.95, NAN, 0.99, 0.7])
    found = misread(result([1, 2, 3, 9, 5], answers), DIGITS.labels, "x").pictures
    assert [picture.lines[0] for picture in found] == [
        "true 2, read 9",
        "true 5, read 9",
        "true 1, read 9",
        "true 3, read none",
    ]
    assert [picture.marked for picture in found] == [True, False, False, False]


def test_a_long_gallery_is_cut_and_says_so() -> None:
    """The caption names how many there are in all."""
    many = SHOWN + 5
    gallery = misread(result([1] * many, readings([2] * many, [0.5] * many)), DIGITS.labels, "x")
    assert len(gallery.pictures) == SHOWN
    assert gallery.caption.startswith(f"{many} of {many} misread; the first {SHOWN}")


def test_odd_data_makes_whole_reports(report: Path) -> None:
    """The page is well formed, without script and foreign addresses, and every image has words for it."""
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert not page.open
    assert not {"script", "link", "iframe", "scribble"} & {tag for tag, _ in page.tags}
    assert images
    assert all(image["alt"] and str(image["src"]).startswith("data:image/") for image in images)
    links = {str(attributes["href"]) for tag, attributes in page.tags if tag == "a"}
    assert links == {f"#{attributes['id']}" for tag, attributes in page.tags if tag == "h2"}


def test_the_page_shows_the_picture_as_the_model_saw_it(tmp_path: Path) -> None:
    """The only misread picture comes out of the page pixel by pixel."""
    measured = result([0, 1], readings([0, 7], [0.99, 0.99]))
    write_report([measured], DIGITS, tmp_path)
    (png,) = re.findall(r"data:image/png;base64,([\w+/=]+)", (tmp_path / "report.html").read_text())
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
    assert np.array_equal(shown, measured.suite.pictures[1].image)


def test_markdown_refers_to_files_that_are_there(report: Path) -> None:
    """Every image of the text exists, and all rows of a table have equally many cells."""
    text = (report / "report.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)]+)\)", text)
    assert named
    assert all((report / name).is_file() for name in named)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_pictures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    """A shorter gallery leaves no file of the longer one."""
    for misread_ones in (3, 1):
        write_report(
            [result([1] * 3, readings([2] * misread_ones + [1] * (3 - misread_ones), [0.5] * 3))],
            DIGITS,
            tmp_path,
        )
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["some-digits-misread-01.png"]


def test_the_same_results_give_the_same_bytes_and_name_no_folder(report: Path, tmp_path: Path) -> None:
    """A second report equals the first in every file; neither the package's folder nor the report's is in it."""
    write_report(awkward(), DIGITS, tmp_path, verdicts=VERDICTS)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {path.relative_to(report) for path in report.rglob("*") if path.is_file()}
    for file in files:
        raw = (tmp_path / file).read_bytes()
        assert raw == (report / file).read_bytes(), file
        assert str(tmp_path).encode() not in raw
        assert str(DIGITS.path).encode() not in raw


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_report_names_the_model_and_how_it_was_made(report: Path, name: str) -> None:
    """Checksum, parameters, preparation and training command stand in both reports."""
    text = (report / name).read_text(encoding="utf-8")
    facts = (DIGITS.sha256, "130,986", "digits@1", DIGITS.card["training"]["command"])
    assert all(fact in text for fact in facts)


def test_a_missed_bar_says_by_how_much(report: Path) -> None:
    """Reached, missed, too few and unmeasured bars are told apart."""
    text = (report / "report.md").read_text(encoding="utf-8")
    assert "1 of 4 bars are reached, and 0 aims." in text
    rows = [row for row in text.splitlines() if row.startswith(("| Reading", "| Trust"))]
    outcomes = ["yes", "no, by 2.00 points", "no, fewer than 20,000", "not measured"]
    assert [row.split(" | ")[6] for row in rows] == outcomes
    assert "usps.h5 is missing" in rows[3]
