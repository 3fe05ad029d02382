"""The file registry's folder: what people put into it, and what the world does to it."""

# ruff: noqa: ASYNC240 - small files on this machine are what these tests are about
from __future__ import annotations

import asyncio
import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import example, given
from hypothesis import strategies as st

from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    RegistryAuthError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.local.file.backend import FileBackend
from llm_integrations.core.registry.local.file.folder import FolderStore
from llm_integrations.core.registry.local.file.names import (
    decode_subject,
    encode_distinctly,
    encode_subject,
    is_abbreviated,
)
from llm_integrations.core.registry.local.file.subject_folder import SubjectFolder

WORKER = Path(__file__).parent.parent / "support" / "register_worker.py"
USER: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "schemas"


@pytest.fixture
def registry(root: Path) -> FileBackend:
    return FileBackend(root)


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def tree(root: Path) -> list[str]:
    """Files that people see."""
    every = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in every if not path.name.startswith("."))


# -- a folder that people keep ----------


async def test_a_schema_dropped_into_a_folder_is_registered(
    root: Path, registry: FileBackend
) -> None:
    put(root / "user-profile" / "1.json", USER)
    found = await registry.get(SchemaRef("user-profile"))
    assert (found.version, found.body, found.state, found.metadata) == (1, USER, "ACTIVE", {})
    assert await registry.subjects() == ["user-profile"]
    assert await registry.lookup("user-profile", USER) == found
    assert (await registry.register(NewSchema("user-profile", True))).version == 2


async def test_reading_writes_nothing(root: Path, registry: FileBackend) -> None:
    put(root / "user" / "1.json", USER)
    before = sorted(root.rglob("*"))
    await registry.get(SchemaRef("user"))
    await registry.latest()
    await registry.ping()
    assert sorted(root.rglob("*")) == before


async def test_what_is_written_is_meant_to_be_read_by_people(
    root: Path, registry: FileBackend
) -> None:
    body = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Größe", "a": 1}
    await registry.register(NewSchema("com.example.user", body))
    await registry.register(
        NewSchema(
            "com.example.user",
            USER,
            metadata={"owner": "team-a", "tags": ["pii"], "ticket": 7},
            references=(SchemaReference("a.json", "address", 1),),
            compatibility="FULL",
        )
    )
    assert tree(root) == [f"com.example.user/{name}.json" for name in ("1", "2", "meta")]
    folder = root / "com.example.user"
    assert (folder / "1.json").read_text() == (
        '{\n  "$schema": "https://json-schema.org/draft/2020-12/schema",\n'
        '  "title": "Größe",\n  "a": 1\n}\n'
    )
    assert json.loads((folder / "meta.json").read_text()) == {
        "compatibility": "FULL",
        "versions": {
            "2": {
                "owner": "team-a",
                "tags": ["pii"],
                "metadata": {"ticket": 7},
                "references": [{"name": "a.json", "subject": "address", "version": 1}],
            }
        },
    }


async def test_a_plain_schema_needs_no_sidecar(root: Path, registry: FileBackend) -> None:
    await registry.register(NewSchema("user", USER))
    assert tree(root) == ["user/1.json"]


async def test_what_people_wrote_into_the_sidecar_stays(root: Path, registry: FileBackend) -> None:
    put(root / "user" / "1.json", USER)
    sidecar = put(
        root / "user" / "meta.json",
        {"owner": "team-a", "note": "ask Ana", "versions": {"1": {"tags": ["x"], "by": "me"}}},
    )
    found = await registry.get(SchemaRef("user"))
    assert dict(found.metadata) == {"owner": "team-a", "tags": ["x"]}
    new = await registry.register(NewSchema("user", True, metadata={"owner": "team-b"}))
    assert new.owner == "team-b"
    assert json.loads(sidecar.read_text()) == {
        "owner": "team-a",
        "note": "ask Ana",
        "versions": {"1": {"tags": ["x"], "by": "me"}, "2": {"owner": "team-b"}},
    }


async def test_owner_and_tags_of_the_subject_hold_for_every_version(
    root: Path, registry: FileBackend
) -> None:
    put(root / "user" / "1.json", USER)
    put(root / "user" / "meta.json", {"owner": "team-a", "tags": ["pii"]})
    for _ in range(2):
        found = await registry.get(SchemaRef("user"))
        assert (found.owner, found.tags) == ("team-a", ("pii",))
        await registry.deprecate(SchemaRef("user", 1))


