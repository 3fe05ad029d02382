"""What Ray and Spark share: what travels to workers, and what their driver makes of the answers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.arrow.driver import JudgedData, WorkerJudge
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.errors import ConfigurationError
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
