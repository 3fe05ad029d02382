"""Constrained decoding: a schema goes into the request, in the fields that vLLM takes it from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final, TypeAlias

from cachetools import LRUCache, TTLCache

from llm_integrations.core.observability import CONSTRAINTS_REFUSED, UNKNOWN_SUBJECT, get_logger
from llm_integrations.core.validation import Validator
from llm_integrations.serving.shapes.base import Body
from llm_integrations.serving.shapes.jsontext import as_dict
from llm_integrations.vllm.widen import schema_name, widen

__all__ = ["Constrainer"]

Fields: TypeAlias = Mapping[str, Any]

log = get_logger(__name__)

_NOTHING: Final[Fields] = {}
_REFUSALS: Final = (400, 422)
_REPEATED: Final = 3
"""So many other failures in a row are a refusal."""


class Constrainer:
    """Keeps what it made of each schema, and which of them the server refused.

    Args:
        again_after: seconds until a schema that was refused is tried again.
        clock: of seconds.
    """

    def __init__(self, again_after: float = 600.0, clock: Callable[[], float] = monotonic) -> None:
        self._again_after = again_after
        self._made: LRUCache[str, dict[str, Any]] = LRUCache(256)
        self._refused: TTLCache[str, bool] = TTLCache(256, again_after, clock)
        self._failures: LRUCache[str, int] = LRUCache(256)

    def fields(self, shape: str, request: Body, validator: Validator) -> Fields:
        """Top-level fields that constrain decoding.

        None where the client does so itself, where the answer could no longer be a tool call,
        and for a schema that the server refused a while ago.
        """
        key, fields = validator.fingerprint, _FIELDS.get(shape)
        if fields is None or key in self._refused or _is_constrained(shape, request):
            return _NOTHING
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = widen(validator.body)
        return fields(request, schema_name(validator.reference), made) or _NOTHING

    def failed(self, validator: Validator, status: int) -> None:
        """400 and 422 are about the request; any other failure may pass, unless it comes again."""
        key = validator.fingerprint
        self._failures[key] = times = self._failures.get(key, 0) + 1
        if status not in _REFUSALS and times < _REPEATED:
            return
        self.took(validator)
        self._refused[key] = True
        CONSTRAINTS_REFUSED.labels("vllm", validator.subject or UNKNOWN_SUBJECT).inc()
        log.warning(
            "vllm does not decode by %s (%d): requests go without it for %g s",
            validator.reference,
            status,
            self._again_after,
        )

    def took(self, validator: Validator) -> None:
        """What failed before was no refusal."""
        if self._failures:
            self._failures.pop(validator.fingerprint, None)


_CONSTRAINING: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": ("response_format", "structured_outputs"),
    "batch": ("response_format", "structured_outputs"),
    "invocations": ("response_format", "structured_outputs"),
    "completions": ("response_format", "structured_outputs"),
    "responses": ("structured_outputs",),
}
"""By which fields a client constrains decoding itself."""


def _is_constrained(shape: str, request: Body) -> bool:
    values = map(request.get, _CONSTRAINING.get(shape, ()))
    return any(value and as_dict(value).get("type") != "text" for value in values)


def _calls_tools(request: Body) -> bool:
    return bool(request.get("tools")) and request.get("tool_choice") != "none"


def _completions(_request: Body, name: str, schema: Body) -> Fields | None:
    form = {"name": name, "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _chat(request: Body, name: str, schema: Body) -> Fields | None:
    return None if _calls_tools(request) else _completions(request, name, schema)


def _responses(request: Body, name: str, schema: Body) -> Fields | None:
    text = as_dict(request.get("text"))
    if as_dict(text.get("format")).get("type", "text") != "text" or _calls_tools(request):
        return None
    form = {"type": "json_schema", "name": name, "schema": schema, "strict": True}
    return {"text": {**text, "format": form}}


def _messages(request: Body, _name: str, schema: Body) -> Fields | None:
    config = as_dict(request.get("output_config"))
    choice = as_dict(request.get("tool_choice")).get("type")
    if config.get("format") or (request.get("tools") and choice != "none"):
        return None
    return {"output_config": {**config, "format": {"type": "json_schema", "schema": schema}}}


_FIELDS: Final[Mapping[str, Callable[[Body, str, Body], Fields | None]]] = {
    "chat": _chat,
    "batch": _chat,
    "invocations": _chat,
    "completions": _completions,
    "responses": _responses,
    "messages": _messages,
}
