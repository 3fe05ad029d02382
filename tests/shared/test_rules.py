"""Rules of a data contract: judged beside the schema, reported by name, within bounds."""

from __future__ import annotations

import logging
import pickle
import runpy
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from llm_integrations.core.arrow import ArrowPlan, VerdictCounts, compile_arrow, plan_for
from llm_integrations.core.cli.app import app
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    MissingExtra,
    SchemaValidationError,
)
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import Validator, compile_validator
from llm_integrations.core.validation.rules.condition import compile_condition
from llm_integrations.core.validation.rules.cost import MAX_STEPS, cost_of, size_of
from llm_integrations.core.validation.rules.engine import compile_program
from llm_integrations.core.validation.rules.syntax_tree import read_tree
from tests.support.confluent_server import ConfluentServer

pytest.importorskip("cel_expr_python", reason="pip install 'llm-integrations[cel]'")

EXAMPLE = Path(__file__).parents[2] / "docs/examples/rules/contract.py"
POSITIVE = Rule("positive", expression="message.x > 0 && size(message.name) > 2", doc="x above 0")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "name": {"type": "string"}},
}
RULE_SET = {
    "domainRules": [
        {"name": "positive", "kind": "CONDITION", "type": "CEL", "mode": "WRITE",
         "expr": "message.x > 0 && size(message.name) > 2"},
        {"name": "upper", "kind": "TRANSFORM", "type": "CEL", "mode": "READ", "expr": "message"},
    ],
    "migrationRules": [
        {"name": "rename", "kind": "TRANSFORM", "type": "JSONATA", "mode": "UPGRADE", "expr": "$"}
    ],
}  # fmt: skip
METADATA = {
    "properties": {"owner": "team-a", "key": "SECRET"},
    "tags": {"**.name": ["PII"]},
    "sensitive": ["key", "gone", 5],
}


@pytest.fixture
def server() -> Iterator[ConfluentServer]:
    with ConfluentServer(flavour="confluent") as running:
        running.add("user", SCHEMA, metadata=METADATA, rules=RULE_SET)
        yield running


@pytest.fixture
def registry(server: ConfluentServer) -> Iterator[Registry]:
    with connect(server.url) as client:
        yield client


class Kind(Enum):
    A = "a"


def _ruled(expression: str, schema: Any = True, **options: Any) -> Validator:
    rules = [Rule("it", expression=expression)]
    return compile_validator(schema, rules=rules, options=ValidationOptions(**options))


# -- what a registry says ----------


def test_owner_tags_and_rules_are_carried(registry: Registry) -> None:
    schema = registry.get("user@1")
    assert schema.owner == "team-a"
    assert schema.tags == ("PII",)
    assert "SECRET" not in repr(schema)
    assert schema.path_tags == {"**.name": ("PII",)}
    assert [(rule.name, rule.group) for rule in schema.rules] == [
        ("positive", "domainRules"), ("upper", "domainRules"), ("rename", "migrationRules"),
    ]  # fmt: skip
    assert registry.latest()["user"].rules == schema.rules
    assert registry.get_by_id(schema.id).rules == schema.rules


def test_a_broken_rule_is_in_the_report_by_its_name(registry: Registry) -> None:
    report = registry.validate("user@1", {"x": 0, "name": "Ada"})
    assert [error.keyword for error in report.errors] == ["rule:positive"]
    assert "'positive'" in str(report)
    assert registry.validate("user@1", {"x": 1, "name": "Ada"}).is_valid
    with pytest.raises(SchemaValidationError, match="positive"):
        registry.validator("user@latest").check({"x": 1, "name": "Al"})


