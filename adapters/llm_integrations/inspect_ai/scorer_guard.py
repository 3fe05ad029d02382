"""Keeps a scorer from judging a task by another version than the task is pinned to."""

from __future__ import annotations

from typing import Any

from inspect_ai.hooks import Hooks, TaskEnd, TaskStart, hooks
from inspect_ai.log._samples import sample_active
from llm_integrations.core.errors import PinMismatch
from llm_integrations.core.pins import Pin
from llm_integrations.core.validation import Validator
from llm_integrations.inspect_ai.task import METADATA_KEY

__all__ = ["refuse_other_than_pinned", "watch_tasks"]

_pinned: dict[str, Pin] = {}
"""The result pins of running tasks, by their ``eval_id``."""


class _PinnedTasks(Hooks):
    async def on_task_start(self, data: TaskStart) -> None:
        named: Any = (data.spec.metadata or {}).get(METADATA_KEY)
        result = named.get("result") if isinstance(named, dict) else None
        if isinstance(result, dict):
            _pinned[data.eval_id] = Pin.from_dict(result)

    async def on_task_end(self, data: TaskEnd) -> None:
        _pinned.pop(data.eval_id, None)


_watching: list[bool] = []


def watch_tasks() -> None:
    """Note from now on what tasks are pinned to: a scorer is not told of its task."""
    if not _watching:
        hooks("llm_integrations_pins", "Notes what tasks are pinned to.")(_PinnedTasks)
        _watching.append(True)


def refuse_other_than_pinned(validator: Validator) -> None:
    """PinMismatch if the running task is pinned to another version of the scorer's subject."""
    active = sample_active()
    pin = None if active is None else _pinned.get(active.eval_id)
    if (
        pin is not None
        and pin.subject == validator.subject
        and pin.fingerprint != validator.fingerprint
    ):
        raise PinMismatch(
            f"the scorer judges by {validator.reference}, the task is pinned to {pin}"
        )
