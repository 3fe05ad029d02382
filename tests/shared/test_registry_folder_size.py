"""A folder of any size: what is read of it, how often, and how soon a change is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.config import RetryOptions
from llm_integrations.core.errors import RegistryProtocolError, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.local.file import index
from llm_integrations.core.registry.local.file.backend import FileBackend

A: dict[str, Any] = {"type": "object"}
COUNT = 1_200  # more than a page


def put(root: Path, subject: str, version: int | str = 1, body: Any = A) -> Path:
    path = root / subject / f"{version}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    for number in range(COUNT):
        put(root, f"subject-{number:05d}")
    (root / "subject-00007" / "meta.json").write_text('{"owner": "team-a"}')
    time.sleep(0.15)  # a list that was read within a tick of the disk's clock is read again
    return root


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often the file system is asked, by the kind of question."""
    calls: Counter[str] = Counter()
    with monkeypatch.context() as patched:
        for name in ("scandir", "open", "stat", "lstat"):
            real = getattr(os, name)

            def count(*args: Any, name: str = name, real: Any = real, **options: Any) -> Any:
                calls[name] += 1
                return real(*args, **options)

            patched.setattr(os, name, count)
        yield calls


async def test_everything_is_read_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = FileBackend(large)
    with counted(monkeypatch) as calls:
        latest = await registry.latest()
    assert latest is not None
    assert len(latest) == COUNT
    assert latest["subject-00007"].owner == "team-a"
    assert calls["scandir"] == COUNT + 1
    assert calls["open"] == COUNT + 1
    assert calls["stat"] + calls["lstat"] < 10


