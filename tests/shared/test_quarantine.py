"""Quarantine: nothing is lost, nothing stands there twice, and what became valid is released."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord, record_id_of
from llm_integrations.core.validation import Validator, compile_validator
from tests.support import quarantine_worker

STRICT = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
RELAXED = {"type": "object", "properties": {"n": {"type": "integer"}}}


def validator(body: dict[str, Any], version: int = 1) -> Validator:
    return compile_validator(body, subject="row", reference=f"row@{version}")


def bad(position: int, data: Any) -> QuarantinedRecord:
    report = validator(STRICT).validate(data)
    assert not report
    return QuarantinedRecord.of(data, report, source="train.jsonl", position=position)


@pytest.fixture(params=["jsonl", "parquet"])
def quarantine(tmp_path: Path, request: pytest.FixtureRequest) -> Quarantine:
    return Quarantine(tmp_path / "bad", request.param)


def test_a_record_comes_back_with_its_data_and_its_reason(quarantine: Quarantine) -> None:
    record = bad(7, {"n": -1, "text": "ä\u2028 \x00"})
    quarantine.add([record])
    [found] = quarantine.records()
    assert found == record
    assert found.value == {"n": -1, "text": "ä\u2028 \x00"}
    assert found.reason == "minimum at /n"


def test_lone_surrogates_survive(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": "\ud800"})])
    [found] = quarantine.records()
    assert json.dumps(found.value) in (r'{"n": "\ud800"}', r'{"n": "\\ud800"}')


def test_the_same_part_written_again_replaces_itself(quarantine: Quarantine) -> None:
    for _ in range(3):
        quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2})])
        quarantine.add([bad(3, {"n": -3})], part="train-000001")
    assert quarantine.count() == 3
    assert len(quarantine.parts()) == 2


def test_equal_data_at_two_places_is_two_records(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -1})])
    assert quarantine.count() == 2


def test_the_same_record_in_two_parts_counts_once(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1})], part="a")
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2})], part="b")
    assert quarantine.count() == 2


def test_nothing_to_set_aside_writes_nothing(quarantine: Quarantine) -> None:
    assert quarantine.add([]) is None
    assert not quarantine.folder.exists()
    assert quarantine.count() == 0


def test_others_cannot_read_it(quarantine: Quarantine) -> None:
    path = quarantine.add([bad(1, {"n": -1})])
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(quarantine.folder.stat().st_mode) == 0o700


def test_a_relaxed_schema_releases_what_became_valid(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": "two"})])
    quarantine.add([bad(3, {"n": -3})])
    released: list[QuarantinedRecord] = []
    result = quarantine.release(validator(RELAXED, 2), released.extend)
    assert (result.released, result.kept) == (2, 1)
    assert sorted(record.value["n"] for record in released) == [-3, -1]
    assert [record.value for record in quarantine.records()] == [{"n": "two"}]


def test_a_record_holds_all_that_came_and_is_judged_by_its_part(quarantine: Quarantine) -> None:
    for row in ({"n": -1}, {"n": "two"}):
        report, whole = validator(STRICT).validate(row), {"row": row, "photo": b"\x89\x00"}
        quarantine.add([QuarantinedRecord.of(row, report, whole=whole)])
    released: list[QuarantinedRecord] = []
    result = quarantine.release(validator(RELAXED, 2), released.extend)
    assert (result.released, result.kept) == (1, 1)
    assert [record.value for record in released] == [{"row": {"n": -1}, "photo": b"\x89\x00"}]
    assert [record.judged for record in quarantine.records()] == [{"n": "two"}]


def test_another_subjects_records_stay(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1})])
    other = compile_validator(True, subject="other", reference="other@1")
    assert quarantine.release(other, lambda _: None).released == 0
    assert quarantine.count() == 1


def test_a_crash_before_the_removal_hands_the_same_records_over_again(
    quarantine: Quarantine,
) -> None:
    quarantine.add([bad(1, {"n": -1})])
    got: list[str] = []

    def crash(records: Any) -> None:
        got.extend(record.record_id for record in records)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        quarantine.release(validator(RELAXED, 2), crash)
    assert quarantine.count() == 1
    quarantine.release(
        validator(RELAXED, 2), lambda rs: got.extend(record.record_id for record in rs)
    )
    assert len(got) == 2
    assert len(set(got)) == 1
    assert quarantine.count() == 0


def test_a_damaged_part_is_named(quarantine: Quarantine) -> None:
    path = quarantine.add([bad(1, {"n": -1})])
    assert path is not None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LLMIntegrationsError, match=path.name):
        quarantine.count()


def test_a_half_written_file_is_no_part(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1})])
    (quarantine.folder / ".part-x.jsonl.abc.tmp").write_bytes(b"{")
    assert quarantine.count() == 1


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "x" * 200])
def test_a_part_cannot_leave_the_folder(quarantine: Quarantine, name: str) -> None:
    with pytest.raises(ConfigurationError):
        quarantine.add([bad(1, {"n": -1})], part=name)


def test_reasons_are_counted(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2}), bad(3, {"n": "x"})])
    assert quarantine.reasons() == {"minimum at /n": 2, "type at /n": 1}


def test_a_record_counts_once_for_each_reason_whatever_the_place_in_a_list(
    quarantine: Quarantine,
) -> None:
    body = {"properties": {"n": {"type": "integer"}, "tags": {"items": {"type": "string"}}}}
    for number, row in enumerate([{"n": "x", "tags": [1, 2]}, {"tags": ["a", 3]}]):
        report = validator(body).validate(row)
        quarantine.add([QuarantinedRecord.of(row, report, position=number)])
    assert quarantine.reasons() == {"type at /n": 1, "type at /tags/*": 2}


# -- what changes while records are released ----------


def test_what_is_set_aside_again_while_it_is_released_is_not_lost(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1})])
    quarantine.add([bad(2, {"n": -2}), bad(3, {"n": "x"})])
    again = {1: bad(1, {"n": -1})}

    def into(records: Sequence[QuarantinedRecord]) -> None:
        quarantine.add([again[r.position] for r in records if r.position in again])

    assert quarantine.release(validator(RELAXED, 2), into).released == 2
    assert {record.position for record in quarantine.records()} == {1, 3}


def test_the_very_same_records_set_aside_again_are_not_lost(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2})], part="train-000001")

    def into(records: Sequence[QuarantinedRecord]) -> None:
        quarantine.add(records, part="train-000001")

    assert quarantine.release(validator(RELAXED, 2), into).released == 2
    assert quarantine.count() == 2


def test_a_record_that_lies_in_two_parts_is_handed_over_once(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1})], part="a")
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": "x"})], part="b")
    released: list[QuarantinedRecord] = []
    assert quarantine.release(validator(RELAXED, 2), released.extend).released == 1
    assert [record.position for record in released] == [1]
    assert [record.position for record in quarantine.records()] == [2]


def test_a_part_that_another_process_took_away_is_no_error(quarantine: Quarantine) -> None:
    paths = [quarantine.add([bad(n, {"n": -n})], part=f"p{n}") for n in (1, 2)]

    def into(records: Sequence[QuarantinedRecord]) -> None:
        for path in paths:
            assert path is not None
            path.unlink(missing_ok=True)

    assert quarantine.release(validator(RELAXED, 2), into).released == 1
    assert quarantine.count() == 0


def test_a_damaged_part_stops_no_other(quarantine: Quarantine) -> None:
    path = quarantine.add([bad(1, {"n": -1})], part="a")
    quarantine.add([bad(2, {"n": -2})], part="b")
    assert path is not None
    path.write_bytes(path.read_bytes()[:40])
    released: list[QuarantinedRecord] = []
    with pytest.raises(LLMIntegrationsError, match=path.name):
        quarantine.release(validator(RELAXED, 2), released.extend)
    assert [record.position for record in released] == [2]
    assert quarantine.parts() == [path]


def test_a_record_that_cannot_be_told_stops_no_other(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": "a" * 40 + "c"}), bad(2, {"n": "a"})])
    hard = compile_validator(
        {"properties": {"n": {"pattern": "^(?:a(?=a|c)|a)+$"}}},
        subject="row",
        reference="row@2",
        options=ValidationOptions(regex="bounded"),
    )
    result = quarantine.release(hard, lambda _: None)
    assert (result.released, result.kept) == (1, 1)


def worker(folder: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.quarantine_worker", str(folder), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_a_process_killed_between_two_steps_loses_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "aside")
    quarantine.add([quarantine_worker.bad(-1), quarantine_worker.bad(-2)])
    with worker(tmp_path, "die") as dying:
        assert dying.wait(60) == -signal.SIGKILL
    assert len((tmp_path / "released").read_text().splitlines()) == 2
    assert quarantine.count() == 2
    released: list[QuarantinedRecord] = []
    assert quarantine.release(quarantine_worker.RELAXED, released.extend).released == 2
    assert quarantine.parts() == []


def test_what_another_process_sets_aside_meanwhile_is_not_lost(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "aside")
    quarantine.add([quarantine_worker.bad(-1)])
    with worker(tmp_path, "hold") as releasing:
        assert releasing.stdout is not None
        assert releasing.stdout.readline() == "handed over\n"
        with worker(tmp_path, "add") as adding:
            assert adding.wait(60) == 0
        releasing.communicate("go on\n", timeout=60)
    assert quarantine.count() == 1


# -- forgetting ----------


def test_what_its_owner_deleted_does_not_come_back(quarantine: Quarantine) -> None:
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2})])
    quarantine.add([bad(3, {"n": -3}), bad(4, {"n": "x"})])
    last = bad(4, {"n": "x"}).record_id
    released: list[QuarantinedRecord] = []

    def into(records: Sequence[QuarantinedRecord]) -> None:
        released.extend(records)
        quarantine.forget([2, last])

    quarantine.forget([1])
    quarantine.release(validator(RELAXED, 2), into)
    quarantine.release(validator(RELAXED, 3), released.extend)
    assert 1 not in {record.position for record in released}
    assert quarantine.count() == 0


def test_forgetting_counts_each_record_once_and_knows_ids_and_positions(
    quarantine: Quarantine,
) -> None:
    quarantine.add([bad(1, {"n": -1})], part="a")
    quarantine.add([bad(1, {"n": -1}), bad(2, {"n": -2})], part="b")
    assert quarantine.forget([bad(1, {"n": -1}).record_id, "no such", 7]) == 1
    assert [record.position for record in quarantine.records()] == [2]
    assert quarantine.forget([2]) == 1
    # Work that named its parts sees that it did them.
    assert {path.stem for path in quarantine.parts()} == {"a", "b"}
    assert quarantine.count() == 0


# -- what adapters pass ----------


def test_a_path_a_text_a_quarantine_and_none_are_taken(tmp_path: Path) -> None:
    made = Quarantine(tmp_path)
    assert Quarantine.of(made) is made
    assert Quarantine.of(None) is None
    for given in (tmp_path, str(tmp_path)):
        taken = Quarantine.of(given, "parquet")
        assert (taken.folder, taken.form) == (tmp_path, "parquet")


@pytest.mark.parametrize("given", ["", 7, ["folder"], b"folder"])
def test_what_is_no_folder_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="folder"):
        Quarantine.of(given)


# -- files of version 0.1 ----------


DOCUMENT = {
    "document": {
        "__data__": {"id_": "bad", "metadata": {"year": "soon", "schema_subject": "row"}},
        "__type__": "4",
    },
    "hash": "f67069",
}


def written_by_0_1(path: Path, *values: Any) -> None:
    rows = [
        {
            "record_id": record_id_of("train", number, json.dumps(value)),
            "schema": "row@1",
            "fingerprint": "776dfc",
            "source": "train",
            "position": json.dumps(number),
            "at": "2026-11-28T17:48:55.125825+00:00",
            "errors": '[["/year", "is a string, not an integer", "type", "/properties/year/type"]]',
            "data": json.dumps(value),
        }
        for number, value in enumerate(values)
    ]
    path.parent.mkdir()
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_files_of_the_first_version_are_read_and_their_documents_judged(
    quarantine: Quarantine,
) -> None:
    path = quarantine.folder / f"part-0.{quarantine.form}"
    written_by_0_1(path, DOCUMENT, {"year": 2026, "b": "b'\\x00'"})
    document, row = quarantine.records()
    assert (document.value, document.judged) == (DOCUMENT, {"year": "soon"})
    assert document.record_id == record_id_of("train", 0, json.dumps(DOCUMENT))
    assert row.value == row.judged == {"year": 2026, "b": "b'\\x00'"}
    closed = {"properties": {"year": {"type": "integer"}}}
    result = quarantine.release(validator(closed, 2), lambda _: None)
    assert (result.released, result.kept) == (1, 1)
    assert list(quarantine.records()) == [document]


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="csv"):
        Quarantine(tmp_path, "csv")
