"""The command line: what it prints, and the exit code that scripts rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from llm_integrations.core.cli.app import app
from llm_integrations.core.cli.output import progress
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.registry import connect
from tests.support.command_line import run_command
from tests.support.confluent_server import ConfluentServer

PROFILE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(PROFILE))
    return path


def call(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_register_list_and_show(schema: Path) -> None:
    result = call("register", "user-profile", schema, "--owner", "team-a", "--tag", "pii")
    assert (result.exit_code, "user-profile@1" in result.output) == (0, True)
    listed = json.loads(call("list", "--json").output)
    assert listed == [
        {
            "subject": "user-profile",
            "versions": [1],
            "latest": 1,
            "state": "ACTIVE",
            "owner": "team-a",
        }
    ]
    assert "team-a" in call("list").output
    assert json.loads(call("show", "user-profile@1", "--json").output) == PROFILE
    shown = call("show", "user-profile").output
    assert "team-a" in shown
    assert '"minimum"' in shown


def test_an_empty_registry_says_what_to_do() -> None:
    assert "register" in call("list").output


def test_yaml_schemas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("type: object\nrequired: [name]\n")
    assert call("register", "row", path).exit_code == 0


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.json", "{cut", "line 1, column 2"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.yaml", "a: !!bool foo", r"a\.yaml is not YAML: .*!!bool"),
        ("a.yaml", "[" * 100_000, r"a\.yaml is not YAML: it is nested too deeply"),
        ("a.json", "[" * 100_000, r"a\.json is not JSON: it is nested too deeply"),
        ("a.json", "9" * 5_000, r"a\.json is not JSON"),
        ("a.json", "[1]", "not a JSON Schema"),
    ],
)
def test_a_file_that_holds_no_schema_is_named(
    tmp_path: Path, name: str, text: str, error: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((ConfigurationError, InvalidSchema), match=error):
        call("register", "row", tmp_path / name)


def test_check_says_what_is_wrong_and_where(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"name": "Ada"}\n{"name": 1, "age": -1}\n\n{cut\n')
    result = call("check", "user-profile@latest", rows)
    assert result.exit_code == 1
    assert "rows.jsonl:2" in result.output
    assert "/age" in result.output
    assert "rows.jsonl:4" in result.output
    assert "1 valid, 1 invalid, 1 unreadable of 3" in result.output
    summary = json.loads(call("check", "user-profile@latest", rows, "--json").output)
    assert summary["seen"] == summary["valid"] + summary["invalid"] + summary["unreadable"] == 3
    assert summary["reasons"]["minimum at /age"] == 1


def test_check_reads_documents_arrays_and_standard_input(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    one, many = tmp_path / "one.json", tmp_path / "many.json"
    one.write_text('{"name": "Ada"}')
    many.write_text('[{"name": "Ada"}, {"name": "Linus"}]')
    assert "1 valid" in call("check", "user-profile", one).output
    assert "2 valid" in call("check", "user-profile", many, "--each").output
    assert call("check", "user-profile", many).exit_code == 1
    result = call("check", "user-profile", "-", stdin='{"name": "Ada"}\n')
    assert (result.exit_code, "1 valid" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("rows.tsv", "name\tage\nAda\t36\nZo\xeb\t3\nBo\t-1\n", []),
        ("rows.csv", "name;age\n'A;a';36\nZo\xeb;3\nBo;-1\n", ["--delimiter=;", "--quotechar='"]),
        (
            "rows.json",
            '[{"name": "Ada"},\n{"name": "Zo\xeb"}, {"name": "Bo", "age": -1}]',
            ["--each"],
        ),
    ],
    ids=["tabs", "dialect", "array"],
)
def test_a_latin_1_byte_costs_its_record(
    schema: Path, tmp_path: Path, name: str, text: str, options: list[str]
) -> None:
    call("register", "user-profile", schema)
    (tmp_path / name).write_text(text, "latin-1")
    result = call("check", "user-profile", tmp_path / name, *options)
    assert "1 valid, 1 invalid, 1 unreadable of 3" in result.output
    assert result.exit_code == 1


def test_infer_reads_the_dialect_that_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name;age\n'A;a';36\n")
    result = call("infer", tmp_path / "rows.csv", "--delimiter", ";", "--quotechar", "'")
    assert json.loads(result.output)["properties"]["age"] == {"type": "integer"}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json"])
def test_a_long_check_says_how_far_it_is(
    schema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    call("register", "user-profile", schema)
    lines = ['{"name": "Ada"}', '{"name": 1}'] * 50
    text = {"rows.jsonl": "\n".join(lines), "rows.json": f"[{','.join(lines)}]"}
    (tmp_path / name).write_text(text.get(name, "name,age\n" + "Ada,1\nBo,-1\n" * 50))
    arguments = ("check", "user-profile", tmp_path / name, "--each", "--json")
    told = call(*arguments, "--progress")
    records = 100 if name == "rows.csv" else 50
    assert f"{records} records, {records // 2} not valid" in told.stderr
    assert ("%" in told.stderr) == (name != "rows.csv")
    assert json.loads(told.stdout)["seen"] == 100
    for quiet in ("--no-progress", "--show=1"):
        assert not call(*arguments, quiet).stderr


def test_a_bar_on_a_terminal_is_gone_when_the_check_is_done(
    schema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    call("register", "user-profile", schema)
    (tmp_path / "rows.jsonl").write_text('{"name": "Ada"}\n' * 5)
    told = call("check", "user-profile", tmp_path / "rows.jsonl", "--json")
    assert "rows.jsonl" in told.stderr
    assert told.stderr.endswith("\x1b[2K")
    assert json.loads(told.stdout)["valid"] == 5


def test_check_shows_as_many_as_asked_and_counts_the_rest(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"name": 1}\n' * 5)
    output = call("check", "user-profile", rows, "--show", "2").output
    assert "rows.jsonl:2" in output
    assert "rows.jsonl:3" not in output
    assert "3 more" in output


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_a_file_that_is_not_there_is_named_in_the_same_words(
    schema: Path, tmp_path: Path, suffix: str
) -> None:
    call("register", "user-profile", schema)
    path = tmp_path / f"absent.{suffix}"
    with pytest.raises(ConfigurationError) as error:
        call("check", "user-profile", path)
    assert str(error.value) == f"{path} cannot be read: No such file or directory"


def test_check_says_that_there_was_nothing(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    (tmp_path / "empty.jsonl").write_text("\n")
    result = call("check", "user-profile", tmp_path / "empty.jsonl")
    assert (result.exit_code, "nothing to check" in result.output) == (0, True)


def test_doctor_looks_at_the_installation_and_the_registry(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    result = call("doctor")
    assert result.exit_code == 0
    assert "1 subjects" in result.output
    assert "langchain-core" in result.output
    nowhere = call("doctor", "--registry", tmp_path / "nowhere")
    assert nowhere.exit_code == 1
    assert f"there is no folder {tmp_path / 'nowhere'}" in nowhere.output
    (tmp_path / "empty").mkdir()
    empty = call("doctor", "--registry", tmp_path / "empty")
    assert (empty.exit_code, "is that the right place?" in empty.output) == (0, True)
    refused = call("doctor", "--registry", "http://127.0.0.1:9")
    assert refused.exit_code == 1
    assert "✗ registry" in refused.output


def test_one_bad_subject_stops_neither_list_nor_doctor(schema: Path, tmp_path: Path) -> None:
    for subject in ("alpha", "user", "zulu"):
        call("register", subject, schema, "--owner", "team-a")
    damaged = tmp_path / "schemas" / "user" / "1.json"
    damaged.write_text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> feature\n")
    listed = call("list")
    assert listed.exit_code == 0
    assert "alpha" in listed.output
    assert "zulu" in listed.output
    assert listed.output.count(str(damaged)) == 1
    rows = {row["subject"]: row for row in json.loads(call("list", "--json").output)}
    assert [rows[name]["latest"] for name in ("alpha", "user", "zulu")] == [1, "", 1]
    assert str(damaged) in rows["user"]["problem"]
    told = call("doctor")
    assert told.exit_code == 1
    assert told.output.count(str(damaged)) == 1
    assert "conflict markers" in told.output


def test_damaged_settings_of_a_folder_stop_nobody_and_doctor_names_them(
    schema: Path, tmp_path: Path
) -> None:
    call("register", "user", schema)
    settings = tmp_path / "schemas" / "registry.json"
    settings.write_text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> feature\n")
    assert call("list").exit_code == 0
    told = call("doctor")
    assert told.exit_code == 1
    assert told.output.count(str(settings)) == 1


def test_a_schema_of_another_type_is_shown_and_no_trouble() -> None:
    with ConfluentServer() as server:
        server.add("avro", '{"type":"record","name":"R","fields":[]}', "AVRO")
        server.add("user", PROFILE)
        told = call("doctor", "--registry", server.url)
        assert (told.exit_code, told.output.count("avro@1 is of type AVRO")) == (0, 1)
        rows = json.loads(call("list", "--json", "--registry", server.url).output)
        assert [(row["subject"], row["latest"]) for row in rows] == [("avro", ""), ("user", 1)]


def test_list_asks_for_what_is_latest_in_one_go() -> None:
    with ConfluentServer(flavour="confluent") as server:
        for number in range(30):
            server.add(f"subject-{number:02d}", PROFILE)
        assert len(json.loads(call("list", "--json", "--registry", server.url).output)) == 30
        assert server.count(containing="/versions/latest") == 0


def test_pins_are_added_checked_and_moved(schema: Path, tmp_path: Path) -> None:
    call("register", "qa-case", schema, "--compatibility", "NONE")
    lock = ("--lock", tmp_path / "benchmarks.lock")
    assert "qa-case@1" in call("pin", "add", "qa", "--case", "qa-case@latest", *lock).output
    assert "qa-case@1" in call("pin", "list", *lock).output
    assert call("pin", "check", *lock).exit_code == 0
    schema.write_text(json.dumps({**PROFILE, "required": ["name", "age"]}))
    call("register", "qa-case", schema)
    moved = call("pin", "update", "qa", *lock)
    assert "qa-case@2" in moved.output
    assert "accept different data" in moved.output
    assert "up to date" in call("pin", "update", "qa", *lock).output
    with connect(tmp_path / "schemas") as registry:
        registry.delete("qa-case@2")
    refused = call("pin", "check", "qa", *lock)
    assert refused.exit_code == 1
    assert "no longer in the registry" in refused.output


@pytest.fixture
def next_schema(tmp_path: Path, schema: Path) -> Path:
    call("register", "user-profile", schema)
    path = tmp_path / "next.json"
    path.write_text(json.dumps({**PROFILE, "required": ["name", "age"]}))
    return path


def test_diff_shows_what_changed_and_whom_it_breaks(next_schema: Path) -> None:
    assert "age" in call("diff", "user-profile@1", next_schema).output
    [change] = json.loads(call("diff", "user-profile@1", next_schema, "--json").output)
    assert change["kind"] == "made required"
    assert "nothing changed" in call("diff", next_schema, next_schema).output


def test_compat_judges_without_registering(next_schema: Path, schema: Path) -> None:
    refused = call("compat", "user-profile", next_schema, "--json")
    assert refused.exit_code == 1
    report = json.loads(refused.output)
    assert report["is_compatible"] is False
    assert "age" not in report["violations"][0]["witness"]
    assert call("compat", "user-profile", next_schema, "--level", "FORWARD").exit_code == 0
    assert call("compat", "x", next_schema, "--against", schema).exit_code == 1
    assert call("compat", "user-profile", next_schema, "--policy", "loose").exit_code == 2
    first = call("compat", "user-profil", next_schema, "--new")
    assert (first.exit_code, "no version to compare with" in first.output) == (0, True)
    assert json.loads(call("list", "--json").output)[0]["versions"] == [1]


def test_compat_says_when_register_would_decide_otherwise(schema: Path, tmp_path: Path) -> None:
    call("register", "user-profile", schema)
    wider = tmp_path / "wider.json"
    more = {**PROFILE["properties"], "email": {"type": "string"}}  # type: ignore[dict-item]
    wider.write_text(json.dumps({**PROFILE, "properties": more}))
    strict = call("compat", "user-profile", wider)
    assert (strict.exit_code, "--policy lenient" in strict.output) == (1, True)
    assert call("compat", "user-profile", wider, "--policy", "lenient").exit_code == 0
    assert call("register", "user-profile", wider).exit_code == 0


def test_pins_are_not_checked_where_there_are_none(tmp_path: Path) -> None:
    for command in ("check", "list"):
        with pytest.raises(ConfigurationError, match=r"there is no .*absent\.lock"):
            call("pin", command, "--lock", tmp_path / "absent.lock")


def test_pins_that_cannot_be_checked_are_no_success(
    schema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("register", "qa-case", schema)
    lock = ("--lock", tmp_path / "benchmarks.lock")
    call("pin", "add", "qa", "--case", "qa-case@1", *lock)
    with pytest.raises(RegistryUnavailable, match="there is no folder"):
        call("pin", "check", *lock, "--registry", tmp_path / "absent")
    monkeypatch.chdir(tmp_path)
    assert "no longer pinned" in call("pin", "remove", "qa").output
    with pytest.raises(ConfigurationError, match="nothing is pinned"):
        call("pin", "check", *lock)
    assert "nothing is pinned" in call("pin", "list", *lock).output


def test_what_the_schema_calls_text_is_text_in_a_csv_file_too(tmp_path: Path) -> None:
    kinds = {"zip": {"type": ["string", "null"]}, "code": {"enum": ["01"]}, "n": {"minimum": 1}}
    body = tmp_path / "schema.json"
    body.write_text(json.dumps({"properties": kinds}))
    call("register", "place", body)
    rows = tmp_path / "rows.csv"
    rows.write_text("zip,code,n\n01234,01,1\n99999,1,2\n,01,0\n")
    result = json.loads(call("check", "place", rows, "--json").output)
    assert result["reasons"] == {"enum at /code": 1, "minimum at /n": 1}


def test_guide_writes_markdown_or_json(next_schema: Path, tmp_path: Path) -> None:
    printed = call("guide", "user-profile@1", next_schema).output
    assert "age" in printed
    call("guide", "user-profile@1", next_schema, "-o", tmp_path / "MIGRATING.md")
    assert (tmp_path / "MIGRATING.md").read_text().strip() == printed.strip()
    assert json.loads(call("guide", "user-profile@1", next_schema, "--json").output)


def test_an_unknown_schema_is_our_error(schema: Path) -> None:
    with pytest.raises(SchemaNotFound):
        call("check", "no-such-schema", schema)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llm_integrations.core.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ways", [(), ("--poll", "0.2")], ids=["watched", "polled"])
def test_listen_prints_each_change_as_a_line_of_json(
    tmp_path: Path, schema: Path, ways: tuple[str, ...]
) -> None:
    call("register", "before", schema)
    command = [sys.executable, "-m", "llm_integrations.core.cli", "listen", "--count", "1", *ways]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listening:
        assert listening.stderr is not None
        assert "listening" in listening.stderr.readline()
        call("register", "user-profile", schema)
        output, errors = listening.communicate(timeout=60)
    assert listening.returncode == 0, errors
    [line] = output.splitlines()
    event = json.loads(line)
    assert event["subject"] == "user-profile"
    assert "registered" in event["type"]


def test_errors_are_one_line_and_exit_code_2() -> None:
    result = run("show", "no-such-schema")
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_help_teaches() -> None:
    result = run_command("--help")
    assert result.returncode == 0
    assert "LLM_INTEGRATIONS_REGISTRY_URL" in result.stdout
    for command in (
        "check",
        "register",
        "diff",
        "compat",
        "guide",
        "listen",
        "drift",
        "pin",
        "webhook",
    ):
        assert command in result.stdout


def test_versions_that_refer_to_other_schemas_are_compared_with_them(tmp_path: Path) -> None:
    with connect(tmp_path / "schemas") as registry:
        registry.register("address", {"type": "string"})
        referring = {**PROFILE, "properties": {"at": {"$ref": "address"}}}
        for required in ([], ["at"]):
            registry.register(
                "user",
                {**referring, "required": required},
                compatibility="NONE",
                references=[SchemaReference("address", "address", 1)],
            )
    compared = call("diff", "user@1", "user@2")
    assert "`at` is required now" in compared.output
    guide = call("guide", "user@1", "user@2")
    assert (guide.exit_code, "at" in guide.output) == (0, True)


def test_a_row_counts_once_per_reason_whatever_place_in_a_list(tmp_path: Path) -> None:
    schema = tmp_path / "m.json"
    schema.write_text('{"properties": {"m": {"items": {"items": {"type": "integer"}}}}}')
    call("register", "m", schema)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"m": [[1, "a", "b"], ["c"]]}\n{"m": [["d"]]}\n')
    summary = json.loads(call("check", "m", rows, "--json").output)
    assert summary["reasons"] == {"type at /m/*/*": 2}


def test_check_reads_urls_and_judges_what_lies_there(schema: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    call("register", "user-profile", schema)
    fsspec.filesystem("memory").pipe_file("/cli/rows.jsonl", b'{"name": "Ada"}\n{"name": 1}\n')
    result = call("check", "user-profile", "memory://cli/rows.jsonl")
    assert "1 valid, 1 invalid" in result.output
    with pytest.raises(ConfigurationError, match="no such file"):
        call("check", "user-profile", "memory://cli/none.jsonl")


@pytest.mark.parametrize(
    ("valid", "invalid", "share", "code"),
    [(3, 1, "0", 1), (3, 1, "0.2", 1), (3, 1, "0.25", 0), (3, 1, "1", 0), (71, 29, "0.29", 0)],
)
def test_check_fails_above_the_share_that_may_be_invalid(
    schema: Path, tmp_path: Path, valid: int, invalid: int, share: str, code: int
) -> None:
    call("register", "user-profile", schema)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"name": "Ada"}\n' * valid + "{cut\n" * invalid)
    assert call("check", "user-profile", rows, "--max-invalid", share).exit_code == code


def test_infer_prints_a_schema_or_writes_it(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"name": "Ada", "age": 3}\n{"name": "Zoe", "age": 40}\n')
    printed = json.loads(call("infer", rows, "--ranges").output)
    assert printed["properties"]["age"] == {"type": "integer", "minimum": 3, "maximum": 40}
    target = tmp_path / "row.json"
    assert call("infer", rows, "-o", target).exit_code == 0
    assert call("register", "inferred", target).exit_code == 0
    assert call("check", "inferred", rows).exit_code == 0


def test_a_ready_schema_is_registered_by_its_name(tmp_path: Path) -> None:
    assert call("register", "chat", "openai-chat").exit_code == 0
    rows = tmp_path / "chats.jsonl"
    rows.write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n{"messages": []}\n')
    assert "1 valid, 1 invalid" in call("check", "chat", rows).output


def test_check_and_infer_read_packed_files_and_tell_their_names(
    schema: Path, tmp_path: Path
) -> None:
    import gzip

    call("register", "user-profile", schema)
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"name": "Ada"}\n{"name": 1}\n'))
    result = call("check", "user-profile", path)
    assert "1 valid, 1 invalid" in result.output
    assert f"{path}:2" in result.output
    assert json.loads(call("infer", path).output)["required"] == ["name"]
