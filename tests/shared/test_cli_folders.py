"""The command line on folders as people have them, between registries, and its forms of output."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from llm_integrations.core.cli.app import app
from llm_integrations.core.cli.commands.writing.layouts import find_schemas
from llm_integrations.core.cli.options import complete_subject
from llm_integrations.core.errors import ConfigurationError, RegistryProtocolError, SchemaNotFound
from llm_integrations.core.files import atomic_write
from llm_integrations.core.model.schema import SchemaReference
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import compile_validator
from tests.support.command_line import run_command
from tests.support.confluent_server import ConfluentServer
from tests.support.llm_registry_server import LLMRegistryServer

PROFILE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    monkeypatch.chdir(tmp_path)


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)


def write(path: Path, document: Any = PROFILE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("inside", "reference"),
    [
        ("user.json", "user@1"),
        ("user.yaml", "user@1"),
        ("user.schema.json", "user@1"),
        ("user/3.json", "user@3"),
        ("user/v2.json", "user@2"),
        ("user/1.2.0.json", "user@1.2.0"),
        ("user-v4.json", "user@4"),
        ("com/example/user/1.json", "com.example.user@1"),
        ("com/example/user.json", "com.example.user@1"),
    ],
)
def test_a_folder_of_any_layout_is_imported(tmp_path: Path, inside: str, reference: str) -> None:
    write(tmp_path / "old" / inside)
    ran = call("import", tmp_path / "old")
    assert ran.exit_code == 0, ran.output
    with connect("schemas") as registry:
        assert registry.get(reference).body == PROFILE


def test_versions_are_imported_in_their_order_and_a_breaking_one_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "old/user/10.json", {**PROFILE, "required": ["name", "age"]})
    write(tmp_path / "old/user/9.json")
    ran = call("import", tmp_path / "old")
    assert ran.exit_code == 1
    assert "refused" in ran.output
    with connect("schemas") as registry:
        assert registry.versions("user") == [9]


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "old/user.json")
    ran = call("import", tmp_path / "old", "--dry-run")
    assert (ran.exit_code, "to add" in ran.output) == (0, True)
    assert not (tmp_path / "schemas").exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "holds no .json"),
        (["user.json", "user.yaml"], "are both user"),
        (["user/1.json", "user/v1.json"], "are both user@1"),
    ],
)
def test_a_folder_that_makes_no_sense_is_named(
    tmp_path: Path, files: list[str], reason: str
) -> None:
    (tmp_path / "old").mkdir()
    for file in files:
        write(tmp_path / "old" / file)
    with pytest.raises(ConfigurationError, match=reason):
        find_schemas(tmp_path / "old")


def test_a_version_with_a_v_is_read_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "schemas/user/v1.json")
    with connect("schemas") as registry:
        assert registry.get("user@1").body == PROFILE
        assert registry.register("user", {**PROFILE, "title": "User"}).version == 2


def test_files_in_the_root_are_first_versions_which_later_ones_follow(tmp_path: Path) -> None:
    flat = write(tmp_path / "schemas/user.json")
    write(tmp_path / "schemas/com.example.order.schema.json")
    write(tmp_path / "schemas/registry.json", {"compatibility": "FULL"})
    with connect("schemas") as registry:
        assert registry.subjects() == ["com.example.order", "user"]
        assert registry.get("user").ref.version == 1
        assert registry.register("user", PROFILE).version == 1
        assert registry.register("user", {**PROFILE, "title": "User"}).version == 2
        assert registry.versions("user") == [1, 2]
        registry.delete("user@1", permanent=True)
        assert not flat.exists()
    write(tmp_path / "schemas/other.json")
    write(tmp_path / "schemas/other/1.json")
    with connect("schemas") as registry, pytest.raises(RegistryProtocolError, match="same version"):
        registry.get("other@1")


def test_a_folder_that_is_not_there_is_an_error_on_reading(tmp_path: Path) -> None:
    with connect("schemaz") as registry:
        for ask in (registry.subjects, registry.latest, lambda: registry.get("user@1")):
            with pytest.raises(SchemaNotFound, match=f"no folder {tmp_path / 'schemaz'}"):
                ask()
        assert registry.register("user", PROFILE).version == 1
        assert registry.subjects() == ["user"]


def test_folders_within_folders_are_told_how_to_lie(tmp_path: Path) -> None:
    write(tmp_path / "schemas/com/example/user/1.json")
    with connect("schemas") as registry:
        with pytest.raises(SchemaNotFound, match=r"schemas/com\.example\.user.*import"):
            registry.get("com.example.user@1")
        left_out = registry.latest().left_out
        assert list(left_out) == ["com"]
        assert "as com.example.user; `llm-integrations import" in str(left_out["com"])
    assert call("doctor").exit_code == 1


@pytest.mark.parametrize(
    ("inside", "reference"),
    [
        ("user.JSON", "user@1"),
        ("user.Yaml", "user@1"),
        ("User.Schema.json", "User@1"),
        ("user/1.JSON", "user@1"),
        ("user/2.Schema.json", "user@2"),
    ],
)
def test_a_name_in_other_letters_is_read_as_it_is(inside: str, reference: str) -> None:
    write(Path("schemas", inside))
    with connect("schemas") as registry:
        assert [str(schema) for schema in registry.latest().values()] == [reference]
        assert registry.get(reference).body == PROFILE


@pytest.mark.parametrize(
    ("inside", "reference"),
    [
        ("user/schema.json", "user@1"),
        ("user/latest.yaml", "user@1"),
        ("user/user.schema.json", "user@1"),
        ("user/01.json", "user@1"),
        ("com.example.user/user.json", "com.example.user@1"),
    ],
)
def test_a_file_that_should_be_a_version_is_told_how_to_be_called(
    inside: str, reference: str
) -> None:
    write(Path("schemas", inside))
    subject = reference.partition("@")[0]
    with connect("schemas") as registry:
        assert "call it 1.json" in str(registry.latest().left_out[subject])
        with pytest.raises(SchemaNotFound, match=r"`llm-integrations import .* -r NEW-FOLDER`"):
            registry.get(reference)
    assert "call it 1.json" in call("init", "schemas").output.replace("\n", " ")
    assert call("import", "schemas", "-r", "new").exit_code == 0
    with connect("new") as registry:
        assert [str(schema) for schema in registry.latest().values()] == [reference]


def test_other_documents_beside_schemas_are_nobodys_business() -> None:
    write(Path("schemas", "user", "1.json"))
    write(Path("schemas", "examples", "ada.json"), {"name": "Ada"})
    with connect("schemas") as registry:
        assert (registry.subjects(), dict(registry.latest().left_out)) == (["user"], {})


def test_the_folder_of_a_subject_taken_for_the_registry_is_noticed() -> None:
    write(Path("schemas", "user", "1.json"))
    with connect("schemas/user") as registry, pytest.raises(SchemaNotFound, match="is its folder"):
        registry.get("user@1")


def test_one_damaged_file_keeps_no_other_from_being_imported_or_pushed() -> None:
    write(Path("schemas", "user", "1.json"))
    write(Path("schemas", "list", "1.json"), [1])
    Path("schemas", "order.json").write_text("{")
    for verb in (["import", "schemas", "-r", "new"], ["push", "other"]):
        ran = call(*verb)
        assert (ran.exit_code, "1 of 3 well, 2 refused" in ran.output) == (1, True)
    for folder in ("new", "other"):
        with connect(folder) as registry:
            assert registry.subjects() == ["user"]


def test_a_subject_that_refers_to_nothing_keeps_no_other_from_being_pushed() -> None:
    for name in ("a", "b"):
        write(Path("schemas", name, "1.json"))
    missing = [{"name": "c.json", "subject": "c", "version": 1}]
    write(Path("schemas", "a", "meta.json"), {"versions": {"1": {"references": missing}}})
    ran = call("push", "other")
    assert (ran.exit_code, "1 of 2 well, 1 refused" in ran.output) == (1, True)
    with connect("other") as registry:
        assert registry.subjects() == ["b"]


def test_versions_are_pushed_to_a_server_that_numbers_nothing() -> None:
    write(Path("schemas", "user", "1.json"))
    write(Path("schemas", "user", "2.json"), {**PROFILE, "title": "User"})
    with LLMRegistryServer() as server:
        url = f"llm+{server.url}"
        assert call("push", url).exit_code == 0
        with connect(url) as registry:
            assert registry.versions("user") == ["1.0.0", "2.0.0"]
        assert "2 of 2 well" in call("push", url).output


def test_what_is_given_to_check_is_asked_for_and_read_whatever_its_letters() -> None:
    for arguments in ((), ("user@1",), ("--schema", "user.json")):
        ran = call("check", *arguments)
        assert (ran.exit_code, "name the files to check" in ran.output) == (2, True)
    write(Path("user.json"))
    Path("ROWS.JSONL").write_bytes(b'{"name": "Ada"}\n{"name": "\xe9"}\n')
    ran = call("check", "--schema", "user.json", "ROWS.JSONL")
    assert (ran.exit_code, "not UTF-8" in ran.output) == (1, True)
    assert "1 valid, 0 invalid, 1 unreadable" in ran.output


def test_check_takes_no_line_of_utf_16_for_a_record() -> None:
    write(Path("user.json"))
    Path("rows.jsonl").write_bytes(('{"name": "Ada"}\n' * 3).encode("utf-16"))
    ran = call("check", "--schema", "user.json", "rows.jsonl")
    assert (ran.exit_code, "not JSON: it is UTF-16" in ran.output) == (1, True)
    assert "0 valid, 0 invalid, 4 unreadable" in ran.output


def test_what_register_is_given_is_a_file_a_ready_schema_or_a_class() -> None:
    assert call("register", "pairs", "dpo").exit_code == 0
    with pytest.raises(ConfigurationError, match="opnai-chat is neither a file nor a ready schema"):
        raise call("register", "chat", "opnai-chat").exception or AssertionError


def test_what_is_not_found_is_told_with_what_is_near(tmp_path: Path) -> None:
    with connect("schemas") as registry:
        registry.register("user-profile", PROFILE)
        with pytest.raises(SchemaNotFound, match="is 'user-profile' meant") as error:
            registry.get("user_profile@1")
        assert str(tmp_path / "schemas") in str(error.value)
        with pytest.raises(SchemaNotFound, match="no version 9; it has 1"):
            registry.get("user-profile@9")


def test_a_published_version_that_was_changed_is_noticed(tmp_path: Path) -> None:
    assert call("init", "schemas").exit_code == 0
    with connect("schemas") as registry:
        registry.register("user", PROFILE)
        file = tmp_path / "schemas/user/1.json"
        file.write_text(json.dumps(PROFILE, indent=7) + "\r\n")  # as prettier would
        assert registry.edited() == []
        file.write_text(json.dumps({**PROFILE, "required": []}))
        assert [str(reference) for reference in registry.edited()] == ["user@1"]
    checked = call("doctor", "--json")
    assert checked.exit_code == 1
    told = [one for one in json.loads(checked.output)["checks"] if one["state"] == "trouble"]
    assert [one["what"] for one in told] == ["changed"]
    data = write(tmp_path / "data.json", {"name": "Ada"})
    assert call("check", "user@1", data).exit_code == 0
    refused = call("check", "user@1", data, "--strict")
    assert "user@1 was changed after it was published" in str(refused.exception)


def test_where_two_branches_published_one_version_it_is_told_which_line_to_keep(
    tmp_path: Path,
) -> None:
    lines = []
    for title in ("theirs", "ours"):
        with connect(tmp_path / title) as registry:
            registry.register("user", {**PROFILE, "title": title})
        lines.append((tmp_path / title / ".fingerprints").read_text())
    kept = tmp_path / "ours" / ".fingerprints"
    data = write(tmp_path / "data.json", {"name": "Ada"})
    for merged in (lines[::-1], ["<<<<<<< HEAD\n", lines[1], "=======\n", lines[0], ">>>>>>> b\n"]):
        kept.write_text("".join(merged))
        refused = call("check", "user@1", data, "--strict", "-r", str(tmp_path / "ours"))
        assert refused.exit_code != 0
        assert "If two branches published it, keep in .fingerprints" in str(refused.exception)
    kept.write_text(lines[1])
    assert call("check", "user@1", data, "--strict", "-r", str(tmp_path / "ours")).exit_code == 0


def test_versions_that_people_put_there_are_published_by_init(tmp_path: Path) -> None:
    file = write(tmp_path / "schemas/user/1.json")
    assert "1 versions are published" in call("init", "schemas").output
    file.write_text("{}")
    with connect("schemas") as registry:
        assert [str(reference) for reference in registry.edited()] == ["user@1"]


def test_a_registry_is_pushed_and_pulled_with_its_references(tmp_path: Path) -> None:
    address = {"type": "object", "properties": {"city": {"type": "string"}}}
    person = {"type": "object", "properties": {"home": {"$ref": "address.json"}}}
    with connect("schemas") as registry:
        registry.register("address", address)
        registry.register("address", {**address, "title": "Address"})
        uses = SchemaReference("address.json", "address", 2)
        registry.register("a-person", person, references=[uses], metadata={"owner": "team-a"})
    assert "to add" in call("push", tmp_path / "copy", "--dry-run").output
    assert not (tmp_path / "copy").exists()
    pushed = call("push", tmp_path / "copy")
    assert pushed.exit_code == 0, pushed.output
    assert call("push", tmp_path / "copy").output.count("present") == 3
    with connect(tmp_path / "copy") as copy:
        assert copy.get("a-person@1").references == (uses,)
        assert copy.get("a-person@1").owner == "team-a"
        assert not copy.validate("a-person@1", {"home": {"city": 1}})
    with ConfluentServer() as server:
        assert call("push", server.url, "--subject", "address").exit_code == 0
        pulled = call("pull", server.url, "-r", tmp_path / "back")
        assert pulled.exit_code == 0, pulled.output
    with connect(tmp_path / "back") as back:
        assert back.versions("address") == [1, 2]


def test_another_content_under_the_same_number_is_refused(tmp_path: Path) -> None:
    with connect("schemas") as ours, connect(tmp_path / "theirs") as theirs:
        ours.register("user", PROFILE)
        theirs.register("user", {"type": "string"})
    ran = call("push", tmp_path / "theirs")
    assert (ran.exit_code, "has other content" in ran.output) == (1, True)


def test_a_version_is_deprecated_and_deleted(tmp_path: Path) -> None:
    with connect("schemas") as registry:
        registry.register("user", PROFILE)
    assert "DEPRECATED" in call("deprecate", "user@1").output
    assert isinstance(call("delete", "user").exception, ConfigurationError)
    assert call("delete", "user@1").exit_code == 0
    with connect("schemas") as registry, pytest.raises(SchemaNotFound, match="was deleted"):
        registry.get("user@1")


def test_a_file_is_judged_by_a_file(tmp_path: Path) -> None:
    schema = write(tmp_path / "profile.json")
    good, bad = write(tmp_path / "good.json", {"name": "a"}), write(tmp_path / "bad.json", {})
    assert call("check", "--schema", schema, good).exit_code == 0
    ran = call("check", "--schema", schema, good, bad)
    assert (ran.exit_code, "1 valid, 1 invalid" in ran.output) == (1, True)
    assert call("check", "--schema", schema, "-", "--each", stdin='[{"name": "a"}]').exit_code == 0


def test_findings_are_annotations_tests_and_alerts(tmp_path: Path) -> None:
    schema = write(tmp_path / "profile.json")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"name": "a"}\n{"name": 1}\n')
    github = call("check", "--schema", schema, rows, "--format", "github").stdout
    assert github.startswith(f"::error file={rows},line=2,title=profile@1::")
    suite = ET.fromstring(call("check", "--schema", schema, rows, "--format", "junit").stdout)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    sarif = json.loads(call("check", "--schema", schema, rows, "--format", "sarif").stdout)
    [result] = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] == 2
    assert "/name" in result["message"]["text"]


def test_what_cannot_be_told_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    schema = write(tmp_path / "profile.json")
    (tmp_path / "file").write_text("")
    inferred = run_command("infer", str(schema), "-o", str(tmp_path / "file" / "out.json"))
    assert inferred.returncode == 2
    assert inferred.stderr.count("\n") == 1
    assert "file" in inferred.stderr
    assert run_command("--version").stdout.startswith("llm-integrations ")


def test_a_piped_list_is_never_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    subject = "com.example." + "very-" * 40 + "long"
    with connect("schemas") as registry:
        registry.register(subject, PROFILE, metadata={"owner": "a-team-of-many-words"})
    assert subject in run_command("list", "-r", str(tmp_path / "schemas")).stdout


class _Context:
    def __init__(self, **params: Any) -> None:
        self.params = params


def test_subjects_are_completed_from_the_registry(tmp_path: Path) -> None:
    with connect("schemas") as registry:
        for subject in ("user", "user-profile", "order"):
            registry.register(subject, PROFILE)
    asked: Any = _Context(registry="schemas")
    assert complete_subject(asked, "us") == ["user", "user-profile"]
    assert complete_subject(_Context(registry="nowhere"), "") == []  # type: ignore[arg-type]


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
sys.argv[:] = ["llm-integrations", *{arguments!r}]
from llm_integrations.core.cli import main
main()
"""


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module, arguments=arguments)],
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path)},
        timeout=60,
    )