async def test_yaml_is_read_as_yaml_1_2(root: Path, registry: FileBackend) -> None:
    text = b"type: object\nenum: [no, on, 2024-01-01, 1.0, 12, 0x1, ~, true]\n$ref: '#/a'\n"
    put(root / "user" / "1.yaml", text)
    put(root / "user" / "2.yml", b"true")
    put(root / "user" / "meta.yaml", b"owner: team-a\nversions:\n  1: {state: DEPRECATED}\n")
    first = await registry.get(SchemaRef("user", 1))
    assert first.body == {
        "type": "object",
        "enum": ["no", "on", "2024-01-01", 1.0, 12, "0x1", None, True],
        "$ref": "#/a",
    }
    assert (first.state, first.owner) == ("DEPRECATED", "team-a")
    assert (await registry.get(SchemaRef("user", 2))).body is True
    await registry.delete(SchemaRef("user", 2))
    assert tree(root) == ["user/1.yaml", "user/2.yml", "user/meta.yaml"]
    assert await registry.versions("user") == [1]


async def test_other_files_are_left_alone(root: Path, registry: FileBackend) -> None:
    put(root / "user" / "1.json", USER)
    for name in ("README.md", "notes.json", "01x.json", ".1.json.swp", "latest.json", "0.json"):
        put(root / "user" / name, b"hello")
    put(root / "README.md", b"hello")
    put(root / ".git" / "1.json", b"hello")
    assert await registry.subjects() == ["user"]
    assert await registry.versions("user") == [1]
    await registry.delete_subject("user", permanent=True)
    assert (root / "user" / "README.md").exists()
    assert await registry.subjects(deleted=True) == []


async def test_a_file_whose_name_is_no_version_is_told_of(
    root: Path, registry: FileBackend, caplog: pytest.LogCaptureFixture
) -> None:
    put(root / "user" / "v1.0.json", USER)
    with pytest.raises(SchemaNotFound):
        await registry.get(SchemaRef("user"))
    assert "call v1.0.json 1.json or 1.0.0.json" in caplog.text


async def test_the_registry_s_own_level_is_a_file_beside_the_subjects(
    root: Path, registry: FileBackend
) -> None:
    put(root / "registry.yaml", b"compatibility: full\nteam: platform\n")
    assert await registry.get_compatibility() == "FULL"
    await registry.set_compatibility("NONE")
    assert (root / "registry.yaml").read_text() == "compatibility: NONE\nteam: platform\n"
    await registry.register(NewSchema("registry.json", USER))
    assert await registry.subjects() == ["registry.json"]


async def test_what_only_this_machine_needs_is_kept_out_of_git(
    root: Path, registry: FileBackend
) -> None:
    await registry.register(NewSchema("user", USER))
    assert (root / ".gitignore").read_text() == ".lock\n.*.tmp\n"
    (root / ".lock").unlink()
    (root / ".gitignore").write_text("mine\n")
    await registry.register(NewSchema("user", True))
    assert (root / ".gitignore").read_text() == "mine\n"


async def test_a_folder_that_is_not_there_is_empty_until_something_is_registered(
    root: Path, registry: FileBackend
) -> None:
    assert await registry.subjects() == []
    with pytest.raises(SchemaNotFound):
        await registry.get(SchemaRef("user"))
    assert not root.exists()


async def test_the_folder_is_the_one_of_the_moment_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = FileBackend("schemas")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await registry.register(NewSchema("user", USER))
    assert tree(tmp_path / "schemas") == ["user/1.json"]
    assert registry.url == (tmp_path / "schemas").as_uri()


async def test_it_pickles_as_its_path(registry: FileBackend) -> None:
    await registry.register(NewSchema("user", USER))
    copy = pickle.loads(pickle.dumps(registry))
    assert (copy.url, await copy.subjects()) == (registry.url, ["user"])


# -- names ----------


@pytest.mark.parametrize(
    "subject", ["user-profile", "com.example.UserProfile", "orders_v2", "a b", "user@home", "Ab1+c"]
)
def test_an_ordinary_subject_is_its_folder_s_name(subject: str) -> None:
    assert encode_subject(subject) == subject


