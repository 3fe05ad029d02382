"""CSV files: each cell is judged as what the schema makes of it, and no row is lost."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.arrow import ArrowPlan
from llm_integrations.core.arrow.run.cell_overrides import (
    kept_columns,
    overrides_of,
    with_overrides,
)
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ArrowMismatch, ConfigurationError
from llm_integrations.core.tables import read_tables
from llm_integrations.core.tables.admitted import admitted_types
from llm_integrations.core.tables.csv.dialect import CsvDialect
from llm_integrations.core.tables.csv.utf8 import MarkedStream, unmarked
from llm_integrations.core.validation import Validator, compile_validator

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
INTEGER, NUMBER, BOOLEAN, TEXT = ({"type": t} for t in ("integer", "number", "boolean", "string"))
NUMBER_OR_NA = {"anyOf": [{"type": "number", "minimum": 0}, {"const": "NA"}]}


def validator(body: Any, **resources: Any) -> Validator:
    return compile_validator(body, options=ValidationOptions(nulls="absent"), resources=resources)


def of(**properties: Any) -> Validator:
    return validator({"type": "object", "properties": properties})


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    with patch("llm_integrations.core.tables.csv.file._BLOCK", size):
        yield


def read(text: str, judge: Validator | None, rows: int = 1 << 18) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text(text, "utf-8", newline="")
        return pa.concat_tables(read_tables(path, rows, validator=judge))


def types_of(table: pa.Table) -> dict[str, str]:
    kept = kept_columns(table)
    return dict(zip(kept.schema.names, map(str, kept.schema.types), strict=True))


def mask(table: pa.Table, judge: Validator) -> list[bool]:
    return list(ArrowPlan(judge).mask(table).to_pylist())


@pytest.mark.parametrize("before", [0, 5_000])
def test_a_word_among_numbers_is_one_invalid_row_wherever_it_stands(before: int) -> None:
    good = "".join(f"{n},text {n}\n" for n in range(before))
    judge = of(n={"type": "integer", "minimum": 0})
    with blocks_of(1024):
        table = read(f"n,text\n{good}sesame,late\n7,last\n", judge)
    assert types_of(table) == {"n": "int64", "text": "string"}
    report = ArrowPlan(judge).validate(table)
    assert (report.rows, report.valid) == (before + 2, before + 1)
    [(row, [violation])] = report.violations()
    assert (row, violation.path, violation.keyword) == (before, "/n", "type")
    assert judged_rows(table)[before] == {"n": "sesame", "text": "late"}


CELLS: Mapping[str, tuple[Any, Any, Any, Any, Any]] = {
    # in a column of integers, of numbers, of truth values, of text, of numbers or text
    "": (None, None, None, None, None),
    "5": (5, 5.0, "5", "5", 5.0),
    "-3": (-3, -3.0, "-3", "-3", -3.0),
    "1": (1, 1.0, True, "1", 1.0),
    "0": (0, 0.0, False, "0", 0.0),
    "2.0": (2, 2.0, "2.0", "2.0", 2.0),
    "1.5": (1.5, 1.5, "1.5", "1.5", 1.5),
    "1e2": (100, 100.0, "1e2", "1e2", 100.0),
    " 7 ": (7, 7.0, " 7 ", " 7 ", " 7 "),
    "+4": (4, 4.0, "+4", "+4", "+4"),
    "01": (1, 1.0, "01", "01", "01"),
    "0x1F": ("0x1F", "0x1F", "0x1F", "0x1F", "0x1F"),
    "NA": ("NA", "NA", "NA", "NA", "NA"),
    "1e2.0": ("1e2.0", "1e2.0", "1e2.0", "1e2.0", "1e2.0"),
    "x.0": ("x.0", "x.0", "x.0", "x.0", "x.0"),
    "True": ("True", "True", True, "True", "True"),
    "9007199254740993": (2**53 + 1, 2.0**53, "9007199254740993", "9007199254740993", 2.0**53),
    "9" * 20: ("9" * 20, 1e20, "9" * 20, "9" * 20, 1e20),
    "a\nb,c": ("a\nb,c", "a\nb,c", "a\nb,c", "a\nb,c", "a\nb,c"),
}
DECLARED = {
    "i": {"type": "integer", "maximum": 50},
    "f": {"type": "number", "minimum": -2},
    "b": {"type": "boolean"},
    "t": {"type": "string", "minLength": 2},
    "u": NUMBER_OR_NA,
}
_exact = [cell for cell in sorted(CELLS) if not cell.startswith("9")]
lines = st.lists(
    st.none() | st.tuples(*[st.sampled_from(sorted(CELLS))] * 4, st.sampled_from(_exact)).map(list),
    min_size=1,
    max_size=60,
)


def said(line: list[str] | None) -> Any:
    """What a line is judged as; None stands for one that is no row."""
    if line is None:
        return "too,few"
    return {
        name: CELLS[cell][place]
        for place, (name, cell) in enumerate(zip(DECLARED, line, strict=True))
    }


@given(lines, st.sampled_from([256, 300, 1 << 20]), st.integers(1, 20))
def test_every_row_is_judged_as_its_cells_say_in_blocks_of_any_size(
    lines: list[list[str] | None], block: int, rows: int
) -> None:
    text, judge = io.StringIO(), of(**DECLARED)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(DECLARED)
    writer.writerows(["too", "few"] if line is None else line for line in lines)
    with blocks_of(block):
        table = read(text.getvalue(), judge, rows)
    expected = [said(line) for line in lines]
    assert judged_rows(table) == expected
    assert mask(table, judge) == [isinstance(r, dict) and judge.is_valid(r) for r in expected]
    assert {"i": "int64", "f": "double", "b": "bool", "t": "string"}.items() <= types_of(
        table
    ).items()


def test_a_row_of_too_few_or_too_many_cells_is_none() -> None:
    judge = of(a=INTEGER)
    table = read("a,b\n1,x\nsesame\n\n2,y,z\n3,x\n", judge)
    report = ArrowPlan(judge).validate(table)
    found = {row: violation for row, [violation] in report.violations()}
    assert (report.rows, sorted(found)) == (4, [1, 2])
    assert found[1].message == "the row has 1 cells, the header 2"
    assert {str(reason): n for reason, n in report.reasons.items()} == {"csv at (root)": 2}
    assert judged_rows(table)[1:3] == ["sesame", "2,y,z"]
    assert "sesame" not in str(report)


def test_no_schema_makes_a_row_of_what_is_none() -> None:
    table = read("a,b\n1\n", None)
    assert mask(table, validator(True)) == [False]


def test_text_may_hold_lines_and_quotes_across_blocks() -> None:
    texts = [f'one, "two"\n{n}\n' for n in range(200)]
    text = io.StringIO()
    csv.writer(text).writerows([["n", "text"], *enumerate(texts)])
    with blocks_of(256):
        table = read(text.getvalue(), of(n=INTEGER, text=TEXT))
    assert table["text"].to_pylist() == [t.replace("\n", "\n") for t in texts]


def test_a_row_may_be_longer_than_arrow_takes_by_itself() -> None:
    long = "x" * (3 << 20)
    assert read(f"n,text\n1,{long}\n2,short\n", of(text=TEXT))["text"][0].as_py() == long


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2"], "int64"),
        (["1", "0"], "int64"),
        (["1.5", "nan"], "string"),
        (["1", "", "2.5"], "double"),
        (["1", "x"], "string"),
        (["true", "False"], "bool"),
        (["2024-01-01", "2024-02-29"], "date32[day]"),
        (["2024-01-01T10:00:00Z"], "timestamp[s, tz=UTC]"),
        (["2024-01-01 10:00:00"], "timestamp[s]"),
        (["2024-01-01", "soon"], "string"),
        (["", ""], "null"),
    ],
)
def test_what_the_schema_does_not_speak_of_is_what_all_of_its_cells_are(
    cells: list[str], kind: str
) -> None:
    filler = "," * 30 + "\n"
    rows = "".join(f"{cell}{filler}" for cell in cells for _ in range(20))
    header = ",".join(["x", *(f"empty{n}" for n in range(30))])
    for judge in (None, of(other=INTEGER), validator({"type": "object"})):
        with blocks_of(512):
            table = read(f"{header}\n{rows}", judge)
        assert types_of(table)["x"] == kind
        assert overrides_of(table) == {}


def test_where_the_schema_allows_numbers_and_words_each_cell_is_judged_as_what_it_is() -> None:
    judge = of(mass=NUMBER_OR_NA)
    table = read("mass\n3750\nNA\n-1\nsoon\n2.5\nnan\n", judge)
    assert mask(table, judge) == [True, True, False, False, True, False]
    assert types_of(table) == {"mass": "string"}
    assert kept_columns(table)["mass"].to_pylist() == ["3750", "NA", "-1", "soon", "2.5", "nan"]
    assert types_of(read("mass\n3750\n2.5\n", judge)) == {"mass": "double"}
    mostly_numbers = read("mass\n1\n2\n3\nnan\nNA\n", judge)
    assert mask(mostly_numbers, judge) == [True, True, True, False, True]
    assert judged_rows(mostly_numbers)[3] == {"mass": "nan"}
    mostly_words = read("mass\nNA\nNA\n-1\n", judge)
    assert mask(mostly_words, judge) == [True, True, False]
    assert judged_rows(mostly_words)[2] == {"mass": -1}


def test_a_column_may_hold_three_kinds_of_cells() -> None:
    judge = of(x={"enum": [1.5, 2, True, "01x"]})
    table = read("x\n1.5\n2\ntrue\n01x\nfalse\n3\n", judge)
    assert mask(table, judge) == [True, True, True, True, False, False]
    assert judged_rows(table)[2:4] == [{"x": True}, {"x": "01x"}]


@pytest.mark.parametrize(
    "said", [{}, {"minLength": 5}, {"type": ["string", "integer"]}, {"description": "zip"}]
)
def test_text_of_digits_stays_where_text_may_stand(said: Any) -> None:
    table = read("zip,n\n01234,1\n00501,2\n", of(zip=said))
    assert kept_columns(table)["zip"].to_pylist() == ["01234", "00501"]


def test_one_is_no_true_where_a_number_may_stand() -> None:
    judge = of(a={"type": ["integer", "boolean"], "minimum": 2})
    for others in ("", "true\n", "0\ntrue\nfalse\n"):
        assert mask(read(f"a\n1\n{others}", judge), judge)[0] is False


@pytest.mark.parametrize(
    "body",
    [
        {"$schema": DRAFT_7, "dependencies": {"a": {"properties": {"b": INTEGER}}}},
        {"enum": [{"a": 1, "b": 1}, {"a": 1, "b": 2}]},
        {"then": {"allOf": 5}, "$schema": "http://json-schema.org/draft-04/schema#"}
        | {"properties": {"b": INTEGER}},
        {"$schema": DRAFT_7, "dependentSchemas": ["b"], "properties": {"b": INTEGER}},
    ],
)
def test_a_word_costs_one_row_however_the_schema_speaks_of_the_column(body: Any) -> None:
    judge = validator(body)
    assert mask(read("a,b\n1,1\n1,x\n1,2\n", judge), judge) == [True, False, True]


def test_not_a_number_is_one_that_no_schema_allows() -> None:
    judge = of(x=NUMBER)
    assert mask(read("x\n1\nNaN\ninf\n", judge), judge) == [True, False, False]
    assert mask(read("x\n1\nNaN\nword\n", judge), judge) == [True, False, False]


def test_a_file_cannot_say_by_itself_what_its_rows_are_judged_as(tmp_path: Path) -> None:
    from pyarrow import parquet

    judge = of(n={"type": "integer", "minimum": 0})
    batch = with_overrides(pa.record_batch({"n": [1]}), {0: {"n": "word"}})
    assert mask(pa.Table.from_batches([batch]), judge) == [False]
    parquet.write_table(pa.Table.from_batches([batch]), tmp_path / "rows.parquet")
    [table] = read_tables(tmp_path / "rows.parquet", validator=judge)
    assert table.num_columns == 2
    assert mask(table, judge) == [True]


def test_a_valid_cell_that_its_column_cannot_hold_is_an_error_loudly() -> None:
    batch = with_overrides(pa.record_batch({"n": pa.array([None], pa.int64())}), {0: {"n": "word"}})
    with pytest.raises(ArrowMismatch, match="'n'"):
        mask(pa.Table.from_batches([batch]), of(n=TEXT))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.csv cannot be read: Empty CSV file"),
        (b"a,\xe9\n1,sesame\n", "rows.csv cannot be read: its column names are no UTF-8"),
        (b'a,b\n1,"sesame' + b"x" * 4096, "rows.csv cannot be read: .*quotation mark"),
    ],
)
def test_a_file_that_is_no_csv_is_named_without_its_data(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with blocks_of(1024), pytest.raises(ConfigurationError, match=message) as error:
        list(read_tables(tmp_path / "rows.csv"))
    assert "sesame" not in str(error.value)


LATIN = b'n,s\n1,a\n2,caf\xe9\n3,b\xe9,c\n\n4,d\n\xff,"x,\xe9"\n5,\xef\xb7\x90\n-6,\xc3'


@pytest.mark.parametrize("before", [0, 3_000])
def test_a_byte_that_is_no_utf8_costs_its_row(tmp_path: Path, before: int) -> None:
    header, _, rest = LATIN.partition(b"\n")
    path = tmp_path / "rows.csv"
    path.write_bytes(header + b"\n" + "7,é\n".encode() * before + rest)
    judge = of(n={"type": "integer", "minimum": 0}, s=TEXT)
    with blocks_of(1024):
        table = pa.concat_tables(read_tables(path, validator=judge))
    report = ArrowPlan(judge).validate(table)
    bad = [1, 2, 4, 6]
    assert report.failures["row"].to_pylist() == [before + row for row in bad]
    assert [str(reason) for reason in report.reasons] == ["csv at (root)"]
    aside = [judged_rows(table.slice(before + row, 1))[0] for row in bad]
    assert aside == [r"2,caf\xe9", r"3,b\xe9,c", r'\xff,"x,\xe9"', r"-6,\xc3"]
    kept = kept_columns(table).filter(report.mask)
    assert kept["s"].to_pylist() == ["é"] * before + ["a", "d", "\ufdd0"]
    messages = {found[0].message for _, found in report.violations()}
    assert messages == {"the row is no UTF-8", "the row has 3 cells, the header 2"}


@settings(max_examples=40)
@given(
    st.lists(st.binary(max_size=5) | st.text(max_size=4).map(str.encode), min_size=1, max_size=6),
    st.integers(1, 9),
)
def test_bytes_come_out_of_a_marked_stream_as_they_stand(pieces: list[bytes], size: int) -> None:
    data = "\ufdd0é".encode().join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bytes"
        path.write_bytes(data)
        with MarkedStream(path) as stream:
            read = list(iter(lambda: stream.read(size), b""))
    assert max(map(len, read), default=0) <= size
    text, is_utf8 = unmarked(b"".join(read).decode())
    assert text == data.decode("utf-8", "backslashreplace")
    try:
        assert data.decode() == text
        assert is_utf8
    except UnicodeDecodeError:
        assert not is_utf8


DIALECTS: dict[str, tuple[str, str, CsvDialect]] = {
    "tabs by name": ("rows.tsv", 'n\ts\n1\t"x\ty"\n\n-2\t"z"\n', CsvDialect()),
    "tabs by another name": ("rows.TAB", "\ufeffn\ts\n1\t'x\ty'\n-2\tz\n", CsvDialect(None, "'")),
    "bars": ("rows.psv", "n|s\n1|'x\ty'\n-2|z\n", CsvDialect(quotechar="'")),
    "semicolons": ("rows.csv", 'n;s\n1;"x\ty"\n-2;z\n', CsvDialect(";")),
    "other quotes": ("rows.csv", "n;s\n'1';'x\ty'\n-2;'z'\n", CsvDialect(";", "'")),
    "tabs in csv": ("rows.csv", 'n\ts\n1\t"x\ty"\n-2\tz\n', CsvDialect("\t")),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_cells_are_told_apart_by_the_files_name_or_as_one_says(tmp_path: Path, name: str) -> None:
    file, text, dialect = DIALECTS[name]
    path = tmp_path / file
    path.write_text(text, newline="")
    judge = of(n={"type": "integer", "minimum": 0})
    table = pa.concat_tables(read_tables(path, validator=judge, dialect=dialect))
    assert kept_columns(table).to_pylist() == [{"n": 1, "s": "x\ty"}, {"n": -2, "s": "z"}]
    assert mask(table, judge) == [True, False]


def test_without_quotes_a_quotation_mark_is_a_character(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_bytes(b'n\ts\n1\t"open\n2\t5" wide\n3\tx\ty"\n4\t\xe9"\n')
    judge = of(n=INTEGER)
    [table] = read_tables(path, validator=judge, dialect=CsvDialect(quotechar=""))
    assert mask(table, judge) == [True, True, False, False]
    assert kept_columns(table)["s"].to_pylist()[:2] == ['"open', '5" wide']
    assert judged_rows(table)[2:] == ['3\tx\ty"', '4\t\\xe9"']


def test_a_header_in_another_dialect_is_no_single_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("n;s\n1;a\n")
    with pytest.raises(ConfigurationError, match="say delimiter=';'; if not, delimiter=','"):
        list(read_tables(path, validator=of(n=INTEGER)))
    [table] = read_tables(path, dialect=CsvDialect(","))
    assert kept_columns(table).to_pylist() == [{"n;s": "1;a"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"delimiter": "é"},
        {"delimiter": "\n"},
        {"quotechar": "''"},
        {"quotechar": 1},
        {"delimiter": "'", "quotechar": "'"},
    ],
    ids=str,
)
def test_a_dialect_is_of_single_characters(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^(delimiter|quotechar) "):
        CsvDialect(**wrong)


def admitted(body: Any, **resources: Any) -> set[str] | None:
    found = admitted_types(validator(body, **resources), "x")
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("body", "types"),
    [
        (True, None),
        ({"properties": {"y": INTEGER}}, None),
        ({"properties": {"x": INTEGER}}, {"integer"}),
        ({"properties": {"x": NUMBER}}, {"integer", "number"}),
        ({"properties": {"x": {"type": ["string", "null"]}}}, {"string", "null"}),
        ({"properties": {"x": {"enum": ["01", None]}}}, {"string", "null"}),
        ({"properties": {"x": {"const": 2.0}}}, {"integer"}),
        ({"properties": {"x": NUMBER_OR_NA}}, {"integer", "number", "string"}),
        ({"properties": {"x": {"allOf": [NUMBER, {"type": ["integer", "string"]}]}}}, {"integer"}),
        ({"properties": {"x": {"$ref": "#/$defs/i"}}, "$defs": {"i": INTEGER}}, {"integer"}),
        ({"$ref": "#/$defs/row", "$defs": {"row": {"properties": {"x": TEXT}}}}, {"string"}),
        (
            {"properties": {"x": {"$ref": "#n"}}, "$defs": {"t": {"$anchor": "n", **TEXT}}},
            {"string"},
        ),
        (
            {"properties": {"x": {"$ref": "a/t"}}, "$defs": {"t": {"$id": "a/t", **TEXT}}},
            {"string"},
        ),
        (
            {"$schema": DRAFT_7, "properties": {"x": {"$ref": "#n"}}}
            | {"definitions": {"t": {"$id": "#n", **TEXT}}},
            {"string"},
        ),
        (
            {"$id": "http://a.example/b", "allOf": [{"$id": "c", "properties": {"x": TEXT}}]},
            {"string"},
        ),
        (
            {"properties": {"x": {"anyOf": [{"$ref": "#/$defs/i"}, {"$ref": "#/$defs/i"}]}}}
            | {"$defs": {"i": INTEGER}},
            {"integer"},
        ),
        ({"allOf": [{"properties": {"x": TEXT}}, {"minProperties": 1}]}, {"string"}),
        (
            {"oneOf": [{"properties": {"x": TEXT}}, {"properties": {"x": BOOLEAN}}]},
            {"string", "boolean"},
        ),
        ({"additionalProperties": NUMBER}, {"integer", "number"}),
        ({"properties": {"x": {"type": "array"}}}, {"array"}),
    ],
)
def test_the_schema_says_what_stands_in_a_column(body: Any, types: set[str] | None) -> None:
    assert admitted(body) == types


EVERYTHING = {"array", "boolean", "integer", "null", "number", "object", "string"}


@pytest.mark.parametrize(
    "body",
    [
        {"anyOf": [{"properties": {"x": TEXT}}, {}]},
        {"properties": {"x": {"$ref": "#/properties/x"}}},
        {"$ref": "#"},
        {
            "$dynamicRef": "#row",
            "$defs": {"row": {"$dynamicAnchor": "row", "properties": {"x": TEXT}}},
        },
        {"if": {"required": ["y"]}, "then": {"properties": {"x": TEXT}}},
        {"not": {"properties": {"x": TEXT}}},
        {"dependentSchemas": {"y": {"properties": {"x": TEXT}}}},
        {"unevaluatedProperties": NUMBER},
        {"properties": {"x": {"$ref": "#/definitions/a", "const": 1}}, "definitions": {"a": {}}}
        | {"$schema": DRAFT_7},
    ],
)
def test_where_it_is_not_sure_each_cell_counts_as_what_it_is(body: Any) -> None:
    assert admitted(body) == EVERYTHING


def test_patterns_and_what_they_leave_over_are_told_apart_as_the_engine_does() -> None:
    body = {"patternProperties": {"^\\p{Lu}": NUMBER}, "additionalProperties": TEXT}
    assert admitted(body) == {"string"}
    assert admitted_types(validator(body), "Xx") == frozenset({"integer", "number"})
    judge = validator({"patternProperties": {"^n": INTEGER}, "additionalProperties": TEXT})
    assert mask(read("n1,t\n1,2\nx,3\n2,x\n", judge), judge) == [True, False, True]


def test_a_reference_to_another_schema_is_followed() -> None:
    body = {"properties": {"x": {"$ref": "whole"}}}
    assert admitted(body, whole=INTEGER) == {"integer"}
