"""Why a document failed, in words that quote nothing of it, and the others going on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from llama_index.core.schema import BaseNode, MetadataMode

__all__ = ["each", "reason_of"]

T = TypeVar("T")

_LENGTH: Final = 200
_RUN: Final = 16
"""Characters of a message in a row that make it a quotation where the document has them too."""


def each(
    work: Callable[[Sequence[T]], object],
    items: Sequence[T],
    failed: Callable[[T, Exception], object],
) -> None:
    """Work on all, and if that fails on each alone; ``failed`` is told of those that still do."""
    if not items:
        return
    try:
        work(items)
    except Exception as error:  # noqa: BLE001 - whatever a parser, a model or a store raises
        if len(items) == 1:
            failed(items[0], error)
        else:
            for item in items:
                each(work, [item], failed)


def reason_of(error: BaseException, document: BaseNode | None) -> str:
    """The kind of an error with its message, unless that quotes the document, or may.

    Args:
        document: None where it could not be had, so that nobody knows what a message quotes.
    """
    kind = type(error).__name__
    if document is None:
        return f"{kind} while its text was fetched or cut"
    # Of what the cut goes through enough is looked at to know it.
    message = " ".join(str(error).split())[: _LENGTH + _RUN]
    told = [document.get_content(MetadataMode.NONE), *_leaves(document.metadata)]
    if not message or any(_quotes(message, " ".join(text.split())) for text in told):
        return kind
    return f"{kind}: {message[:_LENGTH]}"


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple | set):
        if not (value is None or isinstance(value, bool)):
            yield str(value)
        return
    for part in value:
        yield from _leaves(part)


def _quotes(message: str, text: str) -> bool:
    if len(text) < _RUN:
        return len(text) > 3 and text in message
    runs = (message[first : first + _RUN] for first in range(len(message) - _RUN + 1))
    return any(run in text for run in runs)
