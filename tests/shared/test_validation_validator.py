"""A compiled schema: three ways to ask it, what it keeps, how it travels."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest

from llm_integrations.core.errors import InvalidSchema, SchemaValidationError
from llm_integrations.core.model.schema import fingerprint_of
from llm_integrations.core.validation import (
    ValidationOptions,
    ValidationReport,
    Validator,
    compile_validator,
)

PROFILE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


@pytest.fixture
def profile() -> Validator:
    return compile_validator(PROFILE, subject="user-profile", reference="user-profile@2")


def test_valid_data_is_valid_in_all_three_ways(profile: Validator) -> None:
    data = {"name": "Ada", "age": 36}
    assert profile.is_valid(data)
    assert profile.validate(data)
    profile.check(data)


def test_invalid_data_is_invalid_in_all_three_ways(profile: Validator) -> None:
    data = {"age": -1}
    assert not profile.is_valid(data)
    assert not profile.validate(data)
    with pytest.raises(SchemaValidationError) as caught:
        profile.check(data)
    assert caught.value.report == profile.validate(data)


def test_a_report_says_what_it_was_judged_by(profile: Validator) -> None:
    for data in ({"name": "Ada"}, {}):
        report = profile.validate(data)
        assert report.schema == "user-profile@2"
        assert report.fingerprint == profile.fingerprint == fingerprint_of(PROFILE)
        assert report.nulls == "strict"


def test_a_schema_without_a_name_is_called_by_its_subject_or_its_fingerprint() -> None:
    assert compile_validator(PROFILE, subject="user-profile").validate({}).schema == "user-profile"
    nameless = compile_validator(PROFILE)
    assert nameless.validate({}).schema == f"sha256:{nameless.fingerprint[:12]}"


def test_every_violation_is_listed_with_its_place_and_keyword(profile: Validator) -> None:
    report = profile.validate({"age": "old"})
    found = {(e.path, e.keyword, e.schema_path) for e in report.errors}
    assert found == {("", "required", "/required"), ("/age", "type", "/properties/age/type")}


def test_warnings_stand_in_every_report() -> None:
    validator = compile_validator(PROFILE, warnings=["user-profile@1 is deprecated"])
    for data in ({"name": "Ada"}, {}):
        assert validator.validate(data).warnings == ("user-profile@1 is deprecated",)


def test_changing_the_dict_later_changes_nothing() -> None:
    body: dict[str, Any] = {"type": "object", "required": ["a"]}
    validator = compile_validator(body)
    body["required"].append("b")
    assert validator.is_valid({"a": 1})
    assert validator.body == {"type": "object", "required": ["a"]}
    assert not compile_validator(body).is_valid({"a": 1})


def test_changing_the_body_that_was_handed_out_changes_nothing(profile: Validator) -> None:
    body = profile.body
    assert isinstance(body, dict)
    body["required"] = ["everything"]
    assert profile.body == PROFILE
    assert profile.is_valid({"name": "Ada"})


def test_the_body_keeps_its_order_and_its_big_integers() -> None:
    body = {"properties": {"z": {"maximum": 2**70}, "a": {}}}
    handed_out = compile_validator(body).body
    assert handed_out == body
    assert isinstance(handed_out, dict)
    assert list(handed_out["properties"]) == ["z", "a"]


@pytest.mark.parametrize(("body", "valid"), [(True, True), (False, False)])
def test_a_boolean_is_a_schema(body: bool, valid: bool) -> None:
    assert compile_validator(body).is_valid({"a": [1, None, "x"]}) is valid


def test_an_equal_schema_is_compiled_once() -> None:
    first, second = compile_validator(PROFILE, subject="a"), compile_validator(PROFILE, subject="b")
    assert first.compile() is second.compile()
    assert (first.subject, second.subject) == ("a", "b")


def test_other_options_or_references_are_compiled_apart() -> None:
    body = {"$ref": "other.json"}
    text = compile_validator(body, resources={"other.json": {"type": "string"}})
    number = compile_validator(body, resources={"other.json": {"type": "number"}})
    assert text.is_valid("x")
    assert not number.is_valid("x")
    strict = compile_validator(PROFILE)
    absent = compile_validator(PROFILE, options=ValidationOptions(nulls="absent"))
    assert absent.is_valid({"name": "Ada", "age": None})
    assert not strict.is_valid({"name": "Ada", "age": None})


def test_what_was_compiled_is_not_kept_for_ever() -> None:
    from llm_integrations.core.validation import evaluator

    first = compile_validator({"minimum": -1}).compile()
    for number in range(evaluator.KEPT):
        compile_validator({"minimum": number})
    assert compile_validator({"minimum": -1}).compile() is not first
    assert len(evaluator._evaluators) <= evaluator.KEPT


def test_threads_that_compile_the_same_schema_at_once_all_get_one_that_works() -> None:
    body = {"type": "object", "required": ["thread-test"]}
    verdicts: list[tuple[bool, bool]] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        validator = compile_validator(body)
        verdicts.append((validator.is_valid({"thread-test": 1}), validator.is_valid({})))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [(True, False)] * 8


def test_a_validator_pickles_as_its_configuration_and_compiles_on_first_use() -> None:
    original = compile_validator(
        {"$ref": "name.json"},
        subject="user-profile",
        reference="user-profile@2",
        resources={"name.json": {"type": "string"}},
        options=ValidationOptions(show_values=True, max_errors=7),
        warnings=["deprecated"],
    )
    data = pickle.dumps(original)
    assert b"jsonschema_rs" not in data
    copy = pickle.loads(data)
    assert copy.validate(5) == original.validate(5)
    assert copy.is_valid("Ada")
    for name in ("subject", "reference", "fingerprint", "body", "options"):
        assert getattr(copy, name) == getattr(original, name)


def test_using_a_validator_does_not_change_how_it_pickles(profile: Validator) -> None:
    before = pickle.dumps(pickle.loads(pickle.dumps(profile)))
    copy = pickle.loads(before)
    copy.validate({"age": "x"})
    assert pickle.dumps(copy) == before


def test_a_function_that_uses_a_validator_has_one_hash_in_every_process() -> None:
    """HuggingFace datasets keys its cache by what dill makes of the function."""
    program = (
        "import dill, hashlib\n"
        "from llm_integrations.core.validation import compile_validator\n"
        f"v = compile_validator({PROFILE!r}, reference='user-profile@2')\n"
        "first = hashlib.sha256(dill.dumps(v.is_valid)).hexdigest()\n"
        "v.validate({})\n"
        "assert hashlib.sha256(dill.dumps(v.is_valid)).hexdigest() == first\n"
        "print(first)\n"
    )
    pytest.importorskip("dill", reason="pip install 'llm-integrations[datasets]'")
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_a_validator_unpickled_with_a_broken_schema_says_so_on_first_use() -> None:
    validator = compile_validator({"pattern": "^a$"})
    broken = pickle.loads(pickle.dumps(validator).replace(b"^a$", b"(a$"))
    with pytest.raises(InvalidSchema, match="regular expression"):
        broken.is_valid("a")


def test_the_repr_names_the_schema(profile: Validator) -> None:
    assert repr(profile) == "Validator('user-profile@2')"


def test_validation_imports_neither_the_registry_nor_any_framework() -> None:
    program = (
        "import sys, llm_integrations.core.validation\n"
        "for name in ('llm_integrations.core.registry', 'prometheus_client', 'numpy'):\n"
        "    assert name not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_report_that_is_invalid_raises_when_asked_to() -> None:
    ValidationReport(is_valid=True).raise_if_invalid()
    with pytest.raises(SchemaValidationError):
        ValidationReport(is_valid=False).raise_if_invalid()
