"""What one validation costs, beside the engine that does it and the peers that do the same."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import fastjsonschema
import jsonschema
import jsonschema_rs
import msgspec
from cel_expr_python import cel

from benchmarks.harness import Row, Section
from benchmarks.validation_cases import CASES, CHAT, OPEN_CHAT, PROMPT, ROW, Case
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.evaluator import _compile
from llm_integrations.core.validation.source import Source

ROUNDS = 41
ROUND_SECONDS = 0.004
MOST_OVER_ENGINE = {PROMPT.name: 1.3, CHAT.name: 1.1, ROW.name: 1.1}
LEAST_OVER_JSONSCHEMA = {PROMPT.name: 80.0, CHAT.name: 400.0}


def run() -> list[Section]:
    return [_over_the_engine(), _over_jsonschema(), _peers(), _besides()]


class Timed:
    """Calls that were measured in turns, so that the machine's moods fall on all of them."""

    def __init__(self, calls: Mapping[str, Callable[[], object]]) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in calls}
        numbers = {name: _number(call) for name, call in calls.items()}
        gc.disable()
        for _ in range(ROUNDS):
            for name, call in calls.items():
                self.seconds[name].append(_mean(call, numbers[name]))
        gc.enable()

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return statistics.median(one / two for one, two in pairs)


def _number(call: Callable[[], object]) -> int:
    call()
    return max(1, math.ceil(ROUND_SECONDS / max(_mean(call, 20), 1e-7)))


def _mean(call: Callable[[], object], number: int) -> float:
    turns = range(number)
    # The time of this process alone: what else runs on the machine is not what is measured.
    started = time.process_time()
    for _ in turns:
        call()
    return (time.process_time() - started) / number


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} µs"


def _bare(case: Case) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(case.schema, validate_formats=True, offline=True)


def _over_the_engine() -> Section:
    section = Section(
        "Validation: over the bare engine",
        "`Validator.is_valid` beside `is_valid` of the same jsonschema-rs on the same valid data: "
        f"CPU time, in {ROUNDS} turns; the ratio is the median of the turns' ratios. In chat all "
        "objects are closed (`additionalProperties: false`). Open ones cost more, since their "
        "undeclared properties are searched for NaN, which nothing else refuses.",
    )
    for case in (*CASES, OPEN_CHAT):
        ours, bare = compile_validator(case.schema), _bare(case)
        timed = Timed(_calls(case.data, ours=ours.is_valid, bare=bare.is_valid))
        section.add(_at_most(case, timed, MOST_OVER_ENGINE.get(case.name)))
    return section


def _calls(data: Any, **asked: Callable[[Any], object]) -> dict[str, Callable[[], object]]:
    def call(ask: Callable[[Any], object]) -> Callable[[], object]:
        return lambda: ask(data)

    return {name: call(ask) for name, ask in asked.items()}


def _at_most(case: Case, timed: Timed, aim: float | None) -> Row:
    ratio = timed.ratio("ours", "bare")
    return Row(
        case.name,
        _us(timed.median("ours")),
        f"{_us(timed.median('bare'))} (jsonschema-rs)",
        f"{ratio:.2f}×",
        f"≤ {aim}×" if aim else "",
        ratio <= aim if aim else None,
    )


def _over_jsonschema() -> Section:
    section = Section(
        "Validation: over jsonschema",
        "`is_valid` of both on the same valid data; how many times faster ours is.",
    )
    for case in CASES:
        kind = jsonschema.validators.validator_for(case.schema)
        reference = kind(case.schema, format_checker=kind.FORMAT_CHECKER)
        ours = compile_validator(case.schema)
        timed = Timed(_calls(case.data, ours=ours.is_valid, peer=reference.is_valid))
        ratio, aim = timed.ratio("peer", "ours"), LEAST_OVER_JSONSCHEMA.get(case.name)
        section.add(
            Row(
                case.name,
                _us(timed.median("ours")),
                f"{_us(timed.median('peer'))} (jsonschema)",
                f"{ratio:.0f}× faster",
                f"≥ {aim:.0f}×" if aim else "",
                ratio >= aim if aim else None,
            )
        )
    return section


def _peers() -> Section:
    section = Section(
        "Validation: beside the peers",
        "Valid data, one verdict each. fastjsonschema runs generated Python (drafts up to 7). "
        "pydantic and msgspec judge by a class of their own language and build an object of it.",
    )
    for case in CASES:
        timed = Timed(
            {
                "ours": _one(compile_validator(case.schema).is_valid, case.data),
                "fastjsonschema": _one(fastjsonschema.compile(case.draft7), case.data),
                "pydantic": _one(case.pydantic.model_validate, case.data),
                "msgspec": _msgspec(case),
            }
        )
        for peer in ("fastjsonschema", "pydantic", "msgspec"):
            section.add(
                Row(
                    case.name,
                    _us(timed.median("ours")),
                    f"{_us(timed.median(peer))} ({peer})",
                    f"{timed.ratio(peer, 'ours'):.2f}×",
                )
            )
    return section


