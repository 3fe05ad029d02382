"""What every adapter has: this walks their folders, and says what one lacks.

An adapter that shares something with another names it in ``SHARED``; what it has no use for stands
in ``WITHOUT``, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.adapters import ADAPTERS, ROOT, extra_of, folder_of, project

SHARED: dict[tuple[str, str], str] = {
    ("inspect_ai", "docs page"): "evaluation",
    ("inspect_ai", "example"): "evaluation",
    ("inspect_ai", "notebook"): "evaluation",
    ("inspect_ai", "benchmark"): "evaluation",
    ("lm_eval", "docs page"): "evaluation",
    ("lm_eval", "example"): "evaluation",
    ("lm_eval", "notebook"): "evaluation",
    ("lm_eval", "benchmark"): "evaluation",
    ("ray", "docs page"): "arrow",
    ("ray", "benchmark"): "arrow",
    ("spark", "docs page"): "arrow",
    ("spark", "benchmark"): "arrow",
    # vLLM is the server that the middleware is shown and measured with.
    ("serving", "docs page"): "vllm",
    ("serving", "test file"): "vllm",
    ("serving", "example"): "vllm",
    ("serving", "notebook"): "vllm",
    ("serving", "benchmark"): "vllm",
}
"""(adapter, what): under which name it is found."""

WITHOUT: dict[tuple[str, str], str] = {
    ("ray", "notebook"): "a cluster of processes; its example runs in tests/real",
    ("spark", "notebook"): "needs Java; its example runs in tests/real",
}
"""(adapter, what): why it needs none."""


def py_typed(adapter: str, name: str) -> str | None:
    there = (folder_of(adapter) / "py.typed").is_file()
    return None if there else f"an empty adapters/llm_integrations/{adapter}/py.typed"


def floor_check(adapter: str, name: str) -> str | None:
    return None if extra_of(adapter) else 'require_extra("<extra>", "<module>") in __init__.py'


def extra(adapter: str, name: str) -> str | None:
    extras = project()["project"]["optional-dependencies"]
    return None if extra_of(adapter) in extras else "an extra in pyproject.toml, with floors"


def in_all(adapter: str, name: str) -> str | None:
    listed = " ".join(project()["project"]["optional-dependencies"]["all"])
    named = {word for part in re.findall(r"\[([^]]*)\]", listed) for word in part.split(",")}
    return None if extra_of(adapter) in named else "its extra in pyproject's extra 'all'"


def docs_page(adapter: str, name: str) -> str | None:
    page = ROOT / "docs" / f"{name}.md"
    text = page.read_text() if page.is_file() else ""
    told = adapter in text or (name != adapter and text)
    return None if told else f"docs/{name}.md that tells of {adapter}"


def test_file(adapter: str, name: str) -> str | None:
    found = [*(ROOT / "tests").glob(f"adapters/test_{name}*.py")]
    found += (ROOT / "tests").glob(f"real/test_{name}*.py")
    return None if found else f"tests/adapters/test_{name}.py"


test_file.__test__ = False  # type: ignore[attr-defined] # it looks for test files, and is none


def example(adapter: str, name: str) -> str | None:
    found = any((ROOT / "docs" / "examples" / name).glob("*"))
    return None if found else f"a small program in docs/examples/{name}/"


def notebook(adapter: str, name: str) -> str | None:
    there = (ROOT / "notebooks" / f"{name}.ipynb").is_file()
    return None if there else f"notebooks/{name}.ipynb"


def benchmark(adapter: str, name: str) -> str | None:
    there = (ROOT / "benchmarks" / f"bench_{name}.py").is_file()
    return None if there else f"benchmarks/bench_{name}.py, beside the bare framework"


def typing_sample(adapter: str, name: str) -> str | None:
    sample = ROOT / "tests" / "typing" / f"api_{name}.py"
    text = sample.read_text() if sample.is_file() else ""
    used = f"from llm_integrations.{adapter}" in text
    return None if used else f"tests/typing/api_{name}.py, which uses what it exports"


CHECKS: dict[str, Callable[[str, str], str | None]] = {
    "py.typed": py_typed,
    "floor check": floor_check,
    "extra": extra,
    "extra in all": in_all,
    "docs page": docs_page,
    "test file": test_file,
    "example": example,
    "notebook": notebook,
    "benchmark": benchmark,
    "typing sample": typing_sample,
}


def lacks(adapter: str, what: str) -> str | None:
    """What to add, or None if it is there."""
    return CHECKS[what](adapter, SHARED.get((adapter, what), adapter))


@pytest.mark.parametrize("what", CHECKS)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_has_what_all_adapters_have(adapter: str, what: str) -> None:
    missing = lacks(adapter, what)
    if (adapter, what) in WITHOUT:
        assert missing, f"{adapter} has it now: take ({adapter!r}, {what!r}) out of WITHOUT"
    else:
        assert missing is None, f"the adapter {adapter} lacks {missing}"


def test_an_adapter_that_has_nothing_is_told_all_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("adapter")
    (folder / "__init__.py").write_text('"""A framework."""\n')
    monkeypatch.setattr("tests.support.adapters.folder_of", lambda adapter: folder)
    monkeypatch.setitem(globals(), "folder_of", lambda adapter: folder)
    missing = {what: lacks("some_framework", what) for what in CHECKS}
    assert [what for what, lacking in missing.items() if lacking is None] == []
    assert missing["benchmark"] == "benchmarks/bench_some_framework.py, beside the bare framework"


def test_exceptions_name_adapters_and_things_that_exist() -> None:
    named = {*SHARED, *WITHOUT}
    assert {adapter for adapter, _ in named} <= set(ADAPTERS)
    assert {what for _, what in named} <= set(CHECKS)
