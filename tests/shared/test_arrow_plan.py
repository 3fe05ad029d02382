"""What a plan does with tables, and how it travels."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llm_integrations.core.arrow import (
    ArrowPlan,
    Reason,
    VerdictCounts,
    compile_arrow,
    plan_for,
)
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    ArrowMismatch,
    ConfigurationError,
    InvalidSchema,
    SchemaNotFound,
    SchemaValidationError,
)
from llm_integrations.core.registry import connect

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "email": {"format": "email"},
    },
    "required": ["id"],
}
TABLE = pa.table(
    {
        "id": [1, 0, 2, None],
        "tags": [["a"], ["", "b", ""], None, []],
        "email": ["a@b.co", "a@b.co", "nothing", None],
    }
)


@pytest.fixture
def plan() -> ArrowPlan:
    return compile_arrow(SCHEMA, reference="row@1")


def test_a_mask_says_which_rows_are_valid(plan: ArrowPlan) -> None:
    mask = plan.mask(TABLE)
    assert mask.type == pa.bool_()
    assert mask.to_pylist() == [True, False, False, False]
    assert plan.mask(TABLE.to_batches()[0]) == mask


def test_a_report_says_what_is_wrong_in_the_validators_words(plan: ArrowPlan) -> None:
    report = plan.validate(TABLE)
    assert (report.rows, report.valid, report.invalid) == (4, 1, 3)
    assert not report
    assert (report.schema, report.nulls) == ("row@1", "absent")
    assert report.fingerprint == plan.fingerprint
    found = dict(report.violations())
    rows = TABLE.to_pylist()
    assert {number: list(what) for number, what in found.items()} == {
        number: list(plan.validator.validate(rows[number]).errors) for number in (1, 2, 3)
    }
    assert report.reasons == {
        Reason("/id", "minimum"): 1,
        Reason("/tags/*", "minLength"): 1,
        Reason("/email", "format"): 1,
        Reason("/id", "type"): 1,
    }


def test_messages_quote_data_only_if_asked_for() -> None:
    table = pa.table({"id": [1], "email": ["secret-text"]})
    assert "secret" not in str(compile_arrow(SCHEMA).validate(table).failures)
    options = ValidationOptions(show_values=True, nulls="absent")
    shown = compile_arrow(SCHEMA, options=options).validate(table)
    assert "secret-text" in shown.failures.column("reasons")[0].as_py()


def test_a_split_loses_no_row(plan: ArrowPlan) -> None:
    split = plan.split(TABLE)
    assert split.valid.to_pylist() == TABLE.take([0]).to_pylist()
    assert split.invalid.to_pylist() == TABLE.take([1, 2, 3]).to_pylist()
    assert len(split.reasons) == 3
    assert [text[:9] for text in split.reasons.to_pylist()] == [
        '[["/id", ',
        '[["/email',
        '[["/id", ',
    ]
    whole = plan.split(TABLE.slice(0, 1))
    assert whole.report
    assert (whole.valid.num_rows, whole.invalid.num_rows, len(whole.reasons)) == (1, 0, 0)
    assert plan.split(TABLE.to_batches()[0]).invalid.num_rows == 3


def test_annotated_rows_carry_their_verdict_and_can_be_counted_in_parts(plan: ArrowPlan) -> None:
    annotated = plan.annotate(TABLE)
    assert annotated.schema.names == ["id", "tags", "email", "schema_valid", "schema_errors"]
    assert annotated["schema_valid"].to_pylist() == [True, False, False, False]
    assert annotated["schema_errors"].null_count == 1
    parts = [plan.tally(annotated.slice(n, 1)) for n in range(4)]
    total = sum(parts[1:], parts[0])
    report = plan.validate(TABLE)
    assert (total.rows, total.valid, total.schema) == (4, 1, "row@1")
    assert total.reasons == report.reasons
    assert VerdictCounts.from_dict(json.loads(total.to_json())) == total
    batch = plan.annotate(TABLE.to_batches()[0], valid="ok", errors="why")
    assert isinstance(batch, pa.RecordBatch)
    assert batch.schema.names[-2:] == ["ok", "why"]
    with pytest.raises(ConfigurationError, match="'schema_valid'"):
        plan.annotate(annotated)


def test_a_table_without_rows_is_valid(plan: ArrowPlan) -> None:
    empty = TABLE.slice(0, 0)
    report = plan.validate(empty)
    assert report
    assert report.failures.num_rows == 0
    assert len(plan.mask(empty)) == 0
    assert plan.annotate(empty).num_rows == 0
    assert plan.tally(plan.annotate(empty)).rows == 0
    assert plan.split(empty).valid.num_rows == 0


def test_a_table_without_columns_has_no_rows_to_judge(plan: ArrowPlan) -> None:
    assert len(plan.mask(pa.table({}))) == 0
    assert plan.annotate(pa.table({})).num_rows == 0
    with pytest.raises(ConfigurationError, match="without columns"):
        plan.mask(TABLE.select([]))


@pytest.mark.parametrize("threads", [1, 3, None])
def test_large_and_crumbly_tables_are_judged_in_order(threads: int | None) -> None:
    plan = compile_arrow({"properties": {"n": {"multipleOf": 7}}}, threads=threads)
    numbers = np.arange(300_000)
    whole = pa.table({"n": numbers})
    expected = (numbers % 7 == 0).tolist()
    assert plan.mask(whole).to_pylist() == expected
    crumbs = pa.concat_tables([whole.slice(n, 1_000) for n in range(0, 300_000, 1_000)])
    assert plan.mask(crumbs).to_pylist() == expected
    report = plan.validate(crumbs, max_failures=100)
    assert report.failures.column("row").to_pylist() == [n for n in range(300) if n % 7][:100]
    assert report.unexplained == report.invalid - 100
    assert sum(report.reasons.values()) == 100


def test_a_mask_that_the_validator_does_not_share_is_a_loud_error(
    plan: ArrowPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_integrations.core.arrow.compile import table

    def all_bad(self: Any, batch: Any) -> Any:
        return np.zeros(batch.num_rows, np.bool_)

    monkeypatch.setattr(table.CompiledTable, "run", all_bad)
    with pytest.raises(ArrowMismatch, match="row 0: the columns of row@1"):
        plan.validate(TABLE)


def test_what_is_no_table_is_refused(plan: ArrowPlan) -> None:
    for data in ([{"id": 1}], {"id": [1]}, None, pa.array([1])):
        for judge in (plan.mask, plan.validate, plan.split, plan.annotate):
            with pytest.raises(ConfigurationError, match="pyarrow Table"):
                judge(data)


def test_two_columns_of_one_name_are_refused(plan: ArrowPlan) -> None:
    twins = pa.table([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(ConfigurationError, match="two columns of the name 'id'"):
        plan.mask(twins)


def test_a_document_that_is_no_schema_is_refused_at_once() -> None:
    with pytest.raises(InvalidSchema):
        compile_arrow({"type": "no-such-type"})


def test_a_schema_that_is_true_or_false_judges_all_rows_alike() -> None:
    assert compile_arrow(True).mask(TABLE).to_pylist() == [True] * 4
    assert compile_arrow(False).mask(TABLE).to_pylist() == [False] * 4
    assert compile_arrow(False).validate(TABLE).invalid == 4


# -- JSON columns ----------------------------------------------------------------------------


def test_json_text_is_judged_as_what_it_says() -> None:
    schema = {
        "properties": {"extra": {"type": "object", "required": ["k"]}, "other": {"type": "string"}},
        "required": ["extra"],
    }
    texts = ['{"k": 1}', '{"k": NaN}', "[1]", "broken", "null", None, '{"k": null}']
    layouts = [pa.array(texts, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    layouts += [layouts[0].dictionary_encode(), layouts[0].cast(pa.json_())]
    for column in layouts:
        table = pa.table({"extra": column, "other": texts})
        plan = compile_arrow(schema, json_columns=["extra"])
        mask = [True, False, False, False, False, False, True]
        assert plan.mask(table).to_pylist() == mask
        why = {row: found[0].keyword for row, found in plan.validate(table).violations()}
        assert why == {1: "type", 2: "type", 3: "type", 4: "type", 5: "type"}
        assert "it is JSON text" in str(plan.explain(table.schema))


def test_a_json_column_holds_text_or_is_refused() -> None:
    plan = compile_arrow({}, json_columns=["extra", "elsewhere"])
    with pytest.raises(ConfigurationError, match="'extra' is int64, not text"):
        plan.mask(pa.table({"extra": [1]}))


def test_a_json_null_in_an_optional_column_counts_as_missing() -> None:
    schema = {"properties": {"extra": {"type": "object"}}, "maxProperties": 1}
    table = pa.table({"extra": ["null", None, "{}", "1"], "n": [1, 1, 1, 1]})
    plan = compile_arrow(schema, json_columns=["extra"])
    assert plan.mask(table).to_pylist() == [True, True, False, False]


def test_broken_json_is_a_violation_also_where_no_keyword_looks() -> None:
    table = pa.table({"extra": ["{", "{}"]})
    plan = compile_arrow({"type": "object"}, json_columns=["extra"])
    assert plan.mask(table).to_pylist() == [False, True]
    ((row, (violation,)),) = plan.validate(table).violations()
    assert (row, violation.path, violation.message) == (0, "/extra", "is not JSON text")


def test_broken_json_is_found_in_tables_that_are_judged_by_rows() -> None:
    table = pa.table({"extra": ["{", "{}"], "raw": [b"a", b"a"]})
    schema = {"anyOf": [{"properties": {"raw": {"type": "string"}}}, {"required": ["raw"]}]}
    plan = compile_arrow(schema, json_columns=["extra"], schema=table.schema)
    assert [note.how for note in plan.explain()] == ["by row"]
    assert plan.mask(table).to_pylist()[0] is False


# -- explaining ------------------------------------------------------------------------------


def test_explain_says_for_each_keyword_how_it_is_judged_and_why(plan: ArrowPlan) -> None:
    explanation = plan.explain(TABLE.schema)
    assert not explanation.is_vectorised
    hows = {(note.column, note.keyword): note.how for note in explanation}
    assert hows["/id", "minimum"] == "vectorised"
    assert hows["/tags/*", "minLength"] == "vectorised"
    assert hows["/id", "type"] == "decided"
    assert hows["/email", "format"] == "by distinct value"
    text = str(explanation)
    assert text.startswith("row@1 · nulls taken as absent")
    assert "only where a plain test does not accept" in text
    assert "\n(row)" in text


def test_explain_needs_to_know_the_columns(plan: ArrowPlan) -> None:
    with pytest.raises(ConfigurationError, match="Arrow schema"):
        plan.explain()
    assert list(compile_arrow(SCHEMA, schema=TABLE.schema).explain())


def test_explanations_and_reports_print_as_tables(plan: ArrowPlan) -> None:
    from rich.console import Console

    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115 - for all
    console.print(plan.explain(TABLE.schema))
    report = plan.validate(TABLE, max_failures=1)
    console.print(report)
    text = console.export_text()
    console.file.close()
    assert "vectorised" in text
    assert "1 valid, 3 invalid rows" in text
    assert "(not looked into)" in text
    assert str(report).startswith("1 of 4 rows satisfy row@1 (minimum at /id: 1")
    assert str(plan.validate(TABLE.slice(0, 1))) == "1 of 1 rows satisfy row@1"


def test_an_invalid_report_raises_with_the_counts(plan: ArrowPlan) -> None:
    with pytest.raises(SchemaValidationError, match="1 of 4 rows") as caught:
        plan.validate(TABLE).raise_if_invalid()
    assert {e.path for e in caught.value.report.errors} == {"/id", "/tags/*", "/email"}
    plan.validate(TABLE.slice(0, 1)).raise_if_invalid()


# -- travelling ------------------------------------------------------------------------------


def test_a_plan_pickles_as_its_schema_and_judges_on_arrival(plan: ArrowPlan) -> None:
    plan.mask(TABLE)
    arrived = pickle.loads(pickle.dumps(plan))
    assert arrived.validate(TABLE).to_dict() == plan.validate(TABLE).to_dict()
    assert (arrived.fingerprint, arrived.validator.reference) == (plan.fingerprint, "row@1")


_HASH = """
import hashlib, json, sys
import dill, pyarrow as pa
from llm_integrations.core.arrow import compile_arrow
for text in sys.argv[1:]:
    plan = compile_arrow(json.loads(text), reference="row@1", json_columns=["tags"])
    before = dill.dumps(plan)
    plan.explain(pa.schema([("id", pa.int64())]))
    assert dill.dumps(plan) == before, "using it changed its hash"
    print(hashlib.sha256(before).hexdigest())
