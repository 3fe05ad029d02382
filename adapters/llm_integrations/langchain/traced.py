"""What a warning leaves in traces: an event, metadata of the run, feedback in LangSmith."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_callback_manager_for_config

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.judge import Judge, Verdict
from llm_integrations.core.observability import get_logger

__all__ = ["EVENT", "TracedJudge"]

EVENT: Final = "schema_invalid"
"""The custom event, the entry in a run's metadata and the key of feedback: data that was let pass
although it is invalid."""
_MOST_WAITING: Final = 1000

log = get_logger(__name__)


@dataclass(frozen=True)
class TracedJudge(Judge):
    """A judge whose warnings are seen in traces as well as in the log.

    Args:
        langsmith: a LangSmith client, which gets a feedback of 0 for each.
    """

    langsmith: Any = None

    def act(
        self,
        verdict: Verdict,
        *,
        what: str = "",
        config: RunnableConfig | None = None,
        run_id: UUID | None = None,
    ) -> Verdict:
        """``Judge.act``.

        Args:
            config: of the run that this is a part of; None for the one under way.
            run_id: the run that is to blame; None for that one.
        """
        report = verdict.report
        if report is None or report.is_valid:
            return verdict
        super().act(verdict, what=what)
        told = {"schema": report.schema, "side": self.side, "report": str(report)}
        self._show(told, ensure_config(config), run_id)
        return verdict

    def _show(self, told: Mapping[str, Any], config: RunnableConfig, run_id: UUID | None) -> None:
        manager = get_callback_manager_for_config(config)
        around = manager.parent_run_id
        trace = None
        if around is not None:
            for run in _open_runs(manager.handlers, around):
                _note(run, told)
                trace = getattr(run, "trace_id", None)
            with suppress(RuntimeError):  # of a handler that wants a loop of its own
                dispatch_custom_event(EVENT, dict(told), config=config)
        blamed = run_id or around
        if self.langsmith is not None and blamed is not None:
            projects = (getattr(one, "project_name", None) for one in manager.handlers)
            project = next(filter(None, projects), None)
            _SENDER.send(partial(_feedback, self.langsmith, blamed, trace, project, told))


def _open_runs(handlers: list[Any], run_id: UUID) -> list[Any]:
    """The run as each tracer keeps it until it ends."""
    maps = [getattr(handler, "run_map", None) for handler in handlers]
    found = [runs.get(str(run_id)) for runs in maps if isinstance(runs, Mapping)]
    return [run for run in found if hasattr(run, "extra") and hasattr(run, "events")]


def _note(run: Any, told: Mapping[str, Any]) -> None:
    now = datetime.now(UTC)
    if isinstance(run.events, list):
        run.events.append({"name": EVENT, "time": now, "kwargs": dict(told)})
    metadata = (run.extra or {}).get("metadata") or {}
    # A new dict: tracers share theirs among runs.
    noted = {**metadata, EVENT: [*metadata.get(EVENT, ()), dict(told)]}
    run.extra = {**(run.extra or {}), "metadata": noted}


class _Sender:
    """A thread for feedback: nobody waits for LangSmith."""

    def __init__(self) -> None:
        self.after_fork()
        survive_fork(self)

    def after_fork(self) -> None:
        self.lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="langsmith-feedback")
        self._waiting = 0

    def send(self, create: Callable[[], object]) -> None:
        with self.lock:
            is_full = self._waiting >= _MOST_WAITING
            self._waiting += not is_full
        if is_full:
            log.warning("LangSmith is too slow: some feedback is left out")
        else:
            self._thread.submit(self._run, create)

    def _run(self, create: Callable[[], object]) -> None:
        try:
            create()
        except Exception as error:  # noqa: BLE001 - feedback is never worth an answer
            log.warning("feedback in LangSmith failed: %s", type(error).__name__)
        finally:
            with self.lock:
                self._waiting -= 1


_SENDER: Final = _Sender()


def _feedback(
    client: Any, run_id: UUID, trace: Any, project: str | None, told: Mapping[str, Any]
) -> None:
    client.create_feedback(
        run_id,
        key=EVENT,
        score=0,
        value=told["schema"],
        comment=f"{told['side']} {told['report']}",
        trace_id=trace,
        session_id=_session(client, project),
        stop_after_attempt=3,
    )


@lru_cache(maxsize=64)
def _session(client: Any, project: str | None) -> Any:
    """The id of the project that runs are traced to, which feedback has to name."""
    from langsmith.utils import get_tracer_project

    return client.read_project(project_name=project or get_tracer_project()).id
