"""The dashboard and the alert rules: every metric and label in them is one that the service gives."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from api.metric_families import FAMILIES, OPEN, PARTS, family_of
from shared.status import ItemStatus, Lane
from tests.deploy.files import ROOT

pytestmark = pytest.mark.check
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "inkqueue.json"
KINDS = {family.name: family.kind for family in FAMILIES}
ROLES = {"worker", "steward", "api"}
DUTIES = set(re.findall(r'Duty\("(\w+)"', (ROOT / "worker" / "steward.py").read_text()))
LABELS = {
    "inkqueue_backlog_items": {"lane": set(map(str, Lane))},
    "inkqueue_chunks": {"lane": set(map(str, Lane)), "state": {"pending", "leased"}},
    "inkqueue_oldest_claimable_seconds": {"lane": set(map(str, Lane))},
    "inkqueue_jobs": {"status": set(OPEN)},
    "inkqueue_workers": {"role": ROLES},
    "inkqueue_items_total": {"status": set(map(str, ItemStatus))},
    "inkqueue_webhook_attempts_total": {"outcome": {"delivered", "failed"}},
    "inkqueue_storage_errors_total": {"kind": {"full", "unavailable"}},
    "inkqueue_part_ok": {"part": set(PARTS)},
    "inkqueue_db_connections": {"state": {"in_use", "idle"}, "role": ROLES},
    "inkqueue_db_connections_limit": {"role": ROLES},
    "inkqueue_duty_age_seconds": {"duty": DUTIES},
    "inkqueue_duties_total": {"duty": DUTIES, "outcome": {"done", "failed"}},
    "inkqueue_process_resident_bytes": {"role": ROLES},
    "inkqueue_http_requests_total": {"route": {"/v1/predict"}},
    "inkqueue_http_request_seconds_bucket": {"route": {"/v1/predict"}},
}
CAUSES = {
    "backlog not moving": "InkqueueBacklogStandsStill",
    "no worker": "InkqueueNoWorker",
    "steward silent": "InkqueueStewardSilent",
    "leases expiring fast": "InkqueueLeasesExpire",
    "webhooks failing": "InkqueueWebhooksFail",
    "disk nearly full": "InkqueueDiskNearlyFull",
    "storage failing": "InkqueueStorageFails",
    "database unreachable": "InkqueueDatabaseAway",
    "broker unreachable": "InkqueueBrokerAway",
    "service unreachable": "InkqueueAway",
}
"""What an operator must be told of, and the alert that tells it."""


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


EXPRESSIONS = [rule["expr"] for rule in rules()] + [
    target["expr"] for panel in panels() for target in panel["targets"]
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_of_an_expression_is_given(expression: str) -> None:
    """A dashboard of metrics that nobody writes shows nothing and says nothing."""
    names = re.findall(r"\binkqueue_\w+", expression)

    assert names or expression == 'up{job="inkqueue"} == 0'
    assert {family_of(name) for name in names} <= set(KINDS)
    for name in names:
        assert name.endswith("_bucket") <= (KINDS[family_of(name)] == "histogram")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_read_by_their_growth(expression: str) -> None:
    """A counter by itself only ever rises; what is of interest is its rate."""
    for name in re.findall(r"(?<!rate\()(?<!increase\()\b(inkqueue_\w+)", expression):
        assert KINDS[family_of(name)] == "gauge"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_that_is_asked_for_has_that_value(expression: str) -> None:
    """A misspelt status or lane would never match."""
    for name, chosen in re.findall(r"(inkqueue_\w+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)!?="([^"]*)"', chosen):
            assert value in LABELS[name][label]
        for label, values in re.findall(r'(\w+)[!=]~"([^"]*)"', chosen):
            assert label == "status" or set(values.split("|")) <= LABELS[name][label]


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    """Names are unique, and each has a severity, a summary and a description."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert len(rule["annotations"]["description"]) > 40


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_an_alert_with_a_page_to_turn_to(cause: str) -> None:
    """Who is woken finds a section that says what is wrong, what it costs and what to do."""
    (rule,) = [one for one in rules() if one["alert"] == CAUSES[cause]]
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{CAUSES[cause].lower()}"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_section_in_the_operations_page(rule: dict[str, Any]) -> None:
    """And no section tells of an alert that there is not."""
    page = (ROOT / "docs" / "operations.md").read_text()
    sections = dict(re.findall(r"^### (Inkqueue\w+)\n\n(.+?)(?=\n#|\Z)", page, re.MULTILINE | re.DOTALL))
    assert len(sections[rule["alert"]].split()) >= 25
    assert set(sections) == {one["alert"] for one in rules()}


def test_every_metric_is_shown_or_watched() -> None:
    """What nobody looks at need not be measured."""
    used = {
        family_of(name) for expression in EXPRESSIONS for name in re.findall(r"\binkqueue_\w+", expression)
    }
    assert set(KINDS) == used


def test_panels_have_places_of_their_own() -> None:
    """No two panels overlap, and each says what it shows."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["description"]
