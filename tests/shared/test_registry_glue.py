"""AWS Glue, as moto answers, and with the two listings that moto lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.responses import ActionResult
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

from llm_integrations.core.config import BearerAuth, RetryOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    IncompatibleSchema,
    InvalidSchema,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailable,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.registry import Registry, connect
from tests.support.http_server import HttpServer, Reply, Request

BODY: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "number"}},
    "additionalProperties": False,
}
WIDER: dict[str, Any] = {
    **BODY,
    "properties": {**BODY["properties"], "y": {"type": "string"}},
}
URL = "glue://eu-central-1/contracts"


def _versions(response: GlueResponse) -> ActionResult:
    asked = response._get_param("SchemaId")
    backend = response.glue_backend
    schema = backend.registries[backend.get_schema(asked)["RegistryName"]].schemas[
        asked["SchemaName"]
    ]
    rows = [version.as_dict() for version in schema.schema_versions.values()]
    return _page(response, rows)


def _schemas(response: GlueResponse) -> ActionResult:
    registry = response._get_param("RegistryId")["RegistryName"]
    schemas = response.glue_backend.registries[registry].schemas.values()
    return _page(response, [schema.as_dict() for schema in schemas])


def _page(response: GlueResponse, rows: list[dict[str, Any]]) -> ActionResult:
    """Two at a time, so that what asks has to go on asking."""
    start = int(response._get_param("NextToken") or 0)
    more = {"NextToken": str(start + 2)} if start + 2 < len(rows) else {}
    return ActionResult({"Schemas": rows[start : start + 2], **more})


@pytest.mark.parametrize("url", [URL, "s3://bucket/schemas"])
def test_nobody_is_asked_for_an_mfa_code(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(
        "[profile mfa]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = user\n"
        "mfa_serial = arn:aws:iam::1:mfa/u\nregion = us-east-1\n"
        "[profile user]\naws_access_key_id = key\naws_secret_access_key = SECRET\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "mfa")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with connect(url) as registry, pytest.raises(RegistryAuthError, match="nobody is asked"):
        registry.get("s")


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(GlueResponse, "list_schema_versions", _versions, raising=False)
    monkeypatch.setattr(GlueResponse, "list_schemas", _schemas, raising=False)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    for account in list(glue_backends):
        glue_backends[account].reset()
    glue_backends["123456789012"]["eu-central-1"].create_registry("contracts")
    yield URL
    server.stop()


@pytest.fixture
def registry(glue: str) -> Iterator[Registry]:
    with connect(glue, retry=RetryOptions(attempts=1)) as client:
        yield client


def test_what_is_registered_is_found_by_each_name(registry: Registry) -> None:
    first = registry.register("user", BODY)
    assert (first.subject, first.version, first.body) == ("user", 1, BODY)
    assert registry.register("user", dict(reversed(BODY.items()))) == first
    second = registry.register("user", WIDER)
    assert second.version == 2
    assert registry.get("user") == second
    assert registry.get("user@1") == first
    assert registry.get_by_id(first.id) == first
    assert registry.lookup("user", BODY) == first
    assert registry.versions("user") == [1, 2]
    assert registry.validate("user", {"x": 1, "y": "a"})
    assert registry.health().detail["registry"].endswith(":registry/contracts")
    assert registry.url == registry.identity() == URL


def test_listings_are_read_to_their_end(registry: Registry) -> None:
    for number in range(5):
        registry.register(f"s{number}", BODY)
    assert registry.subjects() == [f"s{number}" for number in range(5)]
    assert set(registry.latest()) == set(registry.subjects())


def test_what_breaks_a_subjects_level_is_refused_with_the_reason(registry: Registry) -> None:
    registry.register("user", WIDER)
    with pytest.raises(IncompatibleSchema, match="BACKWARD") as refused:
        registry.register("user", BODY)
    assert refused.value.report is not None
    assert registry.versions("user") == [1]
    assert registry.register("user", BODY, compatibility="NONE").version == 2
    assert registry.get_compatibility("user") == "NONE"
    registry.set_compatibility("FULL_TRANSITIVE", "user")
    assert registry.get_compatibility("user") == "FULL_TRANSITIVE"


def test_what_is_not_there_is_not_found(registry: Registry) -> None:
    registry.register("user", BODY)
    for reference in ("nope", "user@2", "user@1.2.0"):
        with pytest.raises(SchemaNotFound):
            registry.get(reference)
    with pytest.raises(SchemaNotFound):
        registry.get_by_id("00000000-0000-4000-8000-000000000000")
    with pytest.raises(SchemaNotFound):
        registry.lookup("user", WIDER)


def test_what_glue_cannot_do_is_said(registry: Registry) -> None:
    found = registry.register("user", BODY, metadata={"owner": "team-a"})
    assert found.notes == ("metadata is not written to AWS Glue, so owner is not there",)
    for refused in (
        lambda: registry.register("user", BODY, "2.0.0"),
        lambda: registry.register("user", BODY, state="DRAFT"),
        lambda: registry.delete("user@1"),
        lambda: registry.delete_subject("user"),
        lambda: registry.deprecate("user@1"),
        lambda: registry.get_compatibility(),
        lambda: registry.set_compatibility("FULL"),
    ):
        with pytest.raises(Unsupported):
            refused()
    assert registry.delete_subject("user", permanent=True) == [1]
    assert registry.subjects() == []


def test_schemas_of_other_types_are_not_judged_by(glue: str, registry: Registry) -> None:
    backend = glue_backends["123456789012"]["eu-central-1"]
    avro = '{"type": "record", "name": "r", "fields": []}'
    backend.create_schema({"RegistryName": "contracts"}, "avro", "AVRO", "NONE", avro)
    registry.register("user", BODY)
    with pytest.raises(InvalidSchema, match="of type AVRO"):
        registry.get("avro")


def test_without_credentials_nothing_is_asked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(RegistryAuthError, match="no AWS credentials"):
        registry.subjects()


class Refusing(HttpServer):
    """Answers everything with one error."""

    def __init__(self, kind: str, status: int = 400) -> None:
        super().__init__()
        self._reply = Reply(status, {"__type": kind, "Message": "because"})

    def handle(self, request: Request) -> Reply:
        return self._reply


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("AccessDeniedException", RegistryAuthError),
        ("com.amazon.coral.service#UnrecognizedClientException", RegistryAuthError),
        ("ThrottlingException", RegistryUnavailable),
        ("ConcurrentModificationException", RegistryUnavailable),
        ("UnknownOperationException", Unsupported),
        ("Surprise", RegistryError),
    ],
)
def test_refusals_are_errors_of_ours_and_requests_are_signed(
    glue: str, monkeypatch: pytest.MonkeyPatch, kind: str, error: type[Exception]
) -> None:
    with Refusing(kind) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
        with connect(glue, retry=RetryOptions(attempts=1)) as registry:
            with pytest.raises(error, match="because") as refused:
                registry.subjects()
            assert "SECRET" not in str(refused.value)
        sent = server.requests[0].headers
    assert sent["x-amz-target"] == "AWSGlue.ListSchemas"
    scope = "/eu-central-1/glue/aws4_request"
    assert scope in sent["authorization"]
    assert "content-type;host;x-amz-date;x-amz-target" in sent["authorization"]


class Throttling(HttpServer):
    """Refuses the first requests, in Glue's own words."""

    def handle(self, request: Request) -> Reply:
        asked = request.json()
        if len(self.requests) <= 101:  # a pause was over, and came again
            kind = "com.amazonaws.glue#ThrottlingException"
            return Reply(400, {"__type": kind, "Message": "Rate exceeded"})
        version = {"SchemaVersionId": "1", "VersionNumber": 1, "SchemaDefinition": "{}"}
        name = asked["SchemaId"]["SchemaName"]
        arn = f"arn:aws:glue:eu-central-1:1:schema/contracts/{name}"
        return Reply(200, {**version, "DataFormat": "JSON", "SchemaArn": arn})


async def test_two_hundred_subjects_share_one_pause(
    glue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Throttling() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
        patient = RetryOptions(attempts=50, deadline=100, base=0.01)
        with connect(glue, timeout=60.0, retry=patient) as registry:
            names = [f"s{number}" for number in range(200)]
            schemas = await asyncio.gather(*(registry.aio.get(name) for name in names))
        assert [schema.subject for schema in schemas] == names
        assert len(server.requests) <= 100 + 200 + 20


@pytest.mark.parametrize(
    "url",
    ["glue://eu-central-1", "glue:contracts", "glue://u:SECRET@r/x", "glue://r/x/y", "glue://r/x?SECRET"],
)  # fmt: skip
def test_an_address_that_names_no_registry_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="glue://region/registry") as refused:
        connect(url)
    assert "SECRET" not in str(refused.value)


def test_credentials_are_aws_own_alone(glue: str) -> None:
    with pytest.raises(ConfigurationError, match="as AWS's own tools find them"):
        connect(glue, auth=BearerAuth("t"))