HOSTILE = [
    "..", ".", "...", "../up", "../../etc/passwd", "/etc/passwd", "a/../../b", "a\\..\\b", "C:\\x",
    "~", "~root", "CON", "nul.json", "com1", "LPT9.txt", "trailing.", ".git", "-rf", "%2E%2E",
    "%", "%~", "a:b", "a*?<>|\"'$`;&", "ü", "日本語", "meta", ".lock", "registry.json",
    "x" * 181, "ü" * 5_000, "a.b." * 100,
]  # fmt: skip


@pytest.mark.parametrize("subject", HOSTILE, ids=range(len(HOSTILE)))
async def test_no_subject_leaves_the_folder_or_harms_another(tmp_path: Path, subject: str) -> None:
    root = tmp_path / "inner" / "schemas"
    registry = FileBackend(root)
    put(tmp_path / "inner" / "outside" / "1.json", USER)
    before = tree(tmp_path)
    await registry.register(NewSchema("user", USER))
    kept = await registry.register(NewSchema(subject, USER, metadata={"owner": "a"}))
    assert await FileBackend(root).get(SchemaRef(subject)) == kept
    assert await registry.subjects() == sorted([subject, "user"])
    assert [p for p in tree(tmp_path) if not p.startswith("inner/schemas/")] == before
    assert len([folder for folder in root.iterdir() if folder.is_dir()]) == 2
    await registry.delete_subject(subject, permanent=True)
    assert await registry.subjects(deleted=True) == ["user"]
    assert tree(root) == ["user/1.json"]


@pytest.mark.parametrize("subject", ["", " ", " a", "a\x00b", "a\nb", "\x7f"])
async def test_what_is_no_subject_is_refused(registry: FileBackend, subject: str) -> None:
    with pytest.raises(InvalidReference):
        await registry.register(NewSchema(subject, USER))


async def test_a_subject_that_is_no_text_is_refused(registry: FileBackend) -> None:
    with pytest.raises(InvalidReference, match="do not print"):
        await registry.register(NewSchema("a\ud800", USER))


@pytest.mark.parametrize("subject", ["CON", "nul.json", "com1", "LPT9.txt", "aux", "registry.yml"])
def test_a_name_that_is_taken_already_is_escaped(subject: str) -> None:
    assert encode_subject(subject) == f"%{ord(subject[0]):02X}{subject[1:]}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
@example("%~")
@example("con.fused")
def test_every_name_is_one_safe_component_and_tells_its_subject(subject: str) -> None:
    for name in (encode_subject(subject), encode_distinctly(subject)):
        assert name.isascii()
        assert not set(name) & set('/\\:*?"<>|\0')
        assert len(name) <= 180
        assert name[0] not in ". -"
        assert name[-1] not in ". "
        assert is_abbreviated(name) or decode_subject(name) == subject


