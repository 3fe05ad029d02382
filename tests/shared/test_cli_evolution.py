"""The commands that compare schemas: their options, formats and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from llm_integrations.core.cli.app import app

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
LOOKAROUND: Schema = {"type": "string", "pattern": "^(?!x)"}


def obj(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


OLD = obj({"a": {"type": "integer"}})
BREAKING = obj({"a": STRING, "b: 100%,\n": STRING}, "a")
WIDER = obj({"a": {"type": "integer"}, "b": STRING})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    monkeypatch.setenv("NO_COLOR", "1")
    for name, schema in (("old", OLD), ("breaking", BREAKING), ("wider", WIDER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(schema))
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("new", "fail_on", "policy", "code"),
    [
        ("breaking", "breaking", "strict", 1),
        ("breaking", "backward", "strict", 1),
        ("breaking", None, "strict", 0),
        ("wider", "breaking", "strict", 1),
        ("wider", "backward", "lenient", 0),
        ("wider", "any", "lenient", 1),
        ("old", "any", "strict", 0),
        ("old", "often", "strict", 2),
        ("old", None, "loose", 2),
    ],
)
def test_diff_fails_on_what_it_is_told_to(
    folder: Path, new: str, fail_on: str | None, policy: str, code: int
) -> None:
    given = ("--fail-on", fail_on) if fail_on else ()
    sides = folder / "old.json", folder / f"{new}.json"
    assert call("diff", *sides, "--policy", policy, *given).exit_code == code


def test_diff_says_whom_it_breaks_as_the_guide_does(folder: Path) -> None:
    sides = folder / "old.json", folder / "breaking.json"
    shown = call("diff", *sides).output
    assert "new readers" in shown
    assert "old readers" in shown
    assert "writers" not in shown
    assert "old readers" in call("guide", *sides).output


@pytest.mark.parametrize("command", ["diff", "guide", "compat", "register"])
def test_findings_are_annotations_of_github_junit_or_json(folder: Path, command: str) -> None:
    old, new = folder / "old.json", folder / "breaking.json"
    call("register", "user", old)
    sides = {"diff": [old, new], "guide": [old, new]}.get(command, ["user", new])
    github = call(command, *sides, "--format", "github").output.splitlines()
    assert github
    assert all(line.startswith(("::error ", "::notice ")) for line in github)
    assert any(f"file={str(new).replace(':', '%3A')}," in line for line in github)
    suite = ET.fromstring(call(command, *sides, "--format", "junit").output)
    assert suite.tag == "testsuite"
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure")) > 0
    assert json.loads(call(command, *sides, "--format", "json").output)
    assert call(command, *sides, "--format", "yaml").exit_code == 2


@pytest.mark.parametrize("command", ["compat", "register"])
def test_a_place_stands_once_in_a_finding(folder: Path, command: str) -> None:
    call("register", "user", folder / "old.json")
    sides = "user", folder / "breaking.json"
    for more in ((), ("--limits", "nodes=3")):
        lines = call(command, *sides, "--format", "github", *more).output.splitlines()
        assert lines
        for line in lines:
            place = line.partition("::")[2].partition("::")[0].partition(" ")[2]
            assert place
            assert not line.rpartition("::")[2].startswith(("/", "(root)"))
        suite = ET.fromstring(call(command, *sides, "--format", "junit", *more).output)
        names = [case.attrib["name"].split(": ") for case in suite.iter("testcase")]
        assert all(first != second for first, second, *_ in names)


@pytest.mark.parametrize(("fail_on", "code"), [(None, 2), ("breaking", 1)])
def test_diff_prints_what_was_found_before_the_steps_ran_out(
    folder: Path, fail_on: str | None, code: int
) -> None:
    old, new = folder / "many.json", folder / "texts.json"
    old.write_text(json.dumps({"prefixItems": [{"minimum": n} for n in range(300)]}))
    new.write_text(json.dumps({"prefixItems": [{"minimum": n + 1} for n in range(300)]}))
    given = ("--fail-on", fail_on) if fail_on else ()
    for output in ("text", "json", "github", "junit"):
        found = call("diff", old, new, "--limits", "steps=800", "--format", output, *given)
        assert found.exit_code == code, found.output
        assert "/prefixItems/0/minimum" in found.stdout
        assert "more than could be listed" in found.stderr


def test_text_of_a_schema_is_no_command_of_a_workflow(folder: Path) -> None:
    sides = folder / "old.json", folder / "breaking.json"
    lines = call("diff", *sides, "--format", "github").output.splitlines()
    assert all(line.startswith("::") for line in lines)
    [hostile] = [line for line in lines if "100" in line]
    head, _, _ = hostile.removeprefix("::").partition("::")
    assert "b%3A 100%25%2C%0A" in head


def test_a_pattern_that_looks_around_is_allowed_by_the_command_line(folder: Path) -> None:
    new = folder / "new.json"
    new.write_text(json.dumps(obj({"a": {"type": "integer"}, "b": LOOKAROUND})))
    old = folder / "old.json"
    calls: list[tuple[object, ...]] = [
        ("diff", old, new),
        ("guide", old, new),
        ("register", "user", new),
        ("compat", "x", new, "--against", old, "--policy", "lenient"),
    ]
    for arguments in calls:
        assert call(*arguments).exit_code != 0
        assert call(*arguments, "--regex", "bounded").exit_code == 0
        assert call(*arguments, "--regex", "wild").exit_code == 2


def test_limits_are_read_from_the_command_line(folder: Path) -> None:
    sides = folder / "old.json", folder / "breaking.json"
    assert call("diff", *sides, "--limits", "steps=1_000_000,nodes=100000,depth=90").exit_code == 0
    assert call("diff", *sides, "--limits", "nodes=3").exit_code != 0
    for wrong in ("steps", "steps=0", "speed=3", "steps=many"):
        assert call("diff", *sides, "--limits", wrong).exit_code == 2
    call("register", "user", folder / "old.json")
    refused = call("register", "user", folder / "wider.json", "--limits", "nodes=3")
    assert refused.exit_code == 1
    assert "more than 3 values" in " ".join(refused.output.split())
    assert "Not compared" in call("guide", *sides, "--limits", "nodes=3").output


def test_register_refuses_by_the_policy_that_is_named(folder: Path) -> None:
    call("register", "user", folder / "old.json")
    assert call("register", "user", folder / "wider.json", "--policy", "strict").exit_code == 1
    assert call("register", "user", folder / "wider.json", "--policy", "lenient").exit_code == 0


def test_a_refusal_names_all_that_breaks(folder: Path) -> None:
    names = [f"p{number}" for number in range(9)]
    old, new = folder / "nine.json", folder / "texts.json"
    old.write_text(json.dumps(obj({name: {"type": "integer"} for name in names})))
    new.write_text(json.dumps(obj(dict.fromkeys(names, STRING))))
    call("register", "nine", old)
    refused = call("register", "nine", new).output
    assert all(f"/properties/{name}/type" in refused for name in names)
