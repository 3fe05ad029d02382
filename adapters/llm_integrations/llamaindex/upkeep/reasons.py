"""Why a document failed, in words that quote nothing of it."""

from __future__ import annotations

from typing import Final

from llama_index.core.schema import BaseNode, MetadataMode

__all__ = ["reason_of"]

_LENGTH: Final = 200
_RUN: Final = 16
"""Characters of a message in a row that make it a quotation where the document has them too."""


def reason_of(error: BaseException, document: BaseNode) -> str:
    """The kind of an error with its message, unless that quotes the document."""
    kind = type(error).__name__
    message = " ".join(str(error).split())[:_LENGTH]
    return f"{kind}: {message}" if message and not _quotes(message, document) else kind


def _quotes(message: str, document: BaseNode) -> bool:
    values = {str(value) for value in document.metadata.values() if isinstance(value, str)}
    if any(value in message for value in values if len(value) > 3):
        return True
    text = " ".join(document.get_content(MetadataMode.NONE).split())
    if len(text) < _RUN:
        return len(text) > 3 and text in message
    runs = (message[first : first + _RUN] for first in range(len(message) - _RUN + 1))
    return any(run in text for run in runs)
