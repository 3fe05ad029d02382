"""Two versions of a schema compared: once, however many ask, and off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llm_integrations.core import evolution
from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution import Source
from llm_integrations.core.model.fingerprint import fingerprint_of
from llm_integrations.core.model.schema import RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["guide_text", "is_breaking", "once", "with_references"]

T = TypeVar("T")


def is_breaking(old: Source, new: Source, role: str) -> bool:
    """Whether what was right by the old version can be wrong by the new one.

    Inputs must still be taken (backward). What is said about an output must still hold for its
    readers (forward). Versions that cannot be compared count as breaking. Takes milliseconds to
    seconds the first time, nothing after that.
    """
    return _ask(_breaks_readers if role == "output" else _breaks_writers, old, new)


async def once(question: Callable[[Source, Source], T], old: Source, new: Source) -> T:
    """``question(old, new)``, worked out in a thread, and once for two versions."""
    return await asyncio.to_thread(_ask, question, old, new)


async def with_references(registry: Registry, schema: RegisteredSchema) -> Source:
    """A schema with what it refers to in the registry, ready to be compared."""
    if not schema.references:
        return Source(schema.body, {}, str(schema))
    try:
        validator = await registry.aio.validator_for(schema)
    except InvalidSchema:
        return Source(schema.body, {}, str(schema))  # the comparison says what is wrong with it
    return Source(schema.body, validator.resources, str(schema))


def _breaks_writers(old: Source, new: Source) -> bool:
    return _is_incompatible(old, new, "BACKWARD")


def _breaks_readers(old: Source, new: Source) -> bool:
    return _is_incompatible(old, new, "FORWARD")


def _is_incompatible(old: Source, new: Source, level: str) -> bool:
    try:
        return not evolution.check_compatibility(new, [old], level, policy="lenient").is_compatible
    except InvalidSchema:
        return True


def guide_text(old: Source, new: Source) -> str:
    """How to migrate, as Markdown; a sentence where that cannot be said."""
    try:
        return evolution.migration_guide(old, new).to_markdown()
    except InvalidSchema as error:
        return f"There is no migration guide: {error}"


def _ask(question: Callable[[Source, Source], T], old: Source, new: Source) -> T:
    key = (question, _identity(old), _identity(new))
    return _answers.get(key, lambda: question(old, new))


def _identity(schema: Source) -> Hashable:
    others = tuple((uri, fingerprint_of(body)) for uri, body in sorted(schema.resources.items()))
    return schema.name, fingerprint_of(schema.body), others


class _Answers:
    """Answers that are worked out once, by whoever asks first; the others wait for them."""

    def __init__(self, size: int = 256) -> None:
        self.lock = threading.Lock()
        self._size = size
        self._known: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        survive_fork(self)

    def get(self, key: Hashable, work_out: Callable[[], T]) -> T:
        with self.lock:
            is_known = key in self._known
            answer: Future[T] = self._known.setdefault(key, Future())
            self._known.move_to_end(key)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        if not is_known:
            try:
                answer.set_result(work_out())
            except BaseException as error:  # noqa: BLE001 - raised for whoever waits
                with self.lock:
                    self._known.pop(key, None)
                answer.set_exception(error)
        return answer.result()

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        self._known.clear()


_answers: Final = _Answers()
