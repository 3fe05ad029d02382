"""Quarantine: nothing is lost, nothing stands there twice, and what became valid is released."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.validation import Validator, compile_validator

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


def test_a_record_may_hold_more_than_what_is_judged(quarantine: Quarantine) -> None:
    for row in ({"n": -1}, {"n": "two"}):
        report = validator(STRICT).validate(row)
        quarantine.add([QuarantinedRecord.of({"row": row, "from": "a file"}, report)])
    result = quarantine.release(
        validator(RELAXED, 2), lambda _: None, judged=lambda value: value["row"]
    )
    assert (result.released, result.kept) == (1, 1)


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


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="csv"):
        Quarantine(tmp_path, "csv")
