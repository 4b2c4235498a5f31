"""Commands to copy for one job: curl, our Python client, and Python with nothing but httpx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

KEY_LINE = "export INKQUEUE_API_KEY=ik_your_key"
FILE = "scans.zip"
_ENVIRON = "from os import environ\n\n"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code: what it does, in which language, and its text."""

    title: str
    says: str
    language: str
    text: str


def snippets(job: Mapping[str, Any], address: str, *, keyed: bool) -> list[Snippet]:
    """Write how programs read this job, and how they submit the next one with the same options.

    Args:
        job: its document.
        address: where the service is.
        keyed: whether a key is needed; the code then takes it from the environment.
    """
    options = _options(job)
    return [
        Snippet(
            "curl",
            "Ask how it stands, wait for its end, take the results home.",
            "sh",
            _curl(job, address, keyed),
        ),
        Snippet("Python", "With our client: pip install inkqueue", "python", _client(job, address)),
        Snippet(
            "Python with httpx",
            "Nothing of ours is needed: pip install httpx",
            "python",
            _httpx(job, address, keyed),
        ),
        Snippet(
            "curl: the next job like this one",
            f"The same options with other files, here {FILE}.",
            "sh",
            _curl_submit(options, address, keyed),
        ),
        Snippet(
            "Python: the next job like this one",
            f"The same options with other files, here {FILE}.",
            "python",
            _client_submit(options, address),
        ),
    ]


def _options(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the next submission has to say to be read the same way."""
    chosen: dict[str, Any] = {"model": job["model"]["name"]}
    if job["mode"] != "classify":
        chosen["mode"] = job["mode"]
    if job["target_error"] is not None:
        chosen["target_error"] = job["target_error"]
    if job["priority"] != "normal":
        chosen["priority"] = job["priority"]
    return chosen


def _key_line(keyed: bool) -> str:
    return 'key="Authorization: Bearer $INKQUEUE_API_KEY"\n' if keyed else ""


def _curl(job: Mapping[str, Any], address: str, keyed: bool) -> str:
    curl = 'curl -sS -H "$key"' if keyed else "curl -sS"
    return f"""\
{_key_line(keyed)}job={quote(f"{address}/v1/jobs/{job['id']}")}
{curl} "$job"
{curl} "$job?wait=60"
{curl} "$job/results?format=csv" -o results.csv
{curl} "$job/results?decision=review&limit=1000"
"""


def _curl_submit(options: Mapping[str, Any], address: str, keyed: bool) -> str:
    curl = 'curl -sS -H "$key"' if keyed else "curl -sS"
    fields = " ".join(f"-F {quote(f'{name}={value}')}" for name, value in options.items())
    return f"{_key_line(keyed)}{curl} -F files=@{FILE} {fields} \\\n  {quote(address + '/v1/jobs')}\n"


def _client(job: Mapping[str, Any], address: str) -> str:
    return f"""\
from inkqueue import Client

with Client({_literal(address)}) as client:
    job = client.get({_literal(job["id"])}).wait()
    print(job.status, job.counts.accepted, "accepted,", job.counts.review, "to review")
    for item in job.results():
        print(item.seq, item.name, item.prediction, item.confidence, item.decision)
"""


def _client_submit(options: Mapping[str, Any], address: str) -> str:
    given = "".join(f", {name}={_literal(value)}" for name, value in options.items())
    return f"""\
from inkqueue import Client

with Client({_literal(address)}) as client:
    job = client.submit("{FILE}"{given}).wait()
    print(job.id, job.status, job.counts.succeeded, "read")
"""


def _httpx(job: Mapping[str, Any], address: str, keyed: bool) -> str:
    key = '\nkey = environ["INKQUEUE_API_KEY"]' if keyed else ""
    headers = ', headers={"Authorization": f"Bearer {key}"}' if keyed else ""
    return f"""\
{_ENVIRON if keyed else ""}import httpx
{key}
with httpx.Client(base_url={_literal(address)}, timeout=90{headers}) as http:
    path = {_literal("/v1/jobs/" + job["id"])}
    job = http.get(path).raise_for_status().json()
    while job["finished_at"] is None:
        job = http.get(path, params={{"wait": 60}}).raise_for_status().json()
    after = -1
    while after is not None:
        query = {{"after_seq": after, "limit": 1000}}
        page = http.get(f"{{path}}/results", params=query).raise_for_status().json()
        for item in page["items"]:
            print(item["seq"], item["name"], item["final_value"], item["decision"])
        after = page["next_after_seq"]
"""


def _literal(value: object) -> str:
    """Write a text or number as Python has it, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False)