"""


def test_the_hash_that_datasets_caches_by_is_the_same_in_every_process() -> None:
    dill = pytest.importorskip("dill")
    changed = {**SCHEMA, "required": ["id", "tags"]}
    command = [sys.executable, "-c", _HASH, json.dumps(SCHEMA), json.dumps(changed)]
    there = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    plan = compile_arrow(SCHEMA, reference="row@1", json_columns=["tags"])
    here = hashlib.sha256(dill.dumps(plan)).hexdigest()
    assert there[0] == here
    assert there[1] != here


def test_the_hash_changes_with_our_code(plan: ArrowPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_integrations.core.arrow import plan as module

    before = pickle.dumps(plan)
    monkeypatch.setattr(module, "_our_version", lambda: "999")
    assert pickle.dumps(plan) != before


def test_plans_of_one_validator_share_what_they_compiled() -> None:
    validator = compile_arrow(SCHEMA).validator
    assert ArrowPlan(validator)._running is ArrowPlan(validator, threads=1)._running


# -- from a registry -------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[Any]:
    with connect("memory://", validation=ValidationOptions(show_values=True)) as client:
        client.register("row", SCHEMA)
        yield client


def test_a_plan_for_a_reference_keeps_the_version_and_no_registry(registry: Any) -> None:
    plan = plan_for("row", registry=registry)
    registry.register("row", {"type": "object"})
    assert plan.validator.reference == "row@1"
    assert plan.validator.options == ValidationOptions(show_values=True, nulls="absent")
    assert plan.validate(TABLE).schema == "row@1"
    assert b"memory" not in pickle.dumps(plan)
    with pytest.raises(SchemaNotFound):
        plan_for("nowhere", registry=registry)
