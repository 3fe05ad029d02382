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
    arguments = sample.get("arguments")
    if isinstance(arguments, list):
        form["arguments"] = {
            f"gen_args_{number}": {f"arg_{index}": part for index, part in enumerate(request)}
            for number, request in enumerate(arguments)
        }
        form["target"] = str(sample["target"])
        for name in ("resps", "filtered_resps"):
            form[name] = _texts(sample[name])
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
    if _USUAL.issuperset(map(type, values.values())):
        return dict(values)
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}


def _texts(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return str(value)
    return [*value] if _TEXT.issuperset(map(type, value)) else [_texts(item) for item in value]


def _hold_only_json(forms: list[dict[str, Any]]) -> bool:
    """Whether they hold what ``json.loads`` makes; False where that takes a closer look."""
    level: list[Any] = [*forms]
    for _ in range(_DEPTH):
        if not level or len(level) > _MOST:
            break
        if not _USUAL.issuperset(map(type, level)):
            return False
        if not all(map(isfinite, [item for item in level if type(item) is float])):
            return False
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                if not _TEXT.issuperset(map(type, item)):
                    return False
                below += item.values()
            elif type(item) is list:
                below += item
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