def _one(ask: Callable[[Any], object], data: Any) -> Callable[[], object]:
    return lambda: ask(data)


def _msgspec(case: Case) -> Callable[[], object]:
    data, kind, convert = case.data, case.msgspec, msgspec.convert
    return lambda: convert(data, kind)


def _besides() -> Section:
    section = Section("Validation: reports, objects, nulls, compiling", "In the same way.")
    wrong = {**PROMPT.data, "max_tokens": "many", "language": "xx"}
    ours, rust = compile_validator(PROMPT.schema), _bare(PROMPT)
    kind = jsonschema.validators.validator_for(PROMPT.schema)
    reference = kind(PROMPT.schema)
    timed = Timed(
        {
            "ours": _one(ours.validate, wrong),
            "jsonschema-rs": lambda: [
                (e.message, e.instance_path) for e in rust.iter_errors(wrong)
            ],
            "jsonschema": lambda: [(e.message, e.path) for e in reference.iter_errors(wrong)],
        }
    )
    for peer in ("jsonschema-rs", "jsonschema"):
        section.add(_beside("prompt with 2 violations: report without data", timed, peer))
    _add_objects(section)
    _add_nulls(section)
    _add_rules(section)
    _add_compiling(section)
    return section


def _add_objects(section: Section) -> None:
    schema = {
        **PROMPT.schema,
        "properties": {**PROMPT.schema["properties"], "at": {"type": "string"}},
    }
    validator = compile_validator(schema)
    plain = {**PROMPT.data, "at": "2026-01-02T03:04:05Z"}
    odd = {**PROMPT.data, "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}
    timed = Timed(_calls(plain, plain=validator.is_valid) | _calls(odd, ours=validator.is_valid))
    section.add(_beside("prompt with a datetime, which the engine refuses", timed, "plain"))


def _add_nulls(section: Section) -> None:
    optional = {**ROW.schema, "required": ROW.schema["required"][:10]}
    row = {
        name: None if n % 5 == 4 and n >= 10 else v for n, (name, v) in enumerate(ROW.data.items())
    }
    absent = compile_validator(optional, options=ValidationOptions(nulls="absent"))
    bare = jsonschema_rs.validator_for(optional, offline=True)

    def by_hand() -> bool:
        return bare.is_valid({key: item for key, item in row.items() if item is not None})

    assert absent.is_valid(row)
    timed = Timed({"ours": _one(absent.is_valid, row), "dropped by hand": by_hand})
    section.add(_beside("row of 50 with 8 nulls that count as missing", timed, "dropped by hand"))


def _add_rules(section: Section) -> None:
    expression = "message.max_tokens > 0 && size(message.language) == 2"
    rules = [Rule("it", expression=expression)]
    for case in (PROMPT, ROW):
        data = {**case.data, "max_tokens": 5, "language": "en"}
        bare = cel.NewEnv(variables={"message": cel.Type.DYN}).compile(expression)
        open_schema = {**case.schema, "additionalProperties": True}
        timed = Timed(
            {
                "ours": _one(compile_validator(open_schema, rules=rules).is_valid, data),
                "without the rule": _one(compile_validator(open_schema).is_valid, data),
                "cel-expr-python alone": _whole(bare, data),
            }
        )
        for peer in ("without the rule", "cel-expr-python alone"):
            section.add(_beside(f"{case.name}, and one rule beside its schema", timed, peer))


def _whole(expression: Any, data: Any) -> Callable[[], object]:
    return lambda: expression.eval(data={"message": data}).value()


def _add_compiling(section: Section) -> None:
    for case in (PROMPT, ROW):
        kind = jsonschema.validators.validator_for(case.schema)
        source = Source.of(case.schema, {}, ValidationOptions())
        timed = Timed(
            {
                "ours": lambda source=source: _compile(source),  # type: ignore[misc]
                "jsonschema-rs": lambda case=case: _bare(case),  # type: ignore[misc]
                "jsonschema": lambda case=case, kind=kind: kind.check_schema(case.schema),  # type: ignore[misc]
            }
        )
        for peer in ("jsonschema-rs", "jsonschema"):
            section.add(_beside(f"compiling: {case.name}", timed, peer))


def _beside(what: str, timed: Timed, peer: str) -> Row:
    ratio = timed.ratio("ours", peer)
    shown = f"{ratio:.2f}×" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"
    return Row(what, _us(timed.median("ours")), f"{_us(timed.median(peer))} ({peer})", shown)
