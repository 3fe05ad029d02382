"""The one shape of a sample and of metrics: what the harness writes into its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from llm_integrations.core.validation.plain import is_exactly_json
from lm_eval.utils import handle_non_serializable

__all__ = ["file_name", "json_line", "stored_metrics", "stored_sample"]

_DEPTH: Final = 100
_USUAL: Final = frozenset({str, int, float, bool, list, dict, type(None)})


def stored_sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as one line of ``samples_*.jsonl`` says it.

    ``arguments`` are ``{"gen_args_0": {"arg_0": …}}``, responses and target are text, and what is
    no JSON is what the harness writes for it.
    """
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
    return _as_read(form)


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
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _as_read(form: dict[str, Any]) -> dict[str, Any]:
    """A form as it is read back from the file; most hold nothing else."""
    if is_exactly_json(form, _DEPTH):
        return form
    try:
        read: dict[str, Any] = json.loads(json_line(form))
    except (TypeError, ValueError, RecursionError):
        return form  # it cannot be stored, and the validator says why
    return read