async def test_listing_names_opens_no_schema(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = FileBackend(large)
    with counted(monkeypatch) as calls:
        assert len(await registry.subjects()) == COUNT
        assert (await registry.ping())["subjects"] == COUNT
    assert calls["scandir"] == COUNT + 1
    assert calls["open"] == 1, "the one file that says something about a subject"


async def test_one_subject_costs_the_same_in_a_folder_of_any_size(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FileBackend(large)
    await registry.ping()
    with counted(monkeypatch) as calls:
        await registry.get(SchemaRef("subject-00100"))
    assert calls == {"scandir": 1, "open": 1, "stat": 1}


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others change the root all the time, so that no list of it is trusted."""
    monkeypatch.setattr(index, "is_settled", lambda *_: False)
    monkeypatch.setattr(index, "_TRUSTED", 3600.0)


@pytest.mark.usefixtures("busy")
def test_registering_and_deleting_cost_the_same_in_a_folder_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        put(tmp_path, f"s{number}")
    listed: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        listed.append(str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with connect(tmp_path) as registry:
        for number in range(30, 40):
            assert registry.register(f"s{number}", A).version == 1
            assert registry.register(f"s{number}", {**A, "title": "2"}).version == 2
            assert registry.get(f"s{number - 30}").version == 1
        registry.delete_subject("s30", permanent=True)
        assert registry.register("s30", A).version == 1
        assert listed.count(str(tmp_path)) == 1
        assert len(registry.subjects()) == 40
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        f"s{number}" for number in range(40)
    }


@pytest.mark.usefixtures("busy")
def test_one_subject_is_found_by_its_name_while_others_write(tmp_path: Path) -> None:
    put(tmp_path, "before")
    put(tmp_path, "gone")
    put(tmp_path, "gr%C3%B6%c3%9fe")  # as no writer of ours would
    reader = FileBackend(tmp_path)
    assert reader._subjects(False) == ["before", "gone", "größe"]

    put(tmp_path, "after")
    put(tmp_path, "naïve")
    put(tmp_path, "größe", 2)
    (tmp_path / "flat.schema.yaml").write_text("type: object")
    (tmp_path / "registry.json").write_text("{}")
    (tmp_path / "gone").rename(tmp_path / "renamed")
    (tmp_path / "link").symlink_to(tmp_path / "before")
    writer = FileBackend(tmp_path)
    for name in ("a/b", "x" * 300, "Before", "con"):
        writer._register(NewSchema(name, A), None)
    for name in ("before", "after", "naïve", "flat", "renamed", "link", "a/b", "x" * 300, "con"):
        assert reader._get(SchemaRef(name)).subject == name
    for name in ("gone", "registry", "flat.schema", "gr%C3%B6%C3%9Fe", ".fingerprints", "..", "."):
        with pytest.raises(SchemaNotFound):
            reader._get(SchemaRef(name))
    with pytest.raises(RegistryProtocolError, match="are both the subject"):
        reader._get(SchemaRef("größe"))
    folded = [path.name.casefold() for path in tmp_path.iterdir()]
    assert len(folded) == len(set(folded)), "where case makes no difference, one is the other"


def _in_any_letters(call: Callable[..., Any], path: Any = ".", *args: Any, **more: Any) -> Any:
    try:
        return call(path, *args, **more)
    except FileNotFoundError:
        folder, name = os.path.split(path)
        for one in os.listdir(folder):
            if one.casefold() == name.casefold():
                return call(os.path.join(folder, one), *args, **more)
        raise


@pytest.mark.parametrize("quiet", [False, True], ids=["busy", "quiet"])
def test_subjects_that_differ_in_case_alone_are_two_on_disks_that_take_them_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    for name in ("stat", "lstat", "scandir"):  # as those of macOS and Windows
        monkeypatch.setattr(os, name, partial(_in_any_letters, getattr(os, name)))
    with connect(tmp_path) as registry:
        registry.register("user", A)
        (tmp_path / "Flat.json").write_text('{"type": "object"}')
        assert registry.get("Flat").body == A
        if quiet:
            os.utime(tmp_path, (1, 1))
        for name in ("User", "USER", "flat"):
            with pytest.raises(SchemaNotFound):
                registry.get(name)
        for name in ("User", "flat"):
            assert registry.register(name, {"type": "array"}).version == 1
        assert registry.versions("user") == [1]
        assert registry.subjects() == ["Flat", "User", "flat", "user"]


def test_a_client_lists_in_pages_that_each_have_a_deadline(large: Path) -> None:
    with connect(large) as registry:
        assert len(registry.latest()) == COUNT
        assert len(registry.subjects()) == COUNT
        assert registry.latest(["subject-00003", "nobody"]).keys() == {"subject-00003"}
        assert registry.health().detail["subjects"] == COUNT


steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "rename", "version"]), st.integers(0, 3)),
    max_size=12,
)


@settings(max_examples=30)
@given(steps)
def test_whatever_others_do_to_the_folder_is_seen_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    root = tmp_path_factory.mktemp("seen")
    reader = FileBackend(root)
    there: dict[str, int] = {}
    for step, number in steps:
        name = f"s{number}"
        if step == "add" and name not in there:
            put(root, name)
            there[name] = 1
        elif step == "version" and name in there:
            there[name] += 1
            put(root, name, there[name])
        elif step == "remove" and name in there:
            for path in (root / name).iterdir():
                path.unlink()
            (root / name).rmdir()
            del there[name]
        elif step == "rename" and name in there and f"{name}x" not in there:
            (root / name).rename(root / f"{name}x")
            there[f"{name}x"] = there.pop(name)
        assert reader._subjects(False) == sorted(there)
        latest = reader._latest(None)
        assert {subject: schema.version for subject, schema in latest.items()} == there


async def test_a_root_that_is_exchanged_is_another_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / name, f"subject-{name}")
    link = tmp_path / "current"
    link.symlink_to("one", target_is_directory=True)
    registry = FileBackend(link)
    assert await registry.subjects() == ["subject-one"]
    os.replace(_link(tmp_path / "next", "two"), link)
    assert await registry.subjects() == ["subject-two"]


def _link(path: Path, target: str) -> Path:
    path.symlink_to(target, target_is_directory=True)
    return path


async def test_a_folder_that_is_gone_is_an_outage_and_no_empty_registry(tmp_path: Path) -> None:
    root, away = tmp_path / "schemas", tmp_path / "away"
    with connect(root, retry=RetryOptions(attempts=1)) as registry:
        with pytest.raises(SchemaNotFound, match="no folder"):
            registry.subjects()
        registry.register("user", A)
        held = registry.get("user")
        root.rename(away)
        registry.invalidate("user")
        assert registry.get("user") is held
        for call in (registry.subjects, registry.latest, lambda: registry.get("other")):
            with pytest.raises(RegistryUnavailable):
                call()
        assert not registry.health()
        away.rename(root)
        assert registry.subjects() == ["user"]


# -- what a merge leaves behind ----------

MARKERS = "<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> feature\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("3.json", MARKERS.format(ours='{"title": "ours"}', theirs='{"title": "theirs"}')),
        ("3.json", '{\n  "a": 1,\n' + MARKERS.format(ours='"b": 1', theirs='"b": 2') + "}\n"),
        ("3.yaml", MARKERS.format(ours="type: object", theirs="type: array")),
        ("3.yaml", "type: object\n" + MARKERS.format(ours="a: 1", theirs="a: 2")),
        ("3.yml", "a: 1\n<<<<<<< HEAD\nb: 1\n||||||| base\n=======\nb: 2\n>>>>>>> x\n"),
        ("meta.json", MARKERS.format(ours='{"owner": "a"}', theirs='{"owner": "b"}')),
    ],
)
async def test_conflict_markers_are_told_as_such_with_what_to_do(
    tmp_path: Path, name: str, content: str
) -> None:
    put(tmp_path, "other")
    put(tmp_path, "user")
    (tmp_path / "user" / name).write_text(content)
    registry = FileBackend(tmp_path)
    with pytest.raises(RegistryProtocolError) as conflict:
        await registry.get(SchemaRef("user"))
    said = str(conflict.value)
    assert str(tmp_path / "user" / name) in said
    assert "conflict markers" in said
    assert f"git checkout --ours, or --theirs, {name}" in said
    latest = await registry.latest()
    assert latest is not None
    assert (list(latest), list(latest.left_out)) == (["other"], ["user"])


async def test_a_schema_that_speaks_of_markers_has_none(tmp_path: Path) -> None:
    (put(tmp_path, "user")).write_text('{"description": "<<<<<<< HEAD", }')
    with pytest.raises(RegistryProtocolError) as damaged:
        await FileBackend(tmp_path).get(SchemaRef("user"))
    assert "conflict" not in str(damaged.value)


@pytest.mark.parametrize(("one", "other"), [("3.json", "3.yaml"), ("3.json", "3.0.0.json")])
async def test_a_version_that_two_branches_added_says_what_to_do(
    tmp_path: Path, one: str, other: str
) -> None:
    for name in (one, other):
        put(tmp_path, "user")
        (tmp_path / "user" / name).write_text("{}")
    with pytest.raises(RegistryProtocolError, match="two branches") as twice:
        await FileBackend(tmp_path).get(SchemaRef("user"))
    assert "register the other's schema again, as the next version" in str(twice.value)


# -- a folder that nobody may write to ----------

READER = """
    import asyncio, os, sys
    import filelock
    from llm_integrations.core.errors import RegistryAuthError
    from llm_integrations.core.registry.backend import NewSchema
    from llm_integrations.core.registry.local.file.backend import FileBackend
    registry = FileBackend(sys.argv[1])

    async def main():
        same = await registry.register(NewSchema("user", {"type": "object"}, compatibility="FULL"))
        print(same.version, (await registry.lookup("user", {"type": "object"})).version)
        for new in (
            NewSchema("user", {"type": "array"}),
            NewSchema("other", {"type": "object"}),
            NewSchema("user", {"type": "object"}, compatibility="NONE"),
        ):
            try:
                await registry.register(new)
            except RegistryAuthError:
                print("refused")

    asyncio.run(registry.subjects())  # imports what a user without rights may not read
    if os.getuid() == 0:
        os.setuid(65534)
    asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs users without rights")
@pytest.mark.parametrize("has_lock", [True, False])
def test_equal_content_is_found_in_a_folder_that_is_read_only(
    tmp_path: Path, has_lock: bool
) -> None:
    root = tmp_path / "schemas"
    with connect(root) as registry:
        registry.register("user", A, compatibility="FULL")
    if not has_lock:
        (root / ".lock").unlink(missing_ok=True)
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in root.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o055)
    command = [sys.executable, "-c", textwrap.dedent(READER), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.split("\n"), done.stderr) == (["1 1", *["refused"] * 3, ""], "")