def test_rules_that_are_not_judged_are_in_every_report_and_in_the_log(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        validator = registry.validator("user@1")
    for data in ({"x": 1, "name": "Ada"}, {"x": 0, "name": "Ada"}, {"x": "no"}):
        warned = " ".join(validator.validate(data).warnings)
        assert "'upper' is not judged: it is of kind TRANSFORM" in warned
        assert "'rename' is not judged: it is of kind TRANSFORM in migrationRules" in warned
    assert "user@1: rule 'upper' is not judged" in caplog.text


def test_what_the_schema_refuses_is_not_put_before_the_rules(registry: Registry) -> None:
    report = registry.validate("user@1", {"x": "no", "name": "Ada"})
    assert [error.keyword for error in report.errors] == ["type"]


def test_rules_can_be_required_or_left_alone(server: ConfluentServer) -> None:
    with (
        connect(server.url, validation=ValidationOptions(rules="require")) as strict,
        pytest.raises(InvalidSchema, match=r"'upper' is not judged.*'rename'"),
    ):
        strict.validator("user@1")
    with connect(server.url, validation=ValidationOptions(rules="ignore")) as lax:
        report = lax.validate("user@1", {"x": 0, "name": ""})
        assert report.is_valid
        assert report.warnings == ()
    with pytest.raises(ConfigurationError, match="rules must be"):
        ValidationOptions(rules="maybe")  # type: ignore[arg-type]


def test_new_rules_are_in_force_with_their_version(
    server: ConfluentServer, registry: Registry
) -> None:
    stricter = {"domainRules": [{"name": "big", "type": "CEL", "expr": "message.x > 10"}]}
    server.add("user", {**SCHEMA, "title": "two"}, rules=stricter)
    assert registry.validator("user@1").is_valid({"x": 1, "name": "Ada"})
    assert not registry.validator("user@2").is_valid({"x": 1, "name": "Ada"})


def test_equal_schemas_with_other_rules_are_judged_apart(server: ConfluentServer) -> None:
    rules = {"domainRules": [{"name": "big", "type": "CEL", "expr": "message.x > 10"}]}
    server.add("other", SCHEMA, rules=rules)
    with connect(server.url) as client:
        assert client.validator("user").is_valid({"x": 1, "name": "Ada"})
        assert not client.validator("other").is_valid({"x": 1, "name": "Ada"})


def test_a_new_version_with_a_rule_that_is_not_judged_leaves_the_last_good_one_in_force(
    server: ConfluentServer,
) -> None:
    server.add("strict", SCHEMA, rules={"domainRules": RULE_SET["domainRules"][:1]})
    options = ValidationOptions(rules="require")
    with connect(server.url, validation=options) as client:
        assert client.validator("strict").reference == "strict@1"
        server.add("strict", {**SCHEMA, "title": "two"}, rules=RULE_SET)
        assert client.in_force("strict").version == 1
        assert client.validator("strict").reference == "strict@1"
        assert "'upper' is not judged" in client.health().detail["rejected"]["strict@latest"]


@pytest.mark.parametrize(
    "rule_set",
    [[], "x", 5, {"domainRules": {"name": "x"}}, {"domainRules": ["x", {"kind": "CONDITION"}]},
     {"domainRules": [{"name": 7, "expr": "true"}]}, {"otherRules": [{"name": "x"}]}],
)  # fmt: skip
def test_what_is_no_rule_is_a_warning(server: ConfluentServer, rule_set: Any) -> None:
    server.add("odd", SCHEMA, rules=rule_set)
    with connect(server.url) as client:
        report = client.validate("odd@1", {"x": 1})
    assert report.is_valid
    assert "is not judged: it cannot be read" in report.warnings[0]


def test_doctor_and_show_tell_of_rules(server: ConfluentServer) -> None:
    told = CliRunner().invoke(app, ["doctor", "--registry", server.url]).output
    assert "user@1: rule 'upper' is not judged" in told
    assert "'positive' is not judged" not in told
    shown = CliRunner().invoke(app, ["show", "user@1", "--registry", server.url]).output
    assert "positive: CONDITION CEL  message.x > 0" in shown
    assert "**.name: PII" in shown


# -- what is judged, and what is not ----------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kind": "TRANSFORM"}, "it is of kind TRANSFORM in domainRules"),
        ({"group": "migrationRules"}, "it is of kind CONDITION in migrationRules"),
        ({"type": "CEL_FIELD"}, "it is of type CEL_FIELD, not CEL"),
        ({"type": ""}, "it is of type none, not CEL"),
        ({"disabled": True}, "it is disabled"),
        ({"expression": "message.x >"}, "Syntax error"),
        ({"expression": ""}, "Syntax error"),
        ({"expression": "unheard(message.x)"}, "undeclared reference to 'unheard'"),
        ({"expression": "true &&" * 1_000 + " true"}, "more than 4,096 characters"),
        ({"expression": "[message.s]" + ".map(x, x + x)" * 25 + " == []"}, "more steps"),
        ({"expression": "(" * 2_000 + "1" + ")" * 2_000}, "recursion"),
    ],
)
def test_a_rule_that_cannot_be_judged_says_why(changes: dict[str, Any], why: str) -> None:
    rule = Rule(**{"name": "odd", "expression": "message.x > 0", **changes})
    validator = compile_validator(SCHEMA, rules=[rule, POSITIVE])
    assert validator.rules is not None
    assert validator.rules.names == ("positive",)
    assert why in validator.validate({"x": 1, "name": "Ada"}).warnings[0]
    with pytest.raises(InvalidSchema, match="'odd'"):
        compile_validator(SCHEMA, rules=[rule], options=ValidationOptions(rules="require"))


