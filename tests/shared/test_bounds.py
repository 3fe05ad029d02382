"""No call that takes a schema runs for long or in much memory, whatever schemas and data it gets.

The calls run in a process of their own, which can be stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# Counting lines would take longer than what is counted here.
pytestmark = pytest.mark.no_cover

SECONDS = 30.0
"""Of processor time for one call, where comparing is allowed 0.1 in the worker: without bounds it
would take minutes."""

STUCK = 60.0
WORKER = Path(__file__).parents[1] / "support/bounded_worker.py"

NAMES = st.sampled_from(["a", "b", "op"])
LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, {"type": "integer"}, {"type": "string"}, {"const": 1}, {"maxLength": 1}]
)
REFERENCES = st.integers(0, 3)
"""How many definitions further on a reference leads, in a ring."""


def _lists(part: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(part, min_size=1, max_size=3)


def _nodes(part: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = _lists(part)
    by_name = st.dictionaries(NAMES, part, min_size=1, max_size=3)
    one = ["items", "additionalProperties", "contains", "propertyNames", "not", "if", "then"]
    keywords: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(["anyOf", "oneOf", "allOf", "prefixItems"], several),
        **dict.fromkeys(["properties", "patternProperties", "dependentSchemas"], by_name),
        **dict.fromkeys([*one, "else", "unevaluatedProperties", "unevaluatedItems"], part),
        "type": st.sampled_from(["object", "array", ["object", "integer"]]),
        "required": st.lists(NAMES, max_size=2, unique=True),
    }
    return st.lists(st.sampled_from(sorted(keywords)), min_size=1, max_size=3, unique=True).flatmap(
        lambda words: st.fixed_dictionaries({word: keywords[word] for word in words})
    )


NODES = _nodes(LEAVES | REFERENCES | REFERENCES | _nodes(LEAVES | REFERENCES))


def _referring(node: Any, here: int, many: int) -> Any:
    """The node with a ``$ref`` for every number of definitions further on."""
    if isinstance(node, bool | str):
        return node
    if isinstance(node, int):
        return {"$ref": f"#/$defs/d{(here + node) % many}"}
    if isinstance(node, list):
        return [_referring(item, here, many) for item in node]
    kept = ("const", "maxLength", "type", "required")
    return {k: v if k in kept else _referring(v, here, many) for k, v in node.items()}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Many definitions of a few kinds, each of which applies the next ones, or itself."""
    kinds, many = draw(st.lists(NODES, min_size=1, max_size=3)), draw(st.integers(1, 40))
    ends = draw(st.booleans())
    definitions = {f"d{n}": _referring(kinds[n % len(kinds)], n, many) for n in range(many)}
    if ends:
        definitions[f"d{many - 1}"] = {"type": "integer"}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


def _nested(keys: str, leaf: Any) -> Any:
    for key in keys:
        leaf = [leaf] if key == "[" else {key: leaf, "op": 1}
    return leaf


DATA: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([0, 1, "", "long", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=20,
) | st.builds(
    _nested, st.text(alphabet="ab[", max_size=60), st.sampled_from([1, "x", {"op": None}])
)


class Worker:
    """The process that makes the calls; begun anew once it was stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def took(self, old: Any, new: Any, data: Any) -> dict[str, float]:
        """Seconds of each call; an AssertionError where one does not end, or memory does."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([old, new, data]) + "\n")
        process.stdin.flush()
        stop = Timer(STUCK, process.kill)
        stop.start()
        line = process.stdout.readline()
        stop.cancel()
        assert line, self.close()
        found: dict[str, float] = json.loads(line)
        return found

    def close(self) -> str:
        """The end of what it wrote to stderr: the call that it was in, and why that ended."""
        if self._process is None:
            return ""
        process, self._process = self._process, None
        process.kill()
        return process.communicate()[1][-600:]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],  # each try of a call that hangs would take STUCK
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(old=schemas(), new=schemas(), data=DATA)
def test_every_call_ends_soon(worker: Worker, old: Any, new: Any, data: Any) -> None:
    took = worker.took(old, new, data)
    assert max(took.values()) < SECONDS, took
