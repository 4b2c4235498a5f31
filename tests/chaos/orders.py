"""Which jobs are submitted when, with which options, and what is done to them afterwards: drawn from the seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.contents import Content

ACTS = {"none": 58, "cancel": 7, "retry": 9, "delete": 5, "repeat": 9, "twins": 8, "clash": 4}
"""What happens to a job beside its work, in hundredths."""


@dataclass(frozen=True)
class Order:
    """One submission of a plan."""

    number: int
    at_s: float
    content: str
    act: str
    after_s: float
    options: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None

    @property
    def webhook(self) -> bool:
        """Tell whether a webhook must come."""
        return "webhook_url" in self.options


def draw(
    seed: int,
    small: Sequence[Content],
    large: Sequence[tuple[str, int]],
    count: int,
    duration_s: float,
    webhook_url: str,
) -> list[Order]:
    """Draw orders: so many of the small contents, and of each large one as often as is said."""
    chance = random.Random(f"orders {seed}")
    names = chance.choices([c.name for c in small], [c.weight for c in small], k=count)
    often = [(name, chance.uniform(0, 0.98 * duration_s)) for name in names]
    seldom = [(name, chance.uniform(0, 0.8 * duration_s)) for name, times in large for _ in range(times)]
    big = {name for name, _ in large}
    return [
        _order(chance, seed, number, at_s, name, name in big, webhook_url)
        for number, (name, at_s) in enumerate(sorted(often + seldom, key=lambda one: one[1]), 1)
    ]


def _order(
    chance: random.Random, seed: int, number: int, at_s: float, name: str, big: bool, webhook_url: str
) -> Order:
    act = chance.choices(list(ACTS), list(ACTS.values()))[0]
    if big and act in {"twins", "clash", "retry"}:
        act = "none"
    options: dict[str, Any] = {"metadata": {"chaos": str(number)}}
    if chance.random() < 0.3:
        options["priority"] = chance.choice(["high", "low"])
    if chance.random() < 0.04:
        options["deadline_s"] = chance.randint(1, 12)
    if chance.random() < 0.5:
        options["webhook_url"] = webhook_url
        if chance.random() < 0.3:
            options["webhook_events"] = ["job.started", "job.completed"]
    keyed = act in {"repeat", "twins", "clash"} or chance.random() < 0.93
    after_s = chance.uniform(0.0, 4.0 if act == "cancel" else 20.0)
    return Order(number, at_s, name, act, after_s, options, f"chaos-{seed}-{number}" if keyed else None)


def request(content: Content, options: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """Return what httpx needs to send a content with its options, in the way of its kind."""
    headers = {**content.headers, **({"Idempotency-Key": key} if key else {})}
    if content.type == "json":
        body = {**json.loads(content.body["content"]), **options}
        return {"content": json.dumps(body).encode(), "headers": headers}
    flat = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in options.items()}
    if content.type == "multipart":
        return {**content.body, "data": flat, "headers": headers}
    return {**content.body, "params": flat, "headers": headers}
