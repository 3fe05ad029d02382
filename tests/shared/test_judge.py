"""The one decision of every adapter: judge, count, and do what the mode says."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.config import RetryOptions, ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryUnavailable,
    SchemaNotFound,
    SchemaValidationError,
    ValidationLimitExceeded,
)
from llm_integrations.core.judge import Judge, Sorted, Verdict
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import compile_validator

PROFILE = {"type": "object", "required": ["name"]}
GOOD, BAD = {"name": "Ada"}, {"nickname": "canary"}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as registry:
        registry.register("profile", PROFILE)
        yield registry


@pytest.fixture
def unreachable() -> Iterator[Registry]:
    """A registry on a port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        retry = RetryOptions(attempts=1, deadline=0.5)
        with connect(url, retry=retry, timeout=0.3) as registry:
            yield registry


def counted(judge: Judge, subject: str, outcome: str) -> float:
    labels = {"module": judge.module, "subject": subject, "side": judge.side, "outcome": outcome}
    return REGISTRY.get_sample_value("llm_integrations_validation_total", labels) or 0.0


def failures(judge: Judge, subject: str) -> float:
    labels = {"module": judge.module, "subject": subject, "side": judge.side}
    return REGISTRY.get_sample_value("llm_integrations_validation_failures_total", labels) or 0.0


def durations(judge: Judge) -> float:
    labels = {"module": judge.module, "side": judge.side}
    name = "llm_integrations_validation_duration_seconds_count"
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def both(judge: Judge, reference: str, data: Any) -> Verdict:
    """The verdict of the synchronous and of the asynchronous way, which must be the same."""
    first = await asyncio.to_thread(judge.judge, reference, data)
    second = await judge.ajudge(reference, data)
    assert first == second
    return first


async def test_valid_data_passes_in_every_mode(registry: Registry) -> None:
    modes: tuple[Literal["enforce", "warn"], ...] = ("enforce", "warn")
    for mode in modes:
        judge = Judge(registry, "test_judge", mode=mode)
        verdict = await both(judge, "profile@1", GOOD)
        assert verdict == Verdict("valid")
        assert verdict
        assert judge.act(verdict) is verdict


async def test_enforce_raises_with_the_report(registry: Registry) -> None:
    judge = Judge(registry, "test_judge", mode="enforce")
    verdict = await both(judge, "profile@1", BAD)
    assert not verdict
    with pytest.raises(SchemaValidationError) as caught:
        judge.check("profile@1", BAD)
    assert caught.value.report == verdict.report
    with pytest.raises(SchemaValidationError):
        await judge.acheck("profile@1", BAD)