@given(st.lists(st.text("aAbBkKßſ.%", min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
def test_distinct_names_differ_in_more_than_case(subjects: list[str]) -> None:
    one, other = (encode_distinctly(subject) for subject in subjects)
    assert one.casefold() != other.casefold()


async def test_subjects_that_differ_in_case_alone_share_no_folder_on_any_disk(
    root: Path, registry: FileBackend
) -> None:
    for number, subject in enumerate(["User", "user", "USER"]):
        await registry.register(NewSchema(subject, {"title": number}))
    assert await registry.subjects() == ["USER", "User", "user"]
    folders = [folder.name for folder in root.iterdir() if folder.is_dir()]
    assert len({name.casefold() for name in folders}) == 3
    assert "User" in folders
    assert (await registry.get(SchemaRef("user"))).body == {"title": 1}


async def test_two_folders_of_one_subject_are_an_error_that_names_both(
    root: Path, registry: FileBackend
) -> None:
    put(root / "user" / "1.json", USER)
    put(root / "us%65r" / "1.json", USER)
    put(root / "other" / "1.json", USER)
    with pytest.raises(RegistryProtocolError, match=r"us%65r and .*user|user and .*us%65r"):
        await registry.get(SchemaRef("user"))
    assert (await registry.get(SchemaRef("other"))).version == 1


@pytest.mark.parametrize(("one", "other"), [("1.json", "1.yaml"), ("1.json", "1.0.0.json")])
async def test_two_files_of_one_version_are_an_error_that_names_both(
    root: Path, registry: FileBackend, one: str, other: str
) -> None:
    put(root / "user" / one, USER)
    put(root / "user" / other, b"{}")
    with pytest.raises(RegistryProtocolError, match="are the same version") as error:
        await registry.get(SchemaRef("user"))
    assert one in str(error.value)
    assert other in str(error.value)


# -- links ----------


async def test_a_link_out_of_the_folder_is_refused(
    tmp_path: Path, root: Path, registry: FileBackend
) -> None:
    secret = put(tmp_path / "secret" / "1.json", {"title": "secret"})
    root.mkdir()
    (root / "linked").symlink_to(secret.parent, target_is_directory=True)
    (root / "file").mkdir()
    (root / "file" / "1.json").symlink_to(secret)
    (root / "side").mkdir()
    put(root / "side" / "1.json", USER)
    (root / "side" / "meta.json").symlink_to(secret)
    for subject in ("linked", "file", "side"):
        with pytest.raises(RegistryProtocolError, match="leaves the registry"):
            await registry.get(SchemaRef(subject))
    for subject in ("linked", "side"):
        with pytest.raises(RegistryProtocolError, match="leaves the registry"):
            await registry.register(NewSchema(subject, {"title": "new"}))
    assert tree(tmp_path / "secret") == ["1.json"]
    assert secret.read_text() == '{"title": "secret"}'


async def test_links_within_the_folder_and_to_it_are_followed(tmp_path: Path, root: Path) -> None:
    put(root / "user" / "1.json", USER)
    (root / "alias").symlink_to("user", target_is_directory=True)
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    registry = FileBackend(tmp_path / "link")
    assert (await registry.get(SchemaRef("alias"))).body == USER


async def test_a_link_to_itself_is_an_error(root: Path, registry: FileBackend) -> None:
    (root / "user").mkdir(parents=True)
    (root / "user" / "1.json").symlink_to("1.json")
    with pytest.raises(RegistryError):
        await registry.get(SchemaRef("user"))


# -- damage ----------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("1.json", b"", "line 1"),
        ("1.json", b'{"type": "obj', "line 1, column 10"),
        ("1.json", b"<<<<<<< HEAD\n{}\n=======\n", "line 1"),
        ("1.json", b'{"a": 1, "a": 2}', "'a' stands twice"),
        ("1.json", b'{"a": NaN}', "NaN is not JSON"),
        ("1.json", b"\xff\xfe{}", "not UTF-8"),
        ("1.json", b"[" * 100_000, "nested too deeply"),
        ("1.json", b"[1, 2]", "neither an object nor a boolean"),
        ("1.json", b"null", "neither an object nor a boolean"),
        ("1.json", b" " * (16 * 2**20 + 1), "larger than 16 MB"),
        ("1.json", b'{"a": ' + b"1" * 5_000 + b"}", "digits"),
        ("1.yaml", b"a: [1", "line"),
        ("1.yaml", b"a: 1\na: 2\n", "'a' stands twice"),
        ("1.yaml", b"? [1]\n: 2\n", "key"),
        ("1.yaml", b"a: !!python/object:os.system x\n", "JSON has not"),
        ("1.yaml", b"a: &x [*x]\n", "nested too deeply|aliases"),
        ("1.yaml", b"a: .nan\nb: !!binary aGk=\n", "JSON has not"),
        ("1.yaml", b"a: !!float .inf\n", "not a JSON number"),
        ("1.yaml", b"a: !!bool foo\n", "!!bool is not a JSON boolean at line 1"),
        ("1.yaml", b"a: !!timestamp 99999999999\n", "JSON has not"),
        ("1.yaml", b"a: !!int 0x\n", "!!int is not a JSON number"),
        ("1.yaml", b"a: " + b"1" * 5_000, "digits"),
        ("1.yaml", b"[" * 100_000, "nested too deeply"),
        ("1.yaml", b"a: &a {b: 1}\nc: {!!merge <<: *a}\n", "JSON has not"),
        ("1.json", b'{"a": 1e999}', "too large"),
        ("1.yaml", b"- a\n", "neither an object nor a boolean"),
        ("meta.json", b"{", "column"),
        ("meta.json", b"[]", "must be an object"),
        ("meta.json", b'{"versions": []}', "'versions'"),
        ("meta.json", b'{"versions": {"1": 7}}', "'versions'"),
        ("meta.json", b'{"versions": {"1": {"state": "GONE"}}}', "'GONE' is none of"),
        ("meta.json", b'{"versions": {"1": {"references": [{"name": "x"}]}}}', "'references'"),
        ("meta.json", b'{"versions": {"1": {"metadata": 1}}}', "'metadata'"),
        ("meta.json", b'{"compatibility": "MAYBE"}', "MAYBE"),
    ],
)  # fmt: skip
async def test_a_damaged_file_is_an_error_that_names_it(
    root: Path, registry: FileBackend, name: str, content: bytes, reason: str
) -> None:
    if name == "meta.json":
        put(root / "user" / "1.json", USER)
    damaged = put(root / "user" / name, content)
    with pytest.raises((RegistryProtocolError, InvalidSchema), match=reason) as error:
        await registry.get(SchemaRef("user"))
    assert str(damaged) in str(error.value)


async def test_a_few_lines_of_yaml_cannot_become_gigabytes(
    root: Path, registry: FileBackend
) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    put(root / "user" / "1.yaml", "\n".join(lines).encode())
    with pytest.raises(RegistryProtocolError, match="aliases"):
        await registry.get(SchemaRef("user"))


async def test_one_damaged_file_leaves_the_rest_alone(
    root: Path, registry: FileBackend, caplog: pytest.LogCaptureFixture
) -> None:
    put(root / "user" / "1.json", USER)
    put(root / "user" / "2.json", b"{")
    put(root / "broken" / "1.json", USER)
    put(root / "broken" / "meta.json", b"{")
    put(root / "whole" / "1.json", USER)
    assert (await registry.get(SchemaRef("user", 1))).body == USER
    assert await registry.subjects() == ["broken", "user", "whole"]
    latest = await registry.latest()
    assert latest is not None
    assert list(latest) == ["whole"]
    assert str(root / "user" / "2.json") in caplog.text
    assert (await registry.get_by_id((await registry.get(SchemaRef("whole"))).id)).body == USER
    with pytest.raises(RegistryProtocolError, match=r"meta\.json"):
        await registry.get_by_id("nobody has it")
    with pytest.raises(RegistryProtocolError, match=r"2\.json"):
        await registry.register(NewSchema("user", True))


async def test_folders_that_can_be_no_subject_are_left_out(
    root: Path, registry: FileBackend, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("user", "%00", "%FF", "cut%~0123", " padded"):
        put(root / folder / "1.json", USER)
    put(root / "cut%~0123" / "meta.json", b"{")
    assert await registry.subjects() == ["user"]
    assert "cut%~0123" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
async def test_a_pipe_does_not_make_anybody_wait(root: Path, registry: FileBackend) -> None:
    (root / "user").mkdir(parents=True)
    os.mkfifo(root / "user" / "1.json")
    with pytest.raises(RegistryProtocolError, match="regular file"):
        await registry.get(SchemaRef("user"))


async def test_a_root_that_is_a_file_is_a_clear_error(root: Path, registry: FileBackend) -> None:
    root.write_text("hello")
    for call in (registry.subjects(), registry.register(NewSchema("user", USER))):
        with pytest.raises(RegistryError, match="schemas"):
            await call


@pytest.mark.parametrize(
    ("number", "error"),
    [("EACCES", RegistryAuthError), ("EROFS", RegistryAuthError), ("ENOSPC", RegistryUnavailable)],
)
async def test_a_disk_that_refuses_leaves_no_half_version(
    root: Path, registry: FileBackend, monkeypatch: pytest.MonkeyPatch, number: str, error: Any
) -> None:
    await registry.register(NewSchema("user", USER))

    def refuse(descriptor: int) -> None:
        raise OSError(getattr(errno, number), "refused")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error, match="refused"):
        await registry.register(NewSchema("user", True))
    monkeypatch.undo()
    assert [path.name for path in (root / "user").iterdir()] == ["1.json"]
    assert (await registry.register(NewSchema("user", True))).version == 2


# -- several processes ----------


def start(root: Path, *args: str | int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(root), *(str(arg) for arg in args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def reported(output: str) -> Iterator[tuple[int, str]]:
    for line in output.splitlines():
        version, _, title = line.partition(" ")
        yield int(version), title


async def test_processes_at_once_lose_and_repeat_no_version_though_one_is_killed(
    root: Path, registry: FileBackend
) -> None:
    workers = [start(root, name, 12) for name in "abc"]
    doomed = start(root, "doomed", 10_000)
    assert doomed.stdout is not None
    first_lines = [doomed.stdout.readline() for _ in range(6)]
    doomed.kill()
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    outputs.append("".join(first_lines) + doomed.communicate(timeout=60)[0])
    told = [entry for output in outputs for entry in reported(output)]
    assert len({version for version, _ in told}) == len(told)
    versions = await registry.versions("user")
    assert versions == list(range(1, len(versions) + 1))
    assert len(versions) - len(told) in (0, 1)  # the last one of the killed was not told
    held = {v: (await registry.get(SchemaRef("user", v))).body["title"] for v, _ in told}  # type: ignore[index]  # written as objects
    assert held == dict(told)


@pytest.mark.parametrize(
    ("rename", "when", "survived"),
    [(2, "before", 0), (2, "after", 0), (3, "before", 0), (3, "after", 1)],
)
async def test_a_writer_killed_at_any_step_leaves_a_whole_registry(
    root: Path, registry: FileBackend, rename: int, when: str, survived: int
) -> None:
    """Renames: 1 the ignore file, 2 the sidecar, 3 the schema itself."""
    worker = start(root, "doomed", 1, rename, when)
    assert await asyncio.to_thread(worker.wait, 30) == -9
    worker.communicate()
    assert await registry.subjects() == ["user"] * survived
    if survived:
        assert (await registry.get(SchemaRef("user"))).owner == "doomed 0"
    kept = await registry.register(NewSchema("user", USER))
    assert (kept.version, kept.metadata) == (survived + 1, {})
    assert await FileBackend(root).get(SchemaRef("user")) == kept
    assert not list((root / "user").glob(".*.tmp"))


async def test_a_lock_that_another_holds_is_waited_for_and_then_reported(root: Path) -> None:
    registry = FileBackend(root, lock_timeout=0.1)
    await registry.register(NewSchema("user", USER))
    with FileLock(root / ".lock"):
        with pytest.raises(RegistryUnavailable, match="another process") as busy:
            await registry.register(NewSchema("user", True))
        assert busy.value.retryable
        assert (await registry.get(SchemaRef("user"))).body == USER
    assert (await registry.register(NewSchema("user", True))).version == 2


async def test_readers_never_see_half_a_registration(root: Path, registry: FileBackend) -> None:
    done = asyncio.Event()

    async def write() -> None:
        for number in range(25):
            new = NewSchema("user", {"title": number}, metadata={"owner": str(number)})
            await registry.register(new)
        done.set()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            for schema in (await FileBackend(root).latest() or {}).values():
                assert schema.owner == str(schema.body["title"])  # type: ignore[index]  # an object
                reads += 1
            await asyncio.sleep(0)
        return reads

    _, reads = await asyncio.gather(write(), read())
    assert reads > 0


async def test_a_thousand_versions_are_no_trouble(root: Path, registry: FileBackend) -> None:
    for number in range(1, 1_001):
        put(root / "user" / f"1.{number}.0.json", {"title": number})
    assert (await registry.get(SchemaRef("user"))).version == "1.1000.0"


async def test_a_disk_that_hangs_holds_up_no_other_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    at = FolderStore.at

    def hangs(store: FolderStore, subject: str) -> SubjectFolder:
        if store.root.name == "away":
            back.wait(60)
        return at(store, subject)

    monkeypatch.setattr(FolderStore, "at", hangs)
    with connect(tmp_path / "away") as away, connect(tmp_path / "schemas") as other:
        waiting = [asyncio.ensure_future(away.aio.get(f"s{number}")) for number in range(60)]
        try:
            async with asyncio.timeout(30):
                await other.aio.register("user", USER)
                assert not (await other.aio.validate("user", {"name": 1})).is_valid
            assert not any(one.done() for one in waiting)
        finally:
            back.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, SchemaNotFound) for one in found)
