"""A registry's folder on S3, as moto has it, and on other storages that fsspec reads."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
import s3fs
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.config import BearerAuth, RetryOptions, TLSOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    RegistryAuthError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.events import EventListener, FileWatchSource, PollSource
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.local.file.names import encode_subject
from tests.support.events import Recording, until

A: dict[str, Any] = {"type": "object"}
B: dict[str, Any] = {"type": "object", "required": ["b"]}
URL = "s3://bucket/team/schemas"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"}
Put = Callable[[str, Any], None]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def put(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Writes an object below the registry's URL, of an empty bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with httpx.Client(base_url=endpoint, trust_env=False) as client:
        client.post("/moto-api/reset").raise_for_status()
        client.put("/bucket").raise_for_status()

        def put(key: str, content: Any) -> None:
            text = content if isinstance(content, str) else json.dumps(content)
            path = f"/bucket/team/schemas/{key.replace('%', '%25')}"
            client.put(path, content=text, headers=SIGNED).raise_for_status()

        yield put


@pytest.fixture
def registry(put: Put) -> Iterator[Registry]:
    with connect(URL, retry=RetryOptions(attempts=1, deadline=30.0)) as registry:
        yield registry


def copied(folder: Path, put: Put) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            put(path.relative_to(folder).as_posix(), path.read_text())


def test_it_is_what_the_folder_is_that_was_copied_there(
    registry: Registry, put: Put, tmp_path: Path
) -> None:
    long_name = "ns." + "x" * 300
    with connect(tmp_path / "schemas") as folder:
        folder.register("ns.user", A, metadata={"owner": "team-a"})
        reference = SchemaReference("user.json", "ns.user", 1)
        folder.register("ns.user", B, references=[reference], compatibility="NONE")
        folder.register("a/b: ü", A, "2.0.0", state="DRAFT")
        folder.register("a/b: ü", A, "1.0.0")
        folder.register(long_name, A)
        folder.register("ns.gone", A)
        folder.delete("ns.gone@1")
        folder.set_compatibility("FULL")
        copied(tmp_path / "schemas", put)
        assert registry.subjects() == folder.subjects() == ["a/b: ü", "ns.user", long_name]
        assert registry.subjects(deleted=True) == folder.subjects(deleted=True)
        assert registry.latest() == folder.latest()
        for reference_ in ("ns.user", "ns.user@1", "ns.user@2", "a/b: ü", long_name):
            assert registry.get(reference_) == folder.get(reference_)
        found = registry.get("ns.user@1")
        assert registry.get_by_id(found.id) == found
        assert registry.get_compatibility("ns.user") == "NONE"
        assert registry.get_compatibility(long_name) == "FULL"
        assert registry.referenced_by("ns.user@1") == folder.referenced_by("ns.user@1")
    assert registry.get_mode() == "READONLY"
    assert registry.health().detail == {"subjects": 4}
    with pytest.raises(SchemaNotFound):
        registry.get("nobody")


def test_equal_content_is_found_and_everything_that_would_write_is_refused(
    registry: Registry, put: Put
) -> None:
    put("user/1.json", A)
    assert registry.register("user", A).version == 1
    assert registry.lookup("user", A).version == 1
    for write in (
        lambda: registry.register("user", B),
        lambda: registry.register("other", A),
        lambda: registry.deprecate("user@1"),
        lambda: registry.delete("user@1"),
        lambda: registry.delete_subject("user"),
        lambda: registry.set_compatibility("NONE"),
        lambda: registry.reset_compatibility("user"),
    ):
        with pytest.raises(Unsupported, match="only read"):
            write()


def test_one_damaged_subject_hides_no_other(registry: Registry, put: Put) -> None:
    put("user/1.json", A)
    put("torn/1.json", "{ half a")
    put("merged/meta.json", "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n")
    put("merged/1.json", A)
    put("twice/3.json", A)
    put("twice/3.0.0.json", A)
    put("b%C3%BCro/1.json", A)
    put("büro/1.json", A)
    latest = registry.latest()
    assert list(latest) == ["user"]
    assert sorted(latest.left_out) == ["büro", "merged", "torn", "twice"]
    assert f"{URL}/merged/meta.json" in str(latest.left_out["merged"])
    assert "conflict markers" in str(latest.left_out["merged"])
    assert "keep one" in str(latest.left_out["büro"])


def test_a_change_is_seen_at_once_and_what_was_left_alone_is_read_once(
    registry: Registry, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(f"s{number}/1.json", A)
    put("s0/meta.json", {"owner": "team-a"})
    read: list[str] = []
    cat_file = s3fs.S3FileSystem._cat_file

    async def recorded(self: Any, path: str, *args: Any, **options: Any) -> Any:
        read.append(path.removeprefix("bucket/team/schemas/"))
        return await cat_file(self, path, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_cat_file", recorded)
    assert len(registry.latest()) == 3
    assert sorted(read) == ["s0/1.json", "s0/meta.json", "s1/1.json", "s2/1.json"]
    read.clear()
    put("s1/2.json", B)
    put("s2/1.json", B)
    latest = registry.latest()
    assert [schema.version for schema in latest.values()] == [1, 2, 1]
    assert latest["s2"].body == B
    assert sorted(read) == ["s1/2.json", "s2/1.json"]


async def test_polling_hears_of_what_is_put_there(registry: Registry, put: Put) -> None:
    put("user/1.json", A)
    recording = Recording(registry)
    source = PollSource(registry, interval=0.05)
    async with EventListener(registry, [recording], sources=[source]):
        put("user/2.json", B)
        await until(lambda: "user@2" in recording.versions)
    with pytest.raises(ConfigurationError, match="watch"):
        FileWatchSource(registry)


def test_where_nothing_is_that_is_an_error_and_no_empty_registry(registry: Registry) -> None:
    for listing in (registry.latest, registry.subjects):
        with pytest.raises(RegistryProtocolError, match="holds nothing"):
            listing()
    assert not registry.health()
    with connect("s3://nobody-has-this-bucket/x") as other, pytest.raises(RegistryProtocolError):
        other.subjects()


def test_a_storage_that_does_not_answer_is_unavailable_and_the_copy_serves(
    registry: Registry, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("user/1.json", A)
    held = registry.get("user")

    for failure, expected in (
        (OSError("SECRET"), RegistryUnavailable),
        (PermissionError("SECRET"), RegistryAuthError),
    ):
        monkeypatch.setattr(s3fs.S3FileSystem, "_lsdir", AsyncMock(side_effect=failure))
        with pytest.raises(expected) as raised:
            registry.get("other")
        assert "SECRET" not in str(raised.value)
        registry.invalidate("user")
        assert registry.get("user") is held


async def test_a_storage_that_hangs_holds_up_no_other_registry(
    registry: Registry, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("user/1.json", A)
    released = threading.Event()

    async def hangs(*_: Any, **__: Any) -> Any:
        while not released.is_set():  # noqa: ASYNC110 - set from another loop than this one
            await asyncio.sleep(0.02)
        return []

    monkeypatch.setattr(s3fs.S3FileSystem, "_lsdir", hangs)
    waiting = [asyncio.ensure_future(registry.aio.get(f"s{number}")) for number in range(60)]
    with connect(tmp_path / "schemas") as other:
        async with asyncio.timeout(30):
            await other.aio.register("user", A)
            assert (await other.aio.get("user")).version == 1
    assert not any(one.done() for one in waiting)
    released.set()
    assert all(
        isinstance(error, SchemaNotFound)
        for error in await asyncio.gather(*waiting, return_exceptions=True)
    )


def test_it_travels_as_its_url(registry: Registry, put: Put) -> None:
    put("user/1.json", A)
    with pickle.loads(pickle.dumps(registry)) as other:
        assert other.get("user").body == A
        assert other.url == registry.url == URL
    shown = CliRunner().invoke(app, ["list", "--registry", f"{URL}/", "--json"])
    assert (shown.exit_code, json.loads(shown.stdout)[0]["subject"]) == (0, "user")


@pytest.mark.parametrize(
    "url",
    [
        "sftp://user:SECRET@host/schemas",
        "smb://user:SEC/RET@host/schemas",
        "sftp://user:1/SECRET@host/schemas",
        "s3://bucket/schemas?token=SECRET",
        "s3://bucket/schemas#SECRET",
        "s3:bucket",
        "s3://",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="folder elsewhere") as refused:
        connect(url)
    assert "SECRET" not in str(refused.value)
    assert "RET" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"auth": BearerAuth("x")},
        {"headers": {"X-A": "b"}},
        {"tls": TLSOptions(ca="ca.pem")},
        {"proxy": "http://proxy:1"},
    ],
)
def test_options_of_http_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="own tools"):
        connect(URL, **options)


def test_whatever_else_fsspec_reads_is_a_registry_too(tmp_path: Path) -> None:
    subject = tmp_path / encode_subject("a/b")
    subject.mkdir()
    (subject / "1.json").write_text(json.dumps(A))
    with connect(f"local://{tmp_path}") as registry:
        assert registry.get("a/b").body == A
        (subject / "2.json").write_text(json.dumps(B))
        assert registry.latest()["a/b"].version == 2
        with pytest.raises(Unsupported):
            registry.register("a/b", {"type": "array"})
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        connect("nothing-of-this-kind://x/y")
