"""Comparing two versions of a schema: memoised, and off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llm_integrations.core import evolution
from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import ComparisonLimitExceeded, InvalidSchema
from llm_integrations.core.evolution import Source
from llm_integrations.core.model.fingerprint import fingerprint_of
from llm_integrations.core.model.schema import RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["guide_text", "is_breaking", "once", "with_references"]

T = TypeVar("T")


def is_breaking(old: Source, new: Source, role: str) -> bool:
    """Whether what was right by the old version can be wrong by the new one.

    For an input, new must accept what old accepts (backward); for an output, readers by the old
    version must be able to read new data (forward). Versions that cannot be compared count as
    breaking. Takes milliseconds to seconds the first time, nothing after that.
    """
    return _memoised(_breaks_readers if role == "output" else _breaks_writers, old, new)


async def once(comparison: Callable[[Source, Source], T], old: Source, new: Source) -> T:
    """``comparison(old, new)``, run in a thread, and only once for two versions."""
    return await asyncio.to_thread(_memoised, comparison, old, new)


async def with_references(registry: Registry, schema: RegisteredSchema) -> Source:
    """A schema with what it refers to in the registry, ready to be compared."""
    if not schema.references:
        return Source(schema.body, {}, str(schema))
    try:
        validator = await registry.aio.validator_for(schema)
    except InvalidSchema:
        return Source(schema.body, {}, str(schema))  # comparing it raises and says what is wrong
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
    """The migration guide as Markdown, or a sentence that says why there is none."""
    try:
        return evolution.migration_guide(old, new).to_markdown()
    except (InvalidSchema, ComparisonLimitExceeded) as error:
        return f"There is no migration guide: {error}"


def _memoised(comparison: Callable[[Source, Source], T], old: Source, new: Source) -> T:
    key = (comparison, _identity(old), _identity(new))
    return _memo.get(key, lambda: comparison(old, new))


def _identity(schema: Source) -> Hashable:
    others = tuple((uri, fingerprint_of(body)) for uri, body in sorted(schema.resources.items()))
    return schema.name, fingerprint_of(schema.body), others


class _Memo:
    """Memoised results: the first caller for a key computes, concurrent ones wait for it."""

    def __init__(self, size: int = 256) -> None:
        self.lock = threading.Lock()
        self._size = size
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        survive_fork(self)

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        with self.lock:
            is_known = key in self._futures
            answer: Future[T] = self._futures.setdefault(key, Future())
            self._futures.move_to_end(key)
            if len(self._futures) > self._size:
                self._futures.popitem(last=False)
        if not is_known:
            try:
                answer.set_result(compute())
            except BaseException as error:  # noqa: BLE001 - raised for whoever waits
                with self.lock:
                    self._futures.pop(key, None)
                answer.set_exception(error)
        return answer.result()

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        self._futures.clear()


_memo: Final = _Memo()