@pytest.mark.parametrize(
    ("on_failure", "is_valid", "warning"),
    [
        ("", False, None),
        ("ERROR", False, None),
        ("ERROR,NONE", False, None),
        ("NONE", True, "its onFailure (NONE) lets pass"),
        ("DLQ", False, "its onFailure (DLQ) is not carried out"),
        ("DLQ,ERROR", False, "its onFailure (DLQ) is not carried out"),
    ],
)
def test_what_a_rule_wants_done_on_failure(
    on_failure: str, is_valid: bool, warning: str | None
) -> None:
    rule = Rule("it", expression="message.x > 0", on_failure=on_failure)
    validator = compile_validator(SCHEMA, rules=[rule])
    report = validator.validate({"x": 0})
    assert report.is_valid is validator.is_valid({"x": 0}) is is_valid
    assert [w for w in report.warnings if warning is None or warning not in w] == []
    assert len(report.warnings) == (warning is not None)


def test_a_guard_says_to_what_a_rule_applies() -> None:
    validator = _ruled("has(message.x); message.x > 0")
    assert validator.is_valid({})
    assert validator.is_valid({"x": 1})
    assert not validator.is_valid({"x": 0})
    assert not _ruled("message.y.z; message.x > 0").is_valid({"x": 1})  # not known to apply


@pytest.mark.parametrize(
    ("expression", "data", "verdict"),
    [
        ("size(message.name) == 2", {"name": "é😀"}, True),
        ("message.x == 1", {"x": 1.0}, True),
        ("message.x >= 1.0", {"x": 1}, True),
        ("message.x > 0 || true", {}, True),
        ("has(message.x)", {"x": None}, True),
        ("message.items.all(i, i.price > 0)", {"items": [{"price": 1}, {"price": 0.5}]}, True),
        ("message.orders.all(o, o.items.all(i, i > 0))", {"orders": [{"items": [0]}]}, False),
        ("message['a-b'] == 'x'", {"a-b": "x"}, True),
        ("message[0] == 1", [1], True),
        ("message == 'text'", "text", True),
        ("message.email.isEmail()", {"email": "ada@example.org"}, True),
        ("message.email.isEmail()", {"email": "ada"}, False),
        ("message.id.isUuid()", {"id": "0e0fbb9f-3b0f-4b43-a3a7-41f2b5e3d7c8"}, True),
        ("timestamp(message.t) < now", {"t": "2020-01-01T00:00:00Z"}, True),
        ("timestamp(message.t) < now", {"t": "2220-01-01T00:00:00Z"}, False),
        ("message.big > 0", {"big": 10**30}, True),
        ("message.big > 0", {"big": -(10**400)}, False),
        ("message.x > 0", {"x": Decimal("1.5")}, True),
        ("message.x > 0", {"x": 1, "y": object()}, True),
        ("message.l[1] == 2", {"l": (1, 2)}, True),
        ("timestamp(message.t) < now", {"t": datetime(2020, 1, 1, tzinfo=UTC)}, True),
        ("message.kind == 'a'", {"kind": Kind.A}, True),
        ("size(message.name) == 1", {"name": "\ud800"}, True),
    ],
)
def test_expressions_see_data_as_json(expression: str, data: Any, verdict: bool) -> None:
    validator = _ruled(expression)
    assert validator.is_valid(data) is verdict
    assert bool(validator.validate(data)) is verdict