async def test_warn_logs_what_is_wrong_without_the_data_and_lets_it_pass(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge(registry, "test_judge", side="output", mode="warn")
    with caplog.at_level(logging.WARNING):
        assert not judge.check("profile@1", BAD)
        assert not await judge.acheck("profile@1", BAD)
    assert [record.message for record in caplog.records] == [
        'test_judge output does not satisfy profile@1: (root): lacks the required property "name"'
    ] * 2
    assert caplog.records[0].__dict__["llmi_schema"] == "profile@1"
    assert caplog.records[0].__dict__["llmi_module"] == "test_judge"
    assert "canary" not in caplog.text


async def test_off_asks_nobody_and_counts_nothing(unreachable: Registry) -> None:
    judge = Judge(unreachable, "test_judge_off", mode="off")
    verdict = await both(judge, "profile@1", BAD)
    assert verdict == Verdict("off")
    assert verdict
    assert judge.check("profile@1", BAD) == verdict
    assert durations(judge) == 0


def test_each_piece_is_counted_once_under_its_subject(registry: Registry) -> None:
    judge = Judge(registry, "test_judge_count", side="row", mode="warn")
    for data in (GOOD, GOOD, BAD):
        judge.judge("profile@latest", data)
    assert counted(judge, "profile", "valid") == 2
    assert counted(judge, "profile", "invalid") == 1
    assert failures(judge, "profile") == 1
    assert durations(judge) == 3


async def test_the_version_in_force_is_looked_up_for_each_piece(registry: Registry) -> None:
    judge = Judge(registry, "test_judge", mode="warn")
    assert await both(judge, "profile@latest", GOOD)
    registry.register("profile", {"type": "object"}, compatibility="NONE")
    registry.invalidate("profile@latest")
    assert await both(judge, "profile@latest", BAD)
    assert not await both(judge, "profile@1", BAD)


async def test_a_judge_has_its_own_way_to_judge_or_takes_the_registrys(registry: Registry) -> None:
    registry.register("optional", {"properties": {"a": {"type": "string"}}})
    strict = Judge(registry, "test_judge")
    tables = Judge(registry, "test_judge", options=ValidationOptions(nulls="absent"))
    assert not await both(strict, "optional@1", {"a": None})
    assert await both(tables, "optional@1", {"a": None})


async def test_without_a_schema_enforce_raises_and_warn_passes(
    unreachable: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    enforcing = Judge(unreachable, "test_judge_cold")
    with pytest.raises(RegistryUnavailable):
        await enforcing.ajudge("profile@1", GOOD)
    warning = Judge(unreachable, "test_judge_cold_warn", mode="warn")
    with caplog.at_level(logging.WARNING):
        verdict = await both(warning, "profile@1", GOOD)
    assert verdict == Verdict("unjudged")
    assert verdict
    assert "passed unjudged by profile@1" in caplog.text
    # Nobody knows whether there is such a subject, so it is no label.
    assert counted(enforcing, "unknown", "unjudged") == 1
    assert counted(warning, "unknown", "unjudged") == 2
    assert counted(warning, "profile", "unjudged") == 0


async def test_what_happens_without_a_schema_can_be_chosen(unreachable: Registry) -> None:
    lenient = Judge(unreachable, "test_judge", on_unavailable="pass")
    assert await lenient.acheck("profile@1", BAD) == Verdict("unjudged")
    strict = Judge(unreachable, "test_judge", mode="warn", on_unavailable="raise")
    with pytest.raises(RegistryUnavailable):
        strict.check("profile@1", GOOD)


async def test_a_schema_that_does_not_exist_is_an_error_in_both_modes(registry: Registry) -> None:
    modes: tuple[Literal["enforce", "warn"], ...] = ("enforce", "warn")
    for mode in modes:
        judge = Judge(registry, "test_judge", mode=mode, on_unavailable="pass")
        with pytest.raises(SchemaNotFound):
            judge.judge("nobody@1", GOOD)
        with pytest.raises(SchemaNotFound):
            await judge.ajudge("nobody@1", GOOD)


async def test_a_schema_that_does_not_compile_is_an_error_in_both_modes() -> None:
    with connect("memory://", validation=ValidationOptions(regex="bounded")) as registry:
        registry.register("password", {"pattern": "(?=a)b"})
        modes: tuple[Literal["enforce", "warn"], ...] = ("enforce", "warn")
        for mode in modes:
            judge = Judge(registry, "test_judge", mode=mode, options=ValidationOptions())
            with pytest.raises(InvalidSchema):
                await judge.ajudge("password@1", "x")


def test_a_pattern_that_is_given_up_leaves_data_unjudged(caplog: pytest.LogCaptureFixture) -> None:
    hard = compile_validator(
        {"pattern": "^(?:a(?=a|c)|a)+$"},
        subject="hard",
        reference="hard@1",
        options=ValidationOptions(regex="bounded"),
    )
    hurts = "a" * 40 + "c"
    with connect("memory://") as registry:
        with pytest.raises(ValidationLimitExceeded):
            Judge(registry, "test_judge_hard").judge_by(hard, hurts)
        judge = Judge(registry, "test_judge_hard", side="output", mode="warn")
        with caplog.at_level(logging.WARNING):
            assert judge.judge_by(hard, hurts) == Verdict("unjudged")
            assert judge.judge_each(hard, [hurts]) == [Verdict("unjudged")]
        assert counted(judge, "hard", "unjudged") == 2
        assert "passed unjudged by hard@1" in caplog.text
        assert hurts not in caplog.text


def test_many_pieces_are_judged_and_counted_as_one_by_one(registry: Registry) -> None:
    validator = registry.validator("profile@1")
    each, one = Judge(registry, "test_judge_each"), Judge(registry, "test_judge_one")
    pieces = [GOOD, BAD, {1: object()}, GOOD]
    assert each.judge_each(validator, pieces) == [one.judge_by(validator, p) for p in pieces]
    for judge in (each, one):
        assert counted(judge, "profile", "valid") == 2
        assert counted(judge, "profile", "invalid") == failures(judge, "profile") == 2
    assert each.judge_each(validator, []) == []


def test_what_cannot_be_put_before_a_schema_is_refused_with_a_reason(registry: Registry) -> None:
    judge = Judge(registry, "test_judge_refuse")
    validator = registry.validator("profile@1")
    verdict = judge.refuse(validator, "the text is not JSON")
    assert not verdict
    assert verdict.report is not None
    assert str(verdict.report) == "does not satisfy profile@1: (root): the text is not JSON"
    assert counted(judge, "profile", "invalid") == failures(judge, "profile") == 1
    assert judge.skip(validator) == Verdict("unjudged")
    assert counted(judge, "profile", "unjudged") == 1


def test_data_that_no_schema_expects_raises_nothing(registry: Registry) -> None:
    judge = Judge(registry, "test_judge", mode="warn")
    for data in (object(), b"raw", float("nan"), "\ud800", {1: object()}):
        assert not judge.check("profile@1", data)


def test_a_mode_that_does_not_exist_is_refused_at_once(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="enforce"):
        Judge(registry, "test_judge", mode="strict")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigurationError, match="on_unavailable"):
        Judge(registry, "test_judge", on_unavailable="ask")  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("side", ["ouput", "", "Input", "warned", None])
def test_a_side_that_does_not_exist_is_refused_at_once(registry: Registry, side: Any) -> None:
    with pytest.raises(ConfigurationError, match="side must be one of 'input', 'output'"):
        Judge(registry, "test_judge", side=side)


@pytest.mark.parametrize("module", ["", "a b", 'x"}', None, 7])
def test_a_module_that_is_no_name_is_refused_at_once(registry: Registry, module: Any) -> None:
    with pytest.raises(ConfigurationError, match="module"):
        Judge(registry, module)


async def test_off_is_off_whichever_way_a_judge_is_asked(unreachable: Registry) -> None:
    with connect("memory://") as there:
        there.register("profile", PROFILE)
        validator = there.validator("profile")
    judge = Judge(unreachable, "test_judge_off_all", mode="off")
    off = Verdict("off")
    assert judge.resolve("profile") is judge.ready("profile") is None
    assert await judge.aresolve("profile") is None
    assert judge.judge_by(validator, BAD) == judge.refuse(validator, "no JSON") == off
    assert judge.skip(validator) == off
    assert judge.judge_each(validator, [BAD, GOOD]) == [off, off]
    found = judge.sort(validator, [BAD, GOOD])
    assert (found.valid, found.condemned) == ([BAD, GOOD], [])
    assert judge.settle(found) == [(BAD, off), (GOOD, off)]
    assert durations(judge) == 0
    assert counted(judge, "profile", "invalid") == counted(judge, "unknown", "unjudged") == 0


# -- many pieces ----------


def piece(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "raw": b"\xff"}


PIECES = [piece("a", GOOD), piece("b", BAD), piece("c", GOOD), piece("d", BAD)]


def sorted_out(judge: Judge, registry: Registry) -> Sorted[dict[str, Any]]:
    return judge.sort(registry.validator("profile"), iter(PIECES), payload=lambda p: p["value"])


def test_sorting_tells_valid_from_condemned_in_order(registry: Registry) -> None:
    judge = Judge(registry, "test_judge_sort", "row")
    found = sorted_out(judge, registry)
    assert [p["name"] for p in found.valid] == ["a", "c"]
    assert [(one.number, one.piece["name"], one.judged) for one in found.condemned] == [
        (1, "b", BAD),
        (3, "d", BAD),
    ]
    assert counted(judge, "profile", "valid") == counted(judge, "profile", "invalid") == 2
    assert judge.sort(registry.validator("profile"), []).valid == []


def test_enforce_sets_aside_what_is_condemned_whole_and_hands_on_the_rest(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge(registry, "test_judge_settle", "row")
    quarantine = Quarantine(tmp_path)
    with caplog.at_level(logging.WARNING):
        kept, again = (  # done again it adds nothing
            judge.settle(
                sorted_out(judge, registry),
                quarantine,
                source="here",
                whole=lambda p: p,
                position=lambda p: p["name"],
            )
            for _ in range(2)
        )
    assert kept == again
    assert [(p["name"], verdict.outcome) for p, verdict in kept] == [("a", "valid"), ("c", "valid")]
    records = list(quarantine.records())
    assert [(r.source, r.position, r.value, r.judged) for r in records] == [
        ("here", "b", PIECES[1], BAD),
        ("here", "d", PIECES[3], BAD),
    ]
    assert "2 of 4 do not satisfy profile@1; set aside" in caplog.text
    assert "canary" not in caplog.text


def test_enforce_without_a_quarantine_names_the_first_that_is_condemned(registry: Registry) -> None:
    judge = Judge(registry, "test_judge_settle", "row")
    with pytest.raises(SchemaValidationError, match="row d does not satisfy") as caught:
        judge.settle(
            judge.sort(registry.validator("profile"), PIECES[2:], payload=lambda p: p["value"]),
            position=lambda p: p["name"],
        )
    assert not caught.value.report
    with pytest.raises(SchemaValidationError, match=r"^row 1 does not satisfy"):
        judge.settle(sorted_out(judge, registry))
    with pytest.raises(SchemaValidationError, match=r"^does not satisfy"):
        judge.settle(judge.sort(registry.validator("profile"), [BAD]))


def test_warn_hands_everything_on_with_its_verdict_and_names_it_in_the_log(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge(registry, "test_judge_settle", "row", mode="warn")
    with caplog.at_level(logging.WARNING):
        kept = judge.settle(
            sorted_out(judge, registry), Quarantine(tmp_path), position=lambda p: p["name"]
        )
    outcomes = ["valid", "invalid", "valid", "invalid"]
    assert [verdict.outcome for _, verdict in kept] == outcomes
    assert [r.message.partition(" does")[0] for r in caplog.records] == [
        "test_judge_settle row b",
        "test_judge_settle row d",
    ]
    assert Quarantine(tmp_path).count() == 0


async def test_every_piece_without_a_schema_is_counted_unjudged(unreachable: Registry) -> None:
    judge = Judge(unreachable, "test_judge_sort_cold", "row", mode="warn")
    found = judge.sort(await judge.aresolve("profile"), PIECES)
    assert found.valid == PIECES
    assert {verdict.outcome for _, verdict in judge.settle(found)} == {"unjudged"}
    assert counted(judge, "unknown", "unjudged") == len(PIECES)


def test_a_piece_that_is_acted_upon_is_called_by_its_name(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    judge = Judge(registry, "test_judge", "document")
    verdict = judge.judge("profile", BAD)
    with pytest.raises(SchemaValidationError, match=r"^document b does not satisfy profile@1"):
        judge.act(verdict, what="document b")
    with caplog.at_level(logging.WARNING):
        Judge(registry, "test_judge", "document", "warn").act(verdict, what="document b")
    assert caplog.messages[0].startswith("test_judge document b does not satisfy profile@1")