@pytest.mark.parametrize("module", ["numpy", "pyarrow"])
def test_a_table_without_its_extra_is_one_line_that_names_it(tmp_path: Path, module: str) -> None:
    schema = write(tmp_path / "profile.json")
    (tmp_path / "rows.csv").write_text("name\nAda\n")
    ran = run_without(module, "check", "--schema", str(schema), str(tmp_path / "rows.csv"))
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "llm-integrations[arrow]" in ran.stderr


@pytest.mark.parametrize("module", ["numpy", "pyarrow", "scipy"])
def test_drift_names_the_one_extra_that_brings_all_it_needs(module: str) -> None:
    ran = run_without(module, "drift", "rows.csv", "row@1", "-r", "memory://")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "llm-integrations[drift]" in ran.stderr


def test_records_need_no_extra_for_tables(tmp_path: Path) -> None:
    schema = write(tmp_path / "profile.json")
    (tmp_path / "rows.jsonl").write_text('{"name": "Ada"}\n{"name": 5}\n')
    ran = run_without("numpy", "check", "--schema", str(schema), str(tmp_path / "rows.jsonl"))
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "1 valid, 1 invalid" in ran.stdout


def test_a_sound_quarantine_is_not_damaged_because_an_extra_is_missing(tmp_path: Path) -> None:
    validator = compile_validator(PROFILE, subject="profile", reference="profile@1")
    bad = QuarantinedRecord.of({}, validator.validate({}))
    Quarantine(tmp_path / "bad", "parquet").add([bad])
    ran = run_without("pyarrow", "quarantine", "show", str(tmp_path / "bad"))
    assert (ran.returncode, "llm-integrations[arrow]" in ran.stderr) == (2, True)
    assert "damaged" not in ran.stderr


