"""``check --pointer --json-text``: the results of offline batches."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llm_integrations.core.cli import main
from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import ConfigurationError

ANSWER = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 0}},
    "required": ["score"],
}
CONTENT = "/response/body/choices/0/message/content"
EACH = CONTENT.replace("0", "*")
FIT, UNFIT = '{"score": 1}', '{"score": -1}'


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(ANSWER))
    return path


def check(*arguments: object, stdin: str | None = None) -> Result:
    words = ["check", *map(str, arguments)]
    result = CliRunner().invoke(app, words, input=stdin, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def result(name: str, *contents: Any, **message: Any) -> dict[str, Any]:
    """A line as a batch's output has it, of so many choices."""
    choices = [{"message": {"role": "assistant", "content": c} | message} for c in contents]
    body = {"object": "chat.completion", "choices": choices}
    return {"custom_id": name, "response": {"status_code": 200, "body": body}, "error": None}


def failed(name: str, response: Any, error: Any = None) -> dict[str, Any]:
    return {"custom_id": name, "response": response, "error": error}


def batch(path: Path, *records: Any) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["results.jsonl", "results.jsonl.gz"])
def test_the_answers_of_a_batch_are_judged_and_named(
    schema: Path, tmp_path: Path, name: str
) -> None:
    rows = batch(tmp_path / name, result("one", FIT), result("two", UNFIT))
    found = check("--schema", schema, rows, "--pointer", CONTENT, "--json-text")
    assert found.exit_code == 1
    assert f"{rows}:2 (custom_id two)" in found.output
    assert f"{CONTENT}/score: " in found.output
    assert "1 valid, 1 invalid, 0 unreadable of 2" in found.output


@pytest.mark.parametrize(
    ("record", "reason", "message"),
    [
        (
            failed("a", None, {"code": "batch_expired"}),
            "pointer at /response",
            "is null, so there is nothing to judge; the record holds an error",
        ),
        (
            failed("a", {"status_code": 400, "body": None}, {"code": 400}),
            "pointer at /response/body",
            "is null, so there is nothing to judge; the record holds an error",
        ),
        (
            failed("a", {"status_code": 400, "body": {"error": {"code": None}}}),
            "pointer at /response/body",
            'lacks "choices", so there is nothing to judge; the record holds an error',
        ),
        (
            result("a"),
            "pointer at /response/body/choices",
            'has no item "0", so there is nothing to judge',
        ),
        ([], "pointer at (root)", 'has no item "response", so there is nothing to judge'),
        (
            {"response": "x"},
            "pointer at /response",
            "is neither an object nor a list, so there is nothing to judge",
        ),
        (
            result("a", None, refusal="no"),
            "refusal at /response/body/choices/*/message/content",
            "is no text: the model refused",
        ),
        (
            result("a", None, tool_calls=[]),
            "type at /response/body/choices/*/message/content",
            "is null, not text",
        ),
        (
            result("a", {"score": 1}),
            "type at /response/body/choices/*/message/content",
            "is not text",
        ),
        (
            result("a", '{"score": '),
            "json at /response/body/choices/*/message/content",
            "the text is not JSON at character 10",
        ),
        (
            result("a", "[" * 100_000),
            "json at /response/body/choices/*/message/content",
            "the text is JSON nested too deeply",
        ),
    ],
    ids=lambda value: value.partition(",")[0] if isinstance(value, str) else "",
)
def test_a_record_without_an_answer_is_invalid_and_says_why(
    schema: Path, tmp_path: Path, record: Any, reason: str, message: str
) -> None:
    rows = batch(tmp_path / "results.jsonl", result("fit", FIT), record)
    found = check("--schema", schema, rows, "--pointer", CONTENT, "--json-text", "--json")
    told = json.loads(found.output)
    assert (found.exit_code, told["valid"], told["invalid"], told["unreadable"]) == (1, 1, 1, 0)
    assert told["reasons"] == {reason: 1}
    assert [error["message"] for error in told["examples"][0]["errors"]] == [message]


def test_a_star_is_every_choice_and_a_record_counts_once(schema: Path, tmp_path: Path) -> None:
    records = result("a", FIT, FIT), result("b", UNFIT, FIT, UNFIT, None), result("c")
    rows = batch(tmp_path / "results.jsonl", *records)
    told = json.loads(
        check("--schema", schema, rows, "--pointer", EACH, "--json-text", "--json").output
    )
    assert (told["valid"], told["invalid"]) == (1, 2)
    second, third = told["examples"]
    assert [error["path"].split("/")[4] for error in second["errors"]] == ["0", "2", "3"]
    assert third["errors"][0]["message"] == "is empty, so there is nothing to judge"


