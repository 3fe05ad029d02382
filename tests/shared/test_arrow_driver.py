"""What Ray and Spark share: what travels to workers, and what their driver makes of the answers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from llm_integrations.core.arrow import VerdictCounts
from llm_integrations.core.arrow.driver import JudgedData, Unique, WorkerJudge
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.unique import rows
from llm_integrations.core.arrow.unique.rows import Condemning, KeyDigests, PartTask
from llm_integrations.core.errors import ConfigurationError, SchemaValidationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 1}}}


class Judge(WorkerJudge):
    """As an adapter makes one."""

    module: ClassVar[str] = "test-workers"


class Judged(JudgedData["pa.Table"]):
    def quarantine(self, folder: Path) -> int:
        found = self.judged.filter(pc.invert(self.judged.column(self.by.valid)))
        return self._set_aside([found.drop_columns([self.by.valid])], folder, "rows")


class JudgedParts(JudgedData["list[pa.Table]"]):
    """Parts that are judged one after the other, each cut into batches of two rows."""

    def _answers(self, task: KeyDigests) -> Iterator[pa.RecordBatch]:
        yield from (answer for answers in self._run(task) for answer in answers)

    def _changed(self, task: Condemning) -> list[pa.Table]:
        schema = self.judged[0].schema
        return [pa.Table.from_batches(batches, schema) for batches in self._run(task)]

    def _run(self, task: PartTask) -> Iterator[list[pa.RecordBatch]]:
        for part, table in enumerate(self.judged):
            batches = table.to_batches(max_chunksize=2)
            yield [task(batch, part, 2 * number) for number, batch in enumerate(batches)]

    def rows(self, *, valid: bool) -> list[list[object]]:
        found = [table.filter(pc.equal(table[self.by.valid], valid)) for table in self.judged]
        return [table.column(0).to_pylist() for table in found]


def held(
    judge: WorkerJudge, *parts: pa.Table, unique: Unique, max_invalid: float | None = None
) -> JudgedParts:
    keys = judge.keys(unique, max_invalid, lambda: parts[0].column_names)
    tables = [judge.annotate(part) for part in parts]
    counts = [row for table in tables for row in judge.counts(table).to_pylist()]
    return JudgedParts(tables, judge.total(counts), judge).held_to(keys, max_invalid)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("row", SCHEMA)
        yield client


def test_what_travels_is_the_schema_and_no_registry(registry: Registry) -> None:
    sent = pickle.dumps(Judge("row", registry=registry))
    assert b"maximum" in sent
    assert b"core.registry" not in sent
    assert b"memory://" not in sent
    registry.register("row", {"type": "object"})
    arrived = pickle.loads(sent)
    assert arrived.reference == "row@1"
    assert arrived.annotate(pa.table({"n": [1, 2]}))["schema_valid"].to_pylist() == [True, False]


def test_counts_of_all_workers_add_up_and_so_do_the_metrics(registry: Registry) -> None:
    judge = Judge("row", registry=registry, valid="ok", errors="why")
    parts = [judge.annotate(pa.table({"n": numbers})) for numbers in ([0, 1], [2, 3, 0], [])]
    answers = [row for part in parts for row in judge.counts(part).to_pylist()]
    total = judge.total(answers)
    assert (total.rows, total.valid, total.schema) == (5, 3, "row@1")
    assert {str(reason): n for reason, n in total.reasons.items()} == {"maximum at /n": 2}
    labels = {"module": "test-workers", "subject": "row", "side": "input"}
    counted = {
        outcome: REGISTRY.get_sample_value(
            "llm_integrations_validation_total", {**labels, "outcome": outcome}
        )
        for outcome in ("valid", "invalid")
    }
    assert counted == {"valid": 3.0, "invalid": 2.0}


def test_nothing_judged_is_valid(registry: Registry) -> None:
    assert Judge("row", registry=registry).total([])


def test_invalid_rows_are_set_aside_once(registry: Registry, tmp_path: Path) -> None:
    judge = Judge("row", registry=registry)
    table = judge.annotate(pa.table({"n": [1, 2, 2]}))
    judged = Judged(table, judge.total(judge.counts(table).to_pylist()), judge)
    assert not judged
    assert judged.quarantine(tmp_path / "bad") == 2
    assert judged.quarantine(tmp_path / "bad") == 2
    assert [record.value for record in Quarantine(tmp_path / "bad").records()] == [{"n": 2}] * 2


@pytest.mark.parametrize(("valid", "errors"), [("v", "v"), ("", "e"), ("v", "")])
def test_the_verdict_needs_two_columns(registry: Registry, valid: str, errors: str) -> None:
    with pytest.raises(ConfigurationError, match="two columns"):
        Judge("row", registry=registry, valid=valid, errors=errors)


def test_of_rows_with_the_same_key_the_first_of_all_parts_stays(registry: Registry) -> None:
    judge = Judge("row", registry=registry)
    parts = [
        pa.table({"n": pa.array(numbers, pa.int64())})
        for numbers in ([5, 1, 0, 1], [], [None, 0, None, -1, -1])
    ]
    result = held(judge, *parts, unique="n")
    assert result.rows(valid=True) == [[1, 0], [], [None, None, -1]]
    assert result.rows(valid=False) == [[5, 1], [], [0, -1]]
    reasons = {str(reason): rows for reason, rows in result.report.reasons.items()}
    assert (result.report.valid, reasons) == (5, {"unique at /n": 3, "maximum at /n": 1})
    again = VerdictCounts.from_dict(result.report.to_dict())
    assert again == result.report


@given(
    st.lists(st.lists(st.sampled_from([0, 1, -1, -2, 5, None]), max_size=6), min_size=1, max_size=4)
)
@settings(max_examples=20, deadline=None)
def test_parts_lose_the_rows_that_one_data_set_loses(parts: list[list[int | None]]) -> None:
    with connect("memory://") as registry:
        registry.register("row", SCHEMA)
        judge = Judge("row", registry=registry)
        tables = [pa.table({"n": pa.array(part, pa.int64())}) for part in parts]
        result = held(judge, *tables, unique="n")
    seen: set[int] = set()
    for part, kept in zip(parts, result.rows(valid=True), strict=True):
        expected = []
        for n in part:
            if n is None or (n <= 1 and n not in seen):
                expected.append(n)
                seen |= set() if n is None else {n}
        assert kept == expected


@pytest.mark.parametrize(
    ("key", "reason", "kept"),
    [
        ("/meta/id", "unique at /meta/id", [1, 0, -1]),
        ([("text", "/meta/id")], "unique text, /meta/id at (root)", [1, 0, -1]),
        ("raw", "unique at /raw", [1, 0, -2]),
        ("/raw/a", "unique at /raw/a", [1, 0, -2]),
        ("list", "unique at /list", [1, 0]),
        ("bytes", "unique at /bytes", [1, 0]),
        ("number", "unique at /number", [1, 0, -1]),
        (["number", "list"], "unique at /number", [1, 0]),
    ],
)
def test_a_key_is_a_column_of_any_type_a_member_or_several(
    registry: Registry, key: Unique, reason: str, kept: list[int]
) -> None:
    table = pa.table(
        {
            "n": [1, 0, -1, -2],
            "text": ["a", "a", "a", "a"],
            "meta": [{"id": "x"}, {"id": "y"}, {"id": "z"}, {"id": "z"}],
            "raw": ['{"a": 1, "b": 2}', '{"a": 2}', '{"b": 2, "a": 1.0}', '{"a": 3}'],
            "list": [[1], [2], [1], [1]],
            "bytes": [b"\xff", b"", b"\xff", b""],
            "number": [-0.0, 1.0, 2.0, 0.0],
        }
    )
    judge = Judge("row", registry=registry, json_columns=["raw"])
    result = held(judge, table.slice(0, 2), table.slice(2), unique=key)
    assert [n for part in result.rows(valid=True) for n in part] == kept
    assert reason in {str(found) for found in result.report.reasons}


def test_keys_are_members_of_the_rows_that_lines_hold(registry: Registry) -> None:
    judge = Judge("row", registry=registry, lines="text")
    lines = ['{"n": 1, "a": {"b": 7}}', "{broken", '{"n": 0}', '{"n": 1.0, "a": {"b": 8}}']
    table = pa.table({"text": lines})
    result = held(judge, table.slice(0, 1), table.slice(1), unique="n")
    assert result.rows(valid=True) == [[lines[0]], [lines[2]]]
    assert held(judge, table, unique="/a/b").report.valid == 3
    unknown = held(judge, table, unique="m").report
    assert unknown.warnings == ("unique: no row has a value at m",)


def test_no_schema_releases_what_a_key_condemned(registry: Registry, tmp_path: Path) -> None:
    judge = Judge("row", registry=registry)
    result = held(judge, pa.table({"n": [1, 1, 2]}), unique="n")
    registry.register("row", {})
    table = pa.concat_tables(result.judged)
    assert Judged(table, result.report, judge).quarantine(tmp_path) == 2
    released: list[object] = []
    Quarantine(tmp_path).release(registry.validator("row@2"), released.extend)
    assert [record.value for record in Quarantine(tmp_path).records()] == [{"n": 1}]


def test_keys_are_asked_for_in_rounds_where_they_are_many(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_AT_ONCE", 10)
    judge = Judge("row", registry=registry)
    parts = [pa.table({"n": list(range(-start, -start - 60, -1))}) for start in (0, 30)]
    result = held(judge, *parts, unique="n")
    assert result.rows(valid=True) == [list(range(0, -60, -1)), list(range(-60, -90, -1))]


@pytest.mark.parametrize("key", ["n", "c"])
@pytest.mark.parametrize("kind", [pa.string_view(), pa.list_(pa.string_view())], ids=str)
def test_rows_of_views_have_keys_and_may_be_beside_them(
    registry: Registry, kind: pa.DataType, key: str
) -> None:
    items: list[Any] = ["a", "a", "b"] if kind == pa.string_view() else [["a"], ["a"], ["b"]]
    table = pa.table({"n": [0, 0, 1], "c": pa.array(items, kind)})
    assert held(Judge("row", registry=registry), table, unique=key).report.invalid == 1


@pytest.mark.parametrize(("share", "passes"), [(0.24, False), (0.25, True), (0, False)])
def test_a_run_fails_above_the_share_that_may_be_invalid(
    registry: Registry, share: float, passes: bool
) -> None:
    judge = Judge("row", registry=registry)
    table = pa.table({"n": [1, 0, -1, -1]})
    if passes:
        assert held(judge, table, unique="n", max_invalid=share).report.invalid == 1
        return
    with pytest.raises(SchemaValidationError, match=r"1 of 4 rows \(25\.00%\)") as caught:
        held(judge, table, unique="n", max_invalid=share)
    assert caught.value.report is not None
    assert caught.value.report.errors[0].keyword == "unique"


def test_a_share_that_is_reached_exactly_is_allowed(registry: Registry) -> None:
    table = pa.table({"n": [*range(-70, 0), *[1] * 30]})
    result = held(Judge("row", registry=registry), table, unique="n", max_invalid=0.29)
    assert result.report.invalid == 29


def test_what_cannot_be_asked_is_refused_before_anything_is_judged(registry: Registry) -> None:
    judge = Judge("row", registry=registry)
    for key in ("x", "/x/n", [("n", "x")]):
        with pytest.raises(ConfigurationError, match="unique: there is no column"):
            judge.keys(key, None, lambda: ["n"])
    wrong: Any
    for wrong in (1, [()], [1]):
        with pytest.raises(ConfigurationError, match="unique takes names"):
            judge.keys(wrong, None, lambda: ["n"])
    for wrong in (-0.1, 1, True, "1", float("nan")):
        with pytest.raises(ConfigurationError, match="a share from 0"):
            judge.keys(None, wrong, lambda: ["n"])
