"""What must hold over HTTP when everything has come to rest: what a user would read."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.client import Client, Violations
from tests.chaos.inside import Row
from tests.chaos.traffic import Record
from tests.chaos.watch import TERMINAL


async def check(
    client: Client,
    records: Sequence[Record],
    references: Mapping[str, list[Row]],
    violations: Violations,
    most: int,
) -> int:
    """Read a sample of the jobs, the large ones first; return how many items were compared."""
    kept = [record for record in records if not record.deleted]
    random.Random(1).shuffle(kept)
    kept.sort(key=lambda record: len(references[record.content]) < 1000)
    compared = 0
    for record in kept[:most]:
        job = (await client.call("GET", f"/v1/jobs/{record.id}")).json()
        if job["status"] not in TERMINAL or job["counts"]["pending"]:
            violations.add(f"{record.id}: {job['status']}, {job['counts']}")
        items = await _items(client, record.id)
        compared += len(items)
        if [item["seq"] for item in items] != list(range(job["counts"]["total"])):
            violations.add(f"{record.id}: results are not 0 to {job['counts']['total'] - 1}, each once")
        if not (record.may_stop or record.parent) and list(map(as_row, items)) != references[record.content]:
            violations.add(
                f"{record.id} ({record.content}): results over HTTP are unlike those without faults"
            )
    for record in [record for record in records if record.deleted][:most]:
        if (await client.call("GET", f"/v1/jobs/{record.id}")).status_code != 404:
            violations.add(f"{record.id} was deleted and is shown")
    return compared


async def _items(client: Client, job: str) -> list[dict[str, Any]]:
    answer = await client.call("GET", f"/v1/jobs/{job}/results", params={"format": "ndjson"}, timeout_s=60.0)
    return [json.loads(line) for line in answer.text.splitlines()]


def as_row(item: dict[str, Any]) -> Row:
    """Return an item as the database's rows are compared."""
    return (
        item["seq"],
        item["name"],
        item["page"],
        item["status"],
        item["prediction"] or "",
        item["decision"] or "",
        ",".join(item["reasons"]),
        item["error"]["code"] if item["error"] else "",
    )