def test_arrays_documents_and_standard_input_are_looked_into(schema: Path, tmp_path: Path) -> None:
    options = ("--pointer", CONTENT, "--json-text")
    records = [result("a", FIT), result("b", UNFIT)]
    array, one = tmp_path / "all.json", tmp_path / "one.json"
    array.write_text(json.dumps(records))
    one.write_text(json.dumps(records[1]))
    lines = "\n".join(map(json.dumps, records))
    for found, where in (
        (check("--schema", schema, array, "--each", *options), f"{array}[1] (custom_id b)"),
        (check("--schema", schema, "-", "--each", *options, stdin=array.read_text()), "-[1] ("),
        (check("--schema", schema, "-", *options, stdin=lines), "-:2 (custom_id b)"),
        (check("--schema", schema, one, *options), f"{one} (custom_id b)"),
    ):
        assert (found.exit_code, where in found.output) == (1, True)


def test_formats_for_machines_name_file_and_line(schema: Path, tmp_path: Path) -> None:
    rows = batch(tmp_path / "results.jsonl", result("a", FIT), result("b (c)", UNFIT))
    options = ("--schema", schema, rows, "--pointer", CONTENT, "--json-text", "--format")
    assert f"::error file={rows},line=2," in check(*options, "github").output
    assert f'name="{rows}:2 (custom_id b (c))"' in check(*options, "junit").output
    sarif = json.loads(check(*options, "sarif").output)
    assert sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 2
    }


def test_an_id_that_is_no_name_is_not_shown(schema: Path, tmp_path: Path) -> None:
    ids = ["", "a\nb", "x" * 101, 7]
    rows = batch(tmp_path / "results.jsonl", *(result("a", UNFIT) | {"custom_id": i} for i in ids))
    assert "custom_id" not in check("--schema", schema, rows, "--pointer", CONTENT).output


def test_values_are_judged_as_they_are_unless_they_are_text(schema: Path, tmp_path: Path) -> None:
    row = {"a/b": {"*": [{"score": 1}]}, "~": FIT}
    rows = batch(tmp_path / "rows.jsonl", row)
    assert check("--schema", schema, rows, "--pointer", "/a~1b/*/0").exit_code == 0
    assert check("--schema", schema, rows, "--pointer", "/~0", "--json-text").exit_code == 0
    assert check("--schema", schema, rows, "--pointer", "/~0").exit_code == 1
    texts = batch(tmp_path / "texts.jsonl", FIT)
    assert check("--schema", schema, texts, "--json-text").exit_code == 0


@pytest.mark.parametrize("token", ["00", "01", "-", "-1", "\u0661", "1" * 5000, "1"])
def test_what_is_no_position_in_a_list_leads_nowhere(
    schema: Path, tmp_path: Path, token: str
) -> None:
    rows = batch(tmp_path / "rows.jsonl", [{"score": 1}])
    told = check("--schema", schema, rows, "--pointer", f"/{token}", "--json").output
    assert json.loads(told)["reasons"] == {"pointer at (root)": 1}


@pytest.mark.parametrize("pointer", ["a", "#/a", "/a~", "/a~2b", "response/body", "$.a"])
def test_what_is_no_pointer_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pointer: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["", "check", "a@1", "none.jsonl", "--pointer", pointer])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n")) == (2, 1)
    assert "is no JSON Pointer" in told


def test_a_terminal_that_lacks_a_letter_still_hears_the_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"é": {"\\ud800": 1}}\n', encoding="utf-8")
    schema = tmp_path / "schema.json"
    schema.write_text('{"properties": {"é": {"type": "string"}}}', encoding="utf-8")
    told = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(told, "ascii", write_through=True))
    monkeypatch.setattr(sys, "argv", ["", "check", "--schema", str(schema), str(rows)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert rb"type at /\xe9" in told.getvalue()


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.csv.gz"])
@pytest.mark.parametrize("option", [("--pointer", "/a"), ("--json-text",)], ids=["at", "text"])
def test_a_table_takes_no_pointer(
    schema: Path, tmp_path: Path, name: str, option: tuple[str, ...]
) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / name
    if name == "rows.parquet":
        parquet.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes(gzip.compress(b"a\n1\n") if path.suffix == ".gz" else b"a\n1\n")
    with pytest.raises(ConfigurationError, match="is a table: --pointer"):
        check("--schema", schema, path, *option)
