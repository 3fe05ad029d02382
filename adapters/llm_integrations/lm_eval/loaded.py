"""The tasks of one run as the harness loads them; what is put onto them is taken off again."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_integrations.core.errors import InvalidEvaluation
from llm_integrations.core.pins.inputs import Inputs
from llm_integrations.lm_eval.inputs import inputs_when_built
from llm_integrations.lm_eval.randomness import randomness_kept
from llm_integrations.lm_eval.request_cache import keyed_builder
from lm_eval.utils import simple_parse_args_string

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

__all__ = ["LoadedTasks"]

_ABSENT: Any = object()


class LoadedTasks(ExitStack):
    """The harness's task manager, which hands tasks to ``prepare`` before it returns them.

    Leaving the context takes off the tasks whatever was shadowed: they can be the caller's own.

    Args:
        manager: the caller's; None makes the one that ``simple_evaluate`` would.
        options: the other arguments of ``simple_evaluate``.
        prepare: is given the tasks and the groups by name.
        check: is given each task's name, and what computes its inputs, once its requests are
            built: before any model call.
    """

    def __init__(
        self,
        manager: TaskManager | None,
        options: Mapping[str, Any],
        prepare: Callable[[Mapping[str, Any], Mapping[str, Any]], None],
        check: Callable[[str, Callable[[], Inputs]], None],
    ) -> None:
        super().__init__()
        self._manager = _default_manager(options) if manager is None else manager
        self._prepare = prepare
        self._check = check

    def load(self, tasks: Any) -> Any:
        try:
            loaded = self._manager.load(tasks)
        except IndexError as error:
            if _is_of_no_document(error):
                raise InvalidEvaluation(f"a task of {tasks} has no test case at all") from None
            raise
        with randomness_kept():
            for name, task in loaded["tasks"].items():
                build = inputs_when_built(keyed_builder(task), task, partial(self._check, name))
                self._shadow(task, "build_all_requests", build)
                self._hold_documents(task)
            self._prepare(loaded["tasks"], loaded.get("groups", {}))
        return loaded

    def _hold_documents(self, task: Any) -> None:
        """Evaluate the very documents that are judged; the harness calls ``process_docs`` again.

        Only a data set is held, whose rows are made anew for each reader.
        """
        docs = task.eval_docs
        if hasattr(docs, "select"):
            method = "test_docs" if task.has_test_docs() else "validation_docs"
            self._shadow(task, method, lambda: docs)

    def _shadow(self, task: Any, name: str, value: Any) -> None:
        """Put an attribute onto a task until this context is left."""
        before = vars(task).get(name, _ABSENT)
        setattr(task, name, value)
        if before is _ABSENT:
            self.callback(delattr, task, name)
        else:
            self.callback(setattr, task, name, before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


def _is_of_no_document(error: IndexError) -> bool:
    """Whether the harness met no first document, which it looks at while it loads a task.

    Then its own constructor asked the data set; a task's functions have frames between.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = [(frame.f_globals.get("__name__", ""), frame.f_code.co_name) for frame in frames]
    try:
        asked = places.index(("lm_eval.api.task", "__init__"))
    except ValueError:
        return False
    return all(module.split(".")[0] == "datasets" for module, _ in places[asked + 1 :])


def _default_manager(options: Mapping[str, Any]) -> TaskManager:
    """The manager that ``simple_evaluate`` makes: tasks read the model's arguments too."""
    from lm_eval.tasks import TaskManager

    arguments = options.get("model_args")
    if isinstance(arguments, str):
        arguments = simple_parse_args_string(arguments)
    if not isinstance(arguments, dict):
        arguments = {}
    return TaskManager(metadata=arguments | (options.get("metadata") or {}))