@pytest.mark.parametrize(
    ("expression", "data", "why"),
    [
        ("message.x > 0", {}, "asks for a field or key that is not there"),
        ("message.x > 0", {"x": "secret"}, "these types do not allow, _>_(string, int64)"),
        ("message.x", {"x": "secret"}, "no verdict but a value of type"),
        ("message.m['a'] > 0", {"m": {"secret": 1}}, "asks for a field or key"),
        ("int(message.x) > 0", {"x": "secret"}, "could not be evaluated"),
        ("message.x / message.y > 1", {"x": 1, "y": 0}, "could not be evaluated"),
        ("message.l.all(i, i > 0)", {"l": [1] * 20_000}, "given up after 10,000 rounds"),
    ],
)
def test_a_rule_without_a_verdict_is_a_violation_that_quotes_no_data(
    expression: str, data: Any, why: str
) -> None:
    (error,) = _ruled(expression).validate(data).errors
    assert error.keyword == "rule:it"
    assert why in error.message
    assert "secret" not in error.message


def test_data_is_quoted_only_when_asked_for() -> None:
    expression, data = "message.m[message.k] > 0", {"m": {}, "k": "secret"}
    assert "secret" not in str(_ruled(expression).validate(data))
    assert "secret" in str(_ruled(expression, show_values=True).validate(data))


def test_reports_list_no_more_violations_than_asked_for() -> None:
    rules = [Rule(f"r{n}", expression="message.x > 0") for n in range(9)]
    options = ValidationOptions(max_errors=3)
    validator = compile_validator(True, rules=rules, options=options)
    assert len(validator.validate({"x": 0}).errors) == 3


def test_only_so_many_rules_are_judged() -> None:
    rules = [Rule(f"r{n}", expression=f"message.x != {n}") for n in range(300)]
    validator = compile_validator(True, rules=rules)
    assert "44 rules are not judged" in validator.warnings[-1]


def test_a_validator_with_rules_travels() -> None:
    validator = compile_validator(SCHEMA, rules=[POSITIVE], reference="user@1")
    copy = pickle.loads(pickle.dumps(validator))
    assert copy.validate({"x": 0, "name": "Ada"}) == validator.validate({"x": 0, "name": "Ada"})
    assert copy.by_schema.is_valid({"x": 0, "name": "Ada"})


_WITHOUT = """
import sys
sys.modules["cel_expr_python"] = None
from llm_integrations.core.errors import InvalidSchema, MissingExtra
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.validation import ValidationOptions, compile_validator
rules = [Rule("positive", expression="message.x > 0")]
report = compile_validator(True, rules=rules).validate({"x": 0})
assert report.is_valid and "pip install 'llm-integrations[cel]'" in report.warnings[0], report
try:
    compile_validator(True, rules=rules, options=ValidationOptions(rules="require"))
except InvalidSchema as error:
    assert "llm-integrations[cel]" in str(error), error
else:
    raise SystemExit("not required")
import pickle
try:
    pickle.loads(sys.stdin.buffer.read())
except MissingExtra as error:
    assert "cannot be judged in this process" in str(error), error
else:
    raise SystemExit("judged by fewer rules than where it came from")
"""


