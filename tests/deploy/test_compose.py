"""docker-compose.yml: valid by the Compose schema, and every name in it exists in the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared.settings import Settings
from shared.status import Lane
from tests.deploy.files import COMPOSE, ROOT, compose, dockerfiles, filled, stages, variables
from tests.deploy.test_images import module_of

pytestmark = pytest.mark.check
SETTINGS = {f"INKQUEUE_{name.upper()}" for name in Settings.model_fields}
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "INKQUEUE_PUBLISH"}
OUTSIDE = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
BUILT = {name: service for name, service in compose()["services"].items() if "build" in service}
OURS = {name: service for name, service in BUILT.items() if name != "flower"}
WORKERS = [name for name in OURS if name.startswith("worker")]


def dockerfile(service: dict[str, Any]) -> Path:
    """Return the Dockerfile of a service."""
    return ROOT / service["build"]["context"] / service["build"]["dockerfile"]


def test_the_file_is_valid_by_the_compose_schema() -> None:
    """The schema of the Compose Specification finds nothing wrong."""
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.validate(compose(), schema, cls=jsonschema.Draft7Validator)


def test_the_schema_refuses_a_misspelt_key() -> None:
    """The check above can fail."""
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    broken = compose()
    broken["services"]["api"]["helthcheck"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema, cls=jsonschema.Draft7Validator)


def test_the_services_are_those_that_the_documents_promise() -> None:
    """What is there by default, and what a profile adds."""
    services = compose()["services"]
    default = {name for name, service in services.items() if "profiles" not in service}
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}

    assert default == {
        "postgres", "redis", "migrate", "api", "worker", "worker-interactive", "steward", "flower",
    }  # fmt: skip
    assert profiles == {"gpu", "s3"}


def test_every_service_that_is_built_has_its_dockerfile() -> None:
    """No Dockerfile is missing and none lies about unused."""
    used = {dockerfile(service) for service in BUILT.values()}

    assert used == set(dockerfiles().values())


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_a_service_is_a_setting(name: str) -> None:
    """A misspelt variable would be ignored without a word."""
    assert set(OURS[name]["environment"]) <= SETTINGS | OUTSIDE


def test_every_variable_that_a_person_may_set_is_in_the_example() -> None:
    """What the compose file takes from .env is explained there."""
    asked = set(variables(COMPOSE.read_text()))
    example = (ROOT / ".env.example").read_text()

    assert asked <= SETTINGS | COMPOSE_ONLY
    assert [name for name in asked | OUTSIDE if f"{name}=" not in example] == []


def test_the_file_for_s3_names_the_bucket_that_is_made() -> None:
    """Endpoint, bucket, port and credentials of deploy/s3.env are those of the S3 server of the profile."""
    lines = (ROOT / "deploy" / "s3.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    services = compose()["services"]
    identity = json.loads((ROOT / "deploy" / "seaweedfs-s3.json").read_text())["identities"][0][
        "credentials"
    ][0]

    assert given["COMPOSE_PROFILES"] == services["s3"]["profiles"][0]
    assert given["INKQUEUE_S3_ENDPOINT"] == "http://s3:8333"
    assert "-s3.port=8333" in services["s3"]["command"]
    bucket = given["INKQUEUE_STORAGE_URL"].removeprefix("s3://").split("/")[0]
    assert f"s3.bucket.create -name {bucket}'" in services["s3-bucket"]["command"][0]
    assert identity == {
        "accessKey": given["AWS_ACCESS_KEY_ID"],
        "secretKey": given["AWS_SECRET_ACCESS_KEY"],
    }
    assert set(given) <= SETTINGS | OUTSIDE | {"COMPOSE_PROFILES"}


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_a_service_exists(name: str) -> None:
    """A service without a command of its own runs its image's; both are modules of ours."""
    command = OURS[name].get("command") or stages(dockerfile(OURS[name]))[-1].command

    assert module_of(command) is not None, command


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_serves_a_lane_with_one_process(name: str) -> None:
    """`-Q` names a lane of the code, and a container holds one process."""
    command = OURS[name]["command"]

    assert command[command.index("-Q") + 1] in set(Lane)
    assert command[command.index("-c") + 1] == "1"
    assert command[command.index("-P") + 1] == "prefork"


def test_both_lanes_are_served() -> None:
    """Without a worker of its own lane a submission would wait for ever."""
    lanes = {OURS[name]["command"][OURS[name]["command"].index("-Q") + 1] for name in WORKERS}

    assert lanes == set(Lane)


def test_published_ports_are_those_that_the_images_listen_on_and_only_on_loopback() -> None:
    """Nothing is offered to the network by default."""
    for name, service in compose()["services"].items():
        for port in service.get("ports", []):
            host, _, inside = filled(port).rpartition(":")
            assert host.startswith("127.0.0.1:"), name
            assert int(inside) in stages(dockerfile(service))[-1].ports
    assert OURS["api"]["environment"]["INKQUEUE_PORT"] == "8000"


def test_an_api_whose_port_is_published_to_others_is_not_open() -> None:
    """The service is told where its port is published by the variable that publishes it, and nothing overrules that."""
    given = OURS["api"]["environment"]
    assert OURS["api"]["ports"] == [f"{given['INKQUEUE_PUBLISHED_ON']}:8000"]
    assert "INKQUEUE_ALLOW_OPEN" not in given


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_a_service_starts_after_what_it_needs(name: str) -> None:
    """The schema is migrated, and database and broker answer, before it starts."""
    needs = OURS[name]["depends_on"]

    assert needs["migrate"]["condition"] == "service_completed_successfully"
    assert needs["postgres"]["condition"] == needs["redis"]["condition"] == "service_healthy"


def test_every_service_that_others_wait_for_says_how_it_feels() -> None:
    """A condition `service_healthy` needs a health check, in the file or in the image."""
    services = compose()["services"]
    for service in services.values():
        for needed, rule in service.get("depends_on", {}).items():
            if rule["condition"] == "service_healthy":
                other = services[needed]
                assert "healthcheck" in other or stages(dockerfile(other))[-1].health, needed


def test_every_volume_is_declared_and_every_mounted_file_exists() -> None:
    """Uploads are seen by whoever reads or removes them, at the place where the storage address points."""
    described = compose()
    for name, service in described["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (ROOT / source).is_file() if source.startswith(".") else source in described["volumes"]
            assert known, f"{name}: {volume}"
    for name, service in OURS.items():
        folder = filled(service["environment"]["INKQUEUE_STORAGE_URL"]).removeprefix("file://")
        assert f"uploads:{folder}" in service["volumes"], name
        assert any(f" {folder}" in run for run in stages(dockerfile(service))[-1].runs), name


def test_redis_never_evicts_and_postgres_is_new_enough() -> None:
    """A ticket that Redis throws away would wait for the steward; uuidv7() came with PostgreSQL 18."""
    services = compose()["services"]
    command = services["redis"]["command"]

    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert services["postgres"]["image"] == "postgres:18"
