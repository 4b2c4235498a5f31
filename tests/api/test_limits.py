"""Rate limits: counted by key for all processes, told in the draft's headers, escaped by nothing a request says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.limits_ahead import Ahead
from api.limits_counters import Counters, Memory, Policy, Standing
from inkqueue.local.redis import free_port
from shared.db import Database
from shared.keys.text import KeyText
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem
from tests.api.keyed import bearer, key_for
from tests.api.test_outages import own_redis
from tests.services import wait_for

WINDOW_S = 600
"""Long, so that no window ends within a test."""
SMALL = {
    "rate_limit_window_s": WINDOW_S,
    "rate_limit_requests": 8,
    "rate_limit_submissions": 3,
    "rate_limit_webhook_tests": 2,
    "rate_limit_failed_auth": 4,
}


@pytest.fixture
def admin(database: Database) -> KeyText:
    """Make the first key, which closes the service."""
    return key_for(database)


@contextmanager
def limited(settings: Settings, **more: object) -> Iterator[httpx.Client]:
    """Serve with small quotas."""
    with serving(settings.model_copy(update={**SMALL, **more})) as client:
        yield client


@pytest.fixture
def closed(admin: KeyText, settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client without a key of such a service."""
    with limited(settings) as client:
        yield client


def used_up(api: httpx.Client, headers: dict[str, str], count: int = 8) -> None:
    """Ask until the quota of requests in all is used up."""
    for _ in range(count):
        assert api.get("/v1/jobs", headers=headers).status_code == 200


def test_an_answer_tells_policy_and_rest(closed: httpx.Client, admin: KeyText) -> None:
    """The headers are structured fields as in draft 10: a list of strings with parameters."""
    first, second = (closed.get("/v1/jobs", headers=bearer(admin)) for _ in range(2))
    assert first.headers["ratelimit-policy"] == f'"default";q=8;w={WINDOW_S}'
    assert re.fullmatch(r'"default";r=7;t=\d+', first.headers["ratelimit"])
    assert re.fullmatch(r'"default";r=6;t=\d+', second.headers["ratelimit"])
    assert 0 < int(second.headers["ratelimit"].split("t=")[1]) <= WINDOW_S


def test_over_the_quota_is_429_with_the_time_to_wait(closed: httpx.Client, admin: KeyText) -> None:
    """A problem document that may be retried, `Retry-After`, and the same headers as on a success."""
    used_up(closed, bearer(admin))
    answer = closed.get("/v1/jobs", headers=bearer(admin))
    assert problem(answer, 429, "rate_limited")["retryable"] is True
    assert 1 <= int(answer.headers["retry-after"]) <= 2 * WINDOW_S
    assert answer.headers["ratelimit"] == f'"default";r=0;t={answer.headers["retry-after"]}'


def test_who_waits_as_told_is_let_in(settings: Settings, admin: KeyText) -> None:
    """After `Retry-After` seconds, rounded up, the very next request is served."""
    with limited(settings, rate_limit_window_s=2, rate_limit_requests=3) as api:
        for _ in range(2):
            while (answer := api.get("/v1/jobs", headers=bearer(admin))).status_code == 200:
                continue
            time.sleep(int(answer.headers["retry-after"]))
            assert api.get("/v1/jobs", headers=bearer(admin)).status_code == 200


def test_kinds_of_requests_have_quotas_of_their_own(closed: httpx.Client, admin: KeyText) -> None:
    """Submissions count under two policies; when theirs is used up, reading goes on."""
    answers = [closed.post("/v1/jobs", headers=bearer(admin)) for _ in range(4)]
    assert [a.status_code for a in answers] == [422, 422, 422, 429]
    assert answers[0].headers["ratelimit-policy"] == f'"default";q=8;w={WINDOW_S}, "submit";q=3;w={WINDOW_S}'
    assert re.fullmatch(r'"default";r=4;t=\d+, "submit";r=0;t=\d+', answers[3].headers["ratelimit"])
    assert closed.get("/v1/jobs", headers=bearer(admin)).status_code == 200