def test_without_the_extra_rules_are_warnings_and_a_worker_refuses_to_judge_by_less() -> None:
    validator = compile_validator(SCHEMA, rules=[POSITIVE])
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT], input=pickle.dumps(validator), capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert issubclass(MissingExtra, ImportError)


# -- rows ----------

TABLE = pa.table({"x": [1.0, 0.0, None, 3.0], "name": ["Ada", "Ada", "Ada", "Al"], "y": [1] * 4})


def _plan(*rules: Rule, schema: Any = SCHEMA, **options: Any) -> ArrowPlan:
    chosen = ValidationOptions(**{"nulls": "absent", **options})
    return ArrowPlan(compile_validator(schema, rules=rules, options=chosen))


def test_rows_that_the_schema_accepted_are_judged_by_the_rules() -> None:
    report = _plan(POSITIVE).validate(TABLE)
    assert report.mask.to_pylist() == [True, False, False, False]
    found = dict(report.violations())
    assert {row: error.keyword for row, (error,) in found.items()} == dict.fromkeys(
        [1, 2, 3], "rule:positive"
    )
    assert "not there" in found[2][0].message  # the null is a missing property
    assert str(report).startswith("1 of 4 rows")


def test_rows_and_single_values_have_one_verdict() -> None:
    rules = [POSITIVE, Rule("few", expression="!has(message.y) || message.y < 2")]
    plan = _plan(*rules)
    rows = TABLE.to_pylist()
    verdicts = [plan.validator.is_valid(row) for row in rows]
    assert plan.mask(TABLE).to_pylist() == verdicts
    split = plan.split(TABLE)
    assert (split.valid.num_rows, split.invalid.num_rows) == (1, 3)


def test_what_the_schema_refuses_keeps_its_own_reasons() -> None:
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "name": {"minLength": 3}}}
    found = dict(_plan(POSITIVE, schema=schema).validate(TABLE).violations())
    assert [error.keyword for error in found[3]] == ["minLength"]


def test_rules_that_are_not_judged_are_in_the_report_of_a_table() -> None:
    plan = _plan(POSITIVE, Rule("odd", kind="TRANSFORM"))
    report = plan.validate(TABLE)
    assert "'odd' is not judged" in report.warnings[0]
    assert VerdictCounts.from_dict(report.to_dict()).warnings == report.warnings
    assert plan.tally(plan.annotate(TABLE)).warnings == report.warnings


def test_a_plan_explains_that_rules_are_judged_row_by_row() -> None:
    notes = _plan(POSITIVE).explain(TABLE.schema)
    assert [note.how for note in notes if note.keyword == "rule:positive"] == ["by row"]


def test_only_the_columns_that_rules_look_at_become_python_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from llm_integrations.core.arrow.run import cell_overrides, row_rules

    read: list[list[str]] = []
    real = cell_overrides.values_at

    def spy(batch: Any, *args: Any) -> Any:
        read.append(batch.schema.names)
        return real(batch, *args)

    monkeypatch.setattr(row_rules, "values_at", spy)
    _plan(Rule("x", expression="has(message.x)")).mask(TABLE)
    _plan(Rule("x", expression="size(message) > 0")).mask(TABLE)
    assert read == [["x"], ["x", "name", "y"]]


def test_columns_of_json_text_and_missing_columns_are_seen_as_the_schema_sees_them() -> None:
    table = pa.table({"m": ['{"a": 1}', '{"a": 0}']})
    rules = [Rule("a", expression="message.m.a > 0 && !has(message.gone)")]
    plan = ArrowPlan(compile_validator(True, rules=rules), json_columns=("m",))
    assert plan.mask(table).to_pylist() == [True, False]


def test_plans_from_a_registry_and_their_copies_know_the_rules(registry: Registry) -> None:
    plan = pickle.loads(pickle.dumps(plan_for("user@1", registry=registry)))
    assert plan.mask(TABLE).to_pylist() == [True, False, False, False]
    assert compile_arrow(SCHEMA).mask(TABLE).to_pylist() == [True] * 4


# -- bounds ----------

