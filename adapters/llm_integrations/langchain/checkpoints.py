"""Checkpoints that say by which version they were written, and are judged when another is in force.

A graph that is resumed goes on with a state that was right when it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.judge import Verdict
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.langchain.reading.payload import judge_piece
from llm_integrations.langchain.traced import TracedJudge

require_extra("langchain", "langgraph")

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple  # noqa: E402 - checked

if TYPE_CHECKING:
    from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = ["WRITTEN_BY", "checkpointer"]

WRITTEN_BY: Final = "schema_written_by"
"""The key in a checkpoint's metadata: the version that was in force when it was written."""
_OF_THE_GRAPH: Final = ("__", "branch:")

S = TypeVar("S", bound=BaseCheckpointSaver[Any])

log = get_logger(__name__)


def checkpointer(
    saver: S,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    mode: Mode = "enforce",
    on_unavailable: OnUnavailable | None = None,
    options: ValidationOptions | None = None,
    langsmith: Any = None,
) -> S:
    """A saver whose checkpoints bear the version of their state's schema.

    ``builder.compile(checkpointer=checkpointer(InMemorySaver(), "state"))``. Whoever resumes a
    checkpoint that another version wrote, or none, reads of it in the log; its state is judged by
    the version in force, under enforce before any node runs. Checkpoints of subgraphs, which have
    states of their own, are left alone. To look at one that is refused, or to mend it, compile the
    graph with the saver itself, or under ``warn``.

    Args:
        saver: LangGraph's, of whatever kind; it is left as it is, and shares its store.
        schema: of the whole state, as ``state@latest``.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` raises, ``warn`` logs and counts, ``off`` does nothing.
        on_unavailable: "raise" or "pass" when there is no schema to judge by.
        options: how to judge; None takes the registry's.
        langsmith: a LangSmith client, which gets feedback on what ``warn`` let pass.

    Raises:
        SchemaValidationError: on resume, under enforce; it names the version that wrote the state.
        ConfigurationError: it is no saver.
    """
    if not isinstance(saver, BaseCheckpointSaver):
        raise ConfigurationError(f"a checkpoint saver is wanted, not {type(saver).__name__}")
    client = resolve_registry(registry)
    judge = TracedJudge(client, "langchain", "input", mode, on_unavailable, options, langsmith)
    # A kind of the saver's own kind: graphs ask what it is, and each kind has methods of its own.
    kind = type(f"Schema{type(saver).__name__}", (_Written, type(saver)), {})
    bare: Any = object.__new__(kind)
    made: S = bare
    vars(made).update(vars(saver), written=(judge, SchemaRef.parse(schema)))
    return made


class _Written:
    """Mixin for savers: writes the version, and judges what another one wrote."""

    written: tuple[TracedJudge, SchemaRef]

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        judge, reference = self.written
        if _is_root(config):
            metadata = _stamped(metadata, judge.resolve(reference))
        with _within():
            return super().put(config, checkpoint, metadata, new_versions)  # type: ignore[misc] # a mixin

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        judge, reference = self.written
        if _is_root(config):
            metadata = _stamped(metadata, await judge.aresolve(reference))
        with _within():
            return await super().aput(config, checkpoint, metadata, new_versions)  # type: ignore[misc] # a mixin

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        with _within():
            found: CheckpointTuple | None = super().get_tuple(config)  # type: ignore[misc] # a mixin
        judge, reference = self.written
        if found is not None and _is_root(config):
            _judge(judge, judge.resolve(reference), found)
        return found

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        with _within():
            found: CheckpointTuple | None = await super().aget_tuple(config)  # type: ignore[misc] # a mixin
        judge, reference = self.written
        if found is not None and _is_root(config):
            _judge(judge, await judge.aresolve(reference), found)
        return found


_IS_WITHIN: Final = ContextVar("within", default=False)


@contextmanager
def _within() -> Iterator[None]:
    """For savers whose coroutines call their other methods, or the reverse: once is enough."""
    token = _IS_WITHIN.set(True)
    try:
        yield
    finally:
        _IS_WITHIN.reset(token)


def _judge(judge: TracedJudge, validator: Validator | None, found: CheckpointTuple) -> None:
    if validator is None:
        return
    written = dict(found.metadata).get(WRITTEN_BY)
    if written == validator.reference:
        return  # what came in, and each change, was judged by this version where it was made
    what = f"checkpoint {found.checkpoint['id']}, written by {written or 'no known version'},"
    log.warning(
        "langchain %s is resumed under %s",
        what.rstrip(","),
        validator.reference,
        extra={"llmi_schema": validator.reference, "llmi_written_by": written},
    )
    for state in _states(found.checkpoint):
        verdict: Verdict = judge_piece(judge, validator, state)
        judge.act(verdict, what=what)


def _states(checkpoint: Mapping[str, Any]) -> Iterator[Any]:
    """The state in a checkpoint; there is none yet where only the input was written."""
    values = {
        name: value
        for name, value in checkpoint["channel_values"].items()
        if not name.startswith(_OF_THE_GRAPH)
    }
    if values:
        yield values
    elif "__root__" in checkpoint["channel_values"]:  # a state of one value
        yield checkpoint["channel_values"]["__root__"]


def _stamped(metadata: Mapping[str, Any], validator: Validator | None) -> dict[str, Any]:
    return dict(metadata) if validator is None else {**metadata, WRITTEN_BY: validator.reference}


def _is_root(config: Mapping[str, Any]) -> bool:
    """Whether it is a checkpoint of the whole graph, and nobody around sees to it."""
    return not (_IS_WITHIN.get() or config.get("configurable", {}).get("checkpoint_ns"))