def test_a_file_that_cannot_be_written_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken") as error, atomic_write(tmp_path / "taken") as file:
        file.write(b"{}")
    assert error.value.filename == str(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_device_is_written_into_and_stays_one() -> None:
    with pytest.raises(OSError, match="No space left"), atomic_write(Path("/dev/full")) as stream:
        stream.write(b"text")
        stream.flush()
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(Path("pipe")) as stream:
        stream.write(b"text")
    assert os.read(reader, 9) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    with Path("open").open("wb") as opened:
        for folder in ("/dev/fd", "/proc/self/fd"):
            with atomic_write(Path(folder, str(opened.fileno()))) as stream:
                stream.write(folder.encode())
            assert Path("open").read_text() == folder


def test_a_disk_that_is_full_names_the_file_that_was_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "row.json"
    with pytest.raises(OSError, match="No space left") as error, atomic_write(path) as stream:
        stream.write(b"{}")
    assert error.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as error, atomic_write(path):
        (tmp_path / "other").read_bytes()
    assert error.value.filename == str(tmp_path / "other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("bad", "code"), [(0, 0), (1, 1)])
def test_a_reader_that_goes_changes_no_exit_code(bad: int, code: int) -> None:
    write(Path("user.json"))
    rows = [{"name": 1}] * bad + [{"name": "Ada"}]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ["check", "--schema", "user.json", "rows.jsonl", "--format", "json"]
    command = [sys.executable, "-m", "llm_integrations.core.cli", *arguments]
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (code, "")


def test_an_output_without_room_is_one_line_and_exit_code_2() -> None:
    write(Path("schemas", "user.json"))
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "llm_integrations.core.cli", "list", "--json"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "error: what it prints: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (2, said)


def test_listening_to_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["listen", "-r", str(tmp_path / "nope")])
    assert isinstance(ran.exception, SchemaNotFound)


def test_copying_in_a_pipe_prints_no_empty_line(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "user.json").write_text("{}")
    ran = CliRunner().invoke(app, ["import", str(tmp_path / "old"), "-r", str(tmp_path / "new")])
    assert ran.exit_code == 0
    assert "" not in ran.output.splitlines()