HOSTILE = [
    ("message.l.all(a, message.l.all(b, message.l.all(c, a + b + c >= 0)))", {"l": [1] * 300}),
    ("message.l.map(x, message.s + 'a').size() > 3", {"l": [1] * 9_000, "s": "a" * 900_000}),
    ("message.l.all(x, message == message)", {"l": [1] * 5_000, "s": ["a"] * 5_000}),
    ("message.l.all(x, !x.matches('(a{500}b{500}){1}'))", {"l": ["a"] * 9_000}),
    ("message.l.all(x, !x.matches(message.p))", {"l": ["a"] * 9_000, "p": "(a{500}b{500})"}),
    ("message.l.filter(x, x > 0).size() > 0", {"l": [1] * 9_000}),
    ("+".join(["message.s"] * 29) + " == ''", {"s": "a" * 10_000_000}),
]


@pytest.mark.parametrize(("expression", "data"), HOSTILE)
def test_what_could_take_long_is_given_up_before_it_is_begun(expression: str, data: Any) -> None:
    condition = compile_condition(expression)
    assert condition.cost.steps(size_of(data)) > MAX_STEPS
    (error,) = _ruled(expression).validate(data).errors
    assert "so large that it could take over" in error.message or "given up" in error.message
    if "matches" not in expression:
        small = {name: value[:2] for name, value in data.items()}
        assert condition.cost.steps(size_of(small)) < MAX_STEPS


@pytest.mark.parametrize(
    ("expression", "data"),
    [
        ("message.s.matches('(a+)+$')", {"s": "a" * 200_000 + "b"}),
        ("message.s.matches('(x+x+)+y')", {"s": "x" * 200_000}),
        ("message.s.matches('[ab]*a[ab]{900}c')", {"s": "ab" * 100_000}),
    ],
)
def test_patterns_that_backtrack_elsewhere_are_linear(expression: str, data: Any) -> None:
    assert not _ruled(expression).is_valid(data)


@pytest.mark.parametrize("levels", [64, 65, 200, 20_000])
def test_deep_data_is_not_given_to_an_engine_that_recurses(levels: int) -> None:
    deep: Any = 1
    for _ in range(levels - 1):
        deep = {"a": deep}
    validator = _ruled("message.x == 1 && message.deep != 2")
    report = validator.validate({"x": 1, "deep": deep})
    assert report.is_valid is (levels <= 64)
    assert report.is_valid or "nested deeper than 64 levels" in report.errors[0].message
    # What the rule does not look at is not its business.
    assert _ruled("message.x == 1").is_valid({"x": 1, "deep": deep})


def _loops(depth: int) -> str:
    inner = f"x{depth - 1}.v + size(message.l) > 0"
    for level in reversed(range(depth)):
        over = "message.l" if level % 2 == 0 else f"x{level - 1}.l"
        inner = f"{over}.all(x{level}, {inner})"
    return inner


@given(st.integers(1, 5), st.integers(0, 12))
def test_the_estimate_is_never_less_than_the_rounds(depth: int, width: int) -> None:
    tree = read_tree(compile_program(_loops(depth)).serialized)
    data = {"l": [{"v": 1, "l": [{"v": 1}] * width}] * width}
    rounds = width ** min(depth, 4)
    assert cost_of(tree).steps(size_of(data)) >= rounds


def test_the_example_runs_as_it_stands(
    server: ConfluentServer, capsys: pytest.CaptureFixture[str]
) -> None:
    adds_up = "message.prompt_tokens + message.completion_tokens == message.total_tokens"
    rules = {"domainRules": [{"name": "adds-up", "type": "CEL", "expr": adds_up}]}
    server.add("usage", {"type": "object"}, rules=rules)
    main = runpy.run_path(str(EXAMPLE))["main"]
    assert main(server.url) == 1
    said = capsys.readouterr().out
    assert "usage@1 adds-up: message.prompt_tokens" in said
    assert "valid by usage@1" in said
    assert "does not satisfy the rule 'adds-up'" in said
