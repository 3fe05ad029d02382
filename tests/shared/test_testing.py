"""schema_case: an evaluation that is pytest, held to schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

BODY = {"type": "object", "properties": {"score": {"type": "number", "maximum": 1}}}

TESTS = """
def test_good(schema_case):
    assert schema_case("case@1", {"score": 0.5}) == {"score": 0.5}

def test_bad(schema_case):
    schema_case("case@1", {"score": 2})
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    # The other plugins of this environment take seconds to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    folder = pytester.mkdir("schemas") / "case"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps(BODY))
    pytester.makepyfile(TESTS)
    return pytester


def run(project: pytest.Pytester) -> pytest.RunResult:
    plugin = "llm_integrations.core.testing"
    return project.runpytest_subprocess("-p", plugin, "-p", "no:cacheprovider")


def test_valid_data_passes_and_invalid_data_fails_with_what_is_wrong(
    project: pytest.Pytester,
) -> None:
    project.makeini("[pytest]\nllm_integrations_registry = schemas")
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not valid by case@1*", "*/score: *maximum 1*"])


def test_the_environments_registry_is_used(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(Path(project.path, "schemas")))
    run(project).assert_outcomes(passed=1, failed=1)


def test_without_a_registry_the_error_says_how_to_name_one(project: pytest.Pytester) -> None:
    result = run(project)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*LLM_INTEGRATIONS_REGISTRY_URL*"])


def test_json_text_is_read_and_other_text_is_said_to_be_none(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nllm_integrations_registry = schemas")
    Path(project.path, "schemas", "word").mkdir()
    Path(project.path, "schemas", "word", "1.json").write_text('{"type": "string"}')
    project.makepyfile(
        """
        def test_answer(schema_case):
            assert schema_case("case@1", '{"score": 0.5}') == '{"score": 0.5}'

        def test_word(schema_case):
            schema_case("word@1", "Paris")
            schema_case("word@1", "5")

        def test_bad_answer(schema_case):
            schema_case("case@1", '{"score": 2}')

        def test_no_answer(schema_case):
            schema_case("case@1", "I think 0.5")
        """
    )
    Path(project.path, "schemas", "case", "1.json").write_text(
        json.dumps({**BODY, "type": "object"})
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*/score: *maximum 1*", "*the text is no JSON*"])
