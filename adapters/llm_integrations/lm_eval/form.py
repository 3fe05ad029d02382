"""The one shape of a sample and of metrics: what the harness writes into its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

import numpy as np

from lm_eval.utils import handle_non_serializable

__all__ = ["file_name", "json_line", "stored_metrics", "stored_sample", "stored_samples"]

_DEPTH: Final = 100
_MOST: Final = 100_000
_TEXT: Final = frozenset({str})
_LISTS: Final = (list, tuple)
_CONTAINERS: Final = frozenset({list, dict})
_USUAL: Final = frozenset({str, int, float, bool, list, dict, type(None)})


def stored_sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as one line of ``samples_*.jsonl`` says it.

    ``arguments`` are ``{"gen_args_0": {"arg_0": …}}``, responses and target are text, and what is
    no JSON is what the harness writes for it.
    """
    return _as_read(_form(sample))


def stored_samples(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same of many, which are looked at together."""
    forms = [_form(sample) for sample in samples]
    return forms if _hold_only_json(forms) else [_as_read(form) for form in forms]


def _form(sample: Mapping[str, Any]) -> dict[str, Any]:
    form = _items(sample)
    arguments = form.get("arguments")
    if isinstance(arguments, list):
        form["arguments"] = {
            f"gen_args_{number}": {f"arg_{index}": part for index, part in enumerate(request)}
            for number, request in enumerate(arguments)
        }
        form["target"] = str(sample["target"])
        form["resps"] = _texts(sample["resps"])
        form["filtered_resps"] = _texts(sample["filtered_resps"])
    return form


def stored_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A task's metrics as ``results_*.json`` says them: ``{"acc,none": 0.5, "alias": …}``."""
    return _as_read(_items(metrics))


def json_line(value: Any, indent: int | None = None) -> bytes:
    text = json.dumps(value, default=handle_non_serializable, ensure_ascii=True, indent=indent)
    return text.encode() + b"\n"


def file_name(task: str) -> str:
    """A task's name in the names of files; two names never give the same."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in task)[:100].lstrip("._-") or "x"
    return safe if safe == task else f"{safe}-{hashlib.sha256(task.encode()).hexdigest()[:8]}"


def _items(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numpy scalars as Python numbers, which the validator takes the fast way."""
    items = dict(values)
    for key, value in values.items():
        if type(value) not in _USUAL and isinstance(value, np.generic):
            items[key] = value.item()
    return items


def _texts(value: Any) -> Any:
    if not isinstance(value, _LISTS):
        return str(value)
    return [*value] if _TEXT.issuperset(map(type, value)) else [_texts(item) for item in value]


def _hold_only_json(forms: list[dict[str, Any]]) -> bool:
    """Whether they hold what ``json.loads`` makes; False where that takes a closer look."""
    level: list[Any] = [*forms]
    for _ in range(_DEPTH):
        if not level or len(level) > _MOST:
            break
        kinds = set(map(type, level))
        if not kinds <= _USUAL:
            return False
        if float in kinds and not all(map(isfinite, [x for x in level if type(x) is float])):
            return False
        if kinds.isdisjoint(_CONTAINERS):
            return True
        below: list[Any] = []
        keys: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                keys += item
                below += item.values()
            elif kind is list:
                below += item
        if not _TEXT.issuperset(map(type, keys)):
            return False
        level = below
    return not level


def _as_read(form: dict[str, Any]) -> dict[str, Any]:
    """A form as it is read back from the file; most hold nothing else."""
    if _hold_only_json([form]):
        return form
    try:
        read: dict[str, Any] = json.loads(json_line(form))
    except (TypeError, ValueError, RecursionError):
        return form  # it cannot be stored, and the validator says why
    return read
