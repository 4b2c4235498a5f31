"""The pages of models: a list, and cards that say how well a model reads and on what that was measured."""

from __future__ import annotations

import json
from pathlib import Path

from inkqueue.local.redis import free_port
from shared.cards import ModelCard
from shared.settings import Settings
from tests.api.conftest import serving
from tests.page.conftest import Site
from tests.page.visit import Visit, expect

CARD: ModelCard = json.loads(Path("models/digits/2.1.0/model.json").read_text())


def test_the_list_puts_the_usual_model_first(visit: Visit) -> None:
    """Each has its best-known figure with the interval, and the way to its card."""
    page = visit.open("/models")
    first = page.locator(".models > li").first
    expect(first).to_contain_text("Used unless you choose another")
    expect(first).to_contain_text("99.69 % (99.56 % to 99.79 %), MNIST test: clean digits")
    visit.check_all("models")
    first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("digits 2.4.0")


def test_a_card_says_what_it_promises(visit: Visit) -> None:
    """In words, with what was measured and on what; the figures are the card's."""
    page = visit.open("/models/digits@2.1.0")
    promise = page.locator(".promise")
    expect(promise).to_contain_text("at most 1 in 1,000 accepted answers is wrong")
    expect(promise).to_contain_text("896 of 1,000 pictures need no look")
    expect(promise).to_contain_text(
        "3 of 8,371 accepted were wrong; with 95 % certainty no more than 0.093 %"
    )
    expect(promise).to_contain_text(CARD["calibration"])
    rows = page.locator("section", has_text="How strict it may be").locator("tbody tr")
    assert rows.count() == len(CARD["thresholds"])
    expect(rows.first).to_contain_text("too few pictures")
    assert page.locator(".dot-plot circle").count() == sum("accuracy" in m["name"] for m in CARD["metrics"])
    assert page.locator(".plot polyline").count() == 5
    visit.check_all("model")
    visit.narrow()
    graph = page.locator(".graph").bounding_box()
    for line in page.locator(".graph polyline").all():
        box = line.bounding_box()
        assert graph is not None
        assert box is not None
        assert abs(box["x"] - graph["x"]) < 3
        assert abs(box["x"] + box["width"] - graph["x"] - graph["width"]) < 3


def test_dots_lie_where_the_figures_say(visit: Visit) -> None:
    """A dot's place on the axis is its share, between the ticks' ends."""
    page = visit.open("/models/digits@2.1.0")
    ticks = page.locator(".axis-row text").all_text_contents()
    start = float(ticks[0].removesuffix(" %"))
    dot = page.locator(".dot-row", has_text="MNIST test: clean digits").last.locator("circle")
    at = float((dot.get_attribute("cx") or "").removesuffix("%"))
    assert abs(start + (100 - start) * at / 100 - 99.61) < 0.05


def test_a_model_without_figures_says_so(visit: Visit, site: Site, tmp_path: Path) -> None:
    """A card of somebody's own may be bare: no plot is invented, and a promise is not either."""
    package = tmp_path / "own" / "stamps" / "0.1"
    package.mkdir(parents=True)
    card = CARD | {"name": "stamps", "version": "0.1", "thresholds": [], "metrics": [], "files": {}}
    card["description"] = "<b>Stamps</b>"
    (package / "model.json").write_text(json.dumps(card))
    settings = site.settings.model_copy(update={"port": free_port(), "models_dirs": str(tmp_path / "own")})
    assert isinstance(settings, Settings)
    with serving(settings) as client:
        text = client.get("/models/stamps@0.1").text
    assert "does not say how sure it is" in text
    assert "&lt;b&gt;Stamps&lt;/b&gt;" in text
    assert "<polyline" not in text


def test_an_unknown_model_is_no_page(visit: Visit) -> None:
    """A wrong name gets a page that helps."""
    visit.refusals.add(404)
    page = visit.open("/models/nothing")
    expect(page.get_by_role("alert")).to_contain_text("no model of this name")