def test_webhook_tests_have_a_quota(closed: httpx.Client, admin: KeyText) -> None:
    """Nobody uses the service to knock on addresses quickly."""
    answers = [closed.post("/v1/webhooks/test", headers=bearer(admin), json={}) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[0].status_code != 429


def test_a_key_cannot_dress_up(closed: httpx.Client, admin: KeyText, settings: Settings) -> None:
    """Other headers, other cases, new connections, other methods, wrong addresses: one key, one count."""
    base = f"http://127.0.0.1:{settings.port}"
    tries = [
        httpx.get(f"{base}/v1/jobs", headers=bearer(admin)),
        httpx.get(f"{base}/v1/jobs", headers={"x-api-key": admin.text}),
        httpx.get(f"{base}/v1/jobs", headers={"aUTHORIZATION": f"BEARER {admin.text}"}),
        httpx.head(f"{base}/v1/jobs", headers=bearer(admin)),
        httpx.options(f"{base}/v1/jobs", headers=bearer(admin)),
        httpx.get(f"{base}/v1/nothing", headers=bearer(admin)),
        httpx.delete(f"{base}/v1/jobs", headers={**bearer(admin), "X-Forwarded-For": "9.9.9.9"}),
        httpx.get(f"{base}/V1/JOBS?x=1", headers={**bearer(admin), "Forwarded": "for=8.8.8.8"}),
    ]
    assert [re.findall(r'"default";r=(\d+)', t.headers["ratelimit"]) for t in tries] == [
        [str(7 - k)] for k in range(8)
    ]
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        assert httpx.request(method, f"{base}/v1/jobs", headers=bearer(admin)).status_code == 429
    problem(httpx.get(f"{base}/v1/nothing", headers=bearer(admin)), 429, "rate_limited")


def test_no_spelling_of_an_address_escapes_its_quota(closed: httpx.Client, admin: KeyText) -> None:
    """The router would take a path that ends with a newline for the path without it; the gate does not."""
    for path in ("/v1/webhooks/test", "/v1/jobs", "/v1/predict"):
        problem(closed.post(f"{path}%0A", headers=bearer(admin), json={}), 404, "not_found")
        problem(closed.post(f"{path}%0A", json={}), 401, "unauthorized")
    problem(closed.get("/docs/errors%0A"), 404, "not_found")


def test_keys_do_not_share_a_count(closed: httpx.Client, admin: KeyText, database: Database) -> None:
    """One tenant's haste is not another's."""
    used_up(closed, bearer(admin))
    assert closed.get("/v1/jobs", headers=bearer(key_for(database, "acme"))).status_code == 200


def test_processes_count_together(settings: Settings, admin: KeyText) -> None:
    """Two API processes on one Redis know one quota."""
    with limited(settings) as one, limited(settings, port=free_port()) as two:
        for _ in range(4):
            used_up(one, bearer(admin), 1)
            used_up(two, bearer(admin), 1)
        assert [api.get("/v1/jobs", headers=bearer(admin)).status_code for api in (one, two)] == [429, 429]


def test_wrong_keys_are_counted_by_address(closed: httpx.Client, admin: KeyText) -> None:
    """Guessing ends in 429, whatever the guesser says about where he comes from; right keys from there still work."""
    codes = []
    for k in range(7):
        headers = {
            "Authorization": f"Bearer ik_{k}",
            "X-Forwarded-For": f"10.0.0.{k}",
            "X-Real-IP": f"10.0.1.{k}",
        }
        codes.append(closed.get("/v1/jobs", headers=headers).status_code)
    assert codes == [401] * 4 + [429] * 3
    assert closed.get("/v1/jobs", headers=bearer(admin)).status_code == 200


def test_sign_ins_are_counted_by_address(closed: httpx.Client, admin: KeyText) -> None:
    """After a few sign-ins even the right key has to wait."""
    for _ in range(4):
        assert closed.post("/sign-in", data={"key": "ik_wrong"}).status_code == 401
    answer = closed.post("/sign-in", data={"key": admin.text})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_a_trusted_proxy_tells_where_requests_come_from(settings: Settings, admin: KeyText) -> None:
    """Behind it each address has its own count, by the rightmost hop that is not trusted."""
    with limited(settings, trusted_proxies="127.0.0.1, 10.0.0.0/8") as api:

        def guess(forwarded: str) -> int:
            return api.get(
                "/v1/jobs", headers={"X-API-Key": "ik_x", "X-Forwarded-For": forwarded}
            ).status_code

        assert [guess(f"1.2.3.{k}, 9.9.9.9, 10.0.0.1") for k in range(5)] == [401] * 4 + [429]
        assert guess("9.9.9.8, 10.0.0.1") == 401


def test_health_is_not_limited(closed: httpx.Client) -> None:
    """Probes are asked often and may be."""
    assert {closed.get("/healthz").status_code for _ in range(30)} == {200}


def test_an_open_service_limits_nobody_unless_told(settings: Settings) -> None:
    """On one's own machine there is no quota; with the setting there is, by address."""
    with limited(settings) as api:
        answers = [api.get("/v1/jobs") for _ in range(12)]
        assert {a.status_code for a in answers} == {200}
        assert "ratelimit" not in answers[-1].headers
    with limited(settings, rate_limit_open=True) as api:
        assert [api.get("/v1/jobs").status_code for _ in range(9)] == [200] * 8 + [429]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_without_redis_each_process_counts_alone_and_soon(
    settings: Settings, admin: KeyText, tmp_path: Path, how: signal.Signals
) -> None:
    """A Redis that is dead or frozen fails no request, slows at most a few, and lifts no limit."""
    with (
        own_redis(tmp_path / "redis.log") as (server, process),
        limited(settings, redis_url=server.url(0)) as api,
    ):
        assert api.get("/v1/jobs", headers=bearer(admin)).status_code == 200
        os.kill(process.pid, how)
        answers = [api.get("/v1/jobs", headers=bearer(admin)) for _ in range(10)]
        assert [a.status_code for a in answers] == [200] * 8 + [429] * 2
        slow = sorted(a.elapsed.total_seconds() for a in answers)
        assert slow[-1] < 15
        assert slow[4] < 1
        if how == signal.SIGSTOP:
            os.kill(process.pid, signal.SIGCONT)
            wait_for(
                lambda: api.get("/v1/jobs", headers=bearer(admin)).status_code == 200,
                "the count of all processes to hold again",
                10,
            )


async def asked(counters: Ahead, policy: Policy, count: int, identity: str = "key:a") -> int:
    """Ask so often, with a little rest now and then; return how many were let through."""
    allowed = 0
    for k in range(count):
        allowed += (await counters.take(identity, [policy]))[0].allowed
        if k % 50 == 0:
            await asyncio.sleep(0.06)
    return allowed


def test_who_is_far_from_the_limit_does_not_wait_for_it(redis_url: str) -> None:
    """Most of many requests are counted together; the limit holds to the letter, and headers count every one."""

    async def ask() -> None:
        counters, policy = Ahead(Counters(redis_url, 1.0)), Policy("default", 1000, 600)
        exact = counters._counters.take
        calls = 0

        async def counted(identity: str, policies: Sequence[Policy], amount: int = 1) -> list[Standing]:
            nonlocal calls
            calls += 1
            return await exact(identity, policies, amount)

        counters._counters.take = counted  # type: ignore[method-assign]
        first, second = [(await counters.take("key:a", [policy]))[0].left for _ in range(2)]
        assert (first, second) == (999, 998)
        assert await asked(counters, policy, 500) == 500
        assert calls < 100
        assert await asked(counters, policy, 600) == 498
        await counters.close()

    asyncio.run(ask())


def test_two_processes_ahead_pass_a_limit_by_little(redis_url: str) -> None:
    """What each lets through before the other knows is a small share of the quota."""

    async def ask() -> None:
        policy = Policy("default", 1000, 600)
        both = [Ahead(Counters(redis_url, 1.0)) for _ in range(2)]
        allowed = sum(await asyncio.gather(*(asked(one, policy, 1500) for one in both)))
        assert 1000 <= allowed <= 1000 + 2 * 1000 // 16
        for one in both:
            await one.close()

    asyncio.run(ask())


def test_a_flushed_redis_costs_nothing(settings: Settings, admin: KeyText, tmp_path: Path) -> None:
    """Scripts and counts that are gone are made anew."""
    with own_redis(tmp_path / "redis.log") as (server, _), limited(settings, redis_url=server.url(0)) as api:
        used_up(api, bearer(admin))
        import redis

        with redis.Redis.from_url(server.url(0)) as client:
            client.flushall()
            client.script_flush()
        used_up(api, bearer(admin))
        assert api.get("/v1/jobs", headers=bearer(admin)).status_code == 429


def test_the_memory_is_bounded() -> None:
    """However many addresses ask, only so many are remembered, the latest."""
    memory, policy = Memory(most=100), Policy("auth", 2, 60)
    for k in range(1000):
        memory.take(f"address:{k}", policy)
    assert len(memory._counts) == 100
    assert [memory.take("address:999", policy).allowed for _ in range(2)] == [True, False]
