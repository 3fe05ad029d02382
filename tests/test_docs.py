"""Pages are typed as they stand, from top to bottom, in a folder of their own.

Blocks of Python share one namespace, and what a ``text`` block right behind one shows is in its
output; a ``console`` block holds commands with lines of their output, in order; a block with a
title is a file; one that ``needs`` a server or an engine is not run. What a page leaves to the
reader's application stands in a comment of HTML that begins with ``<!-- setup``.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import inspect
import io
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_integrations.core import observability
from llm_integrations.core.observability import Metric
from tests.support.command_line import run_command

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/models.md",
    "docs/registry.md",
    "docs/evolution.md",
    "docs/arrow.md",
    "docs/langchain.md",
    "docs/datasets.md",
    "docs/evaluation.md",
    "docs/serving.md",
    "docs/drift.md",
    "docs/events.md",
    "docs/webhooks.md",
]

_BLOCK = re.compile(
    r"^```(?P<kind>\w*)(?P<options>[^\n]*)\n(?P<body>.*?)^```$|^<!-- setup\n(?P<setup>.*?)-->$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


@dataclass(frozen=True)
class Block:
    """``kind`` is python, text, console, json, …, or setup; ``line`` is where it begins."""

    kind: str
    options: str
    body: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["setup"] is not None:
            yield Block("setup", "", found["setup"], line)
        else:
            yield Block(found["kind"], found["options"], found["body"], line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", "")  # a page may set it, for itself
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_typed(page: str, folder: Path) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    sys.modules["page"] = type(sys)("page")  # where pydantic looks up the names of annotations
    shown = ""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        for block in blocks(ROOT / page):
            if "needs" in block.options:  # a server, or an engine that these tests do not install
                continue
            if title := _TITLE.search(block.options):
                (folder / title[1]).write_text(block.body)
            elif block.kind in ("python", "setup"):
                shown = _run(block, page, namespace, loop)
            elif block.kind == "text":
                _holds(shown, block, page)
            elif block.kind == "console":
                _type(block, page)
    namespace.clear()
    with _of_libraries():
        gc.collect()


@contextlib.contextmanager
def _of_libraries() -> Iterator[None]:
    """Their warnings are not ours: a page leaves clients and servers open, as its reader does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _run(
    block: Block, page: str, namespace: dict[str, object], loop: asyncio.AbstractEventLoop
) -> str:
    source = "\n" * block.line + block.body  # so that a traceback names the page's line
    code = compile(source, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), _of_libraries():
        waiting = eval(code, namespace)
        if inspect.iscoroutine(waiting):
            loop.run_until_complete(waiting)
    return output.getvalue()


def _holds(shown: str, block: Block, page: str) -> None:
    at = 0
    for line in block.body.splitlines():
        found = shown.find(line.strip(), at)
        assert found >= 0, f"{page}:{block.line} shows {line!r}, and there is\n{shown}"
        at = found + len(line.strip())


def _type(block: Block, page: str) -> None:
    expected = re.search(r"exit=(\d)", block.options)
    for command, output in re.findall(
        r"^\$ ([^\n]+)\n((?:(?!\$ )[^\n]*\n)*)", block.body, re.MULTILINE
    ):
        ran = run_command(*shlex.split(command)[1:])
        told = ran.stdout + ran.stderr
        assert ran.returncode == int(expected[1] if expected else 0), f"{command}\n{told}"
        _holds(told, Block("text", "", output, block.line), page)


METRICS = {
    metric._arguments[0]: (metric._kind.lower(), list(metric._arguments[2]))
    for metric in vars(observability).values()
    if isinstance(metric, Metric)
}


def test_the_page_of_metrics_has_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", page, re.MULTILINE)
    told = {name: (kind, labels.replace("`", "").split(", ")) for name, kind, labels in rows}
    assert told == METRICS


def test_no_page_names_a_metric_that_is_not_there() -> None:
    metric = re.compile(r"`(?:llm_integrations_|…?_)?([a-z_]+_(?:total|duration_seconds|state))\b")
    for page in sorted(ROOT.glob("docs/*.md")):
        named = {f"llm_integrations_{name}" for name in metric.findall(page.read_text())}
        assert named <= METRICS.keys(), page.name


@pytest.mark.parametrize(
    "page",
    sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]),
)
def test_a_page_names_no_file_that_is_not_there(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    folder = (ROOT / page).parent
    missing = [link for link, _ in _LINK.findall(text) if not (folder / link).exists()]
    assert missing == []
