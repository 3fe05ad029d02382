"""Which schema: the rule's own, or one that the client may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.jsonschema.pointer import from_pointer
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.serving.config.rules import NamedBy
from llm_integrations.serving.rules.patterns import Patterns
from llm_integrations.serving.rules.pointer import at, param_of
from llm_integrations.serving.shapes.failure import Refused, bad_request

__all__ = ["Named", "SchemaSource", "allowed"]


_LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Named:
    """A reference in its one spelling, and what named it: None for the rule, else where it stood.

    Text rather than a SchemaRef, since it is a key of the registry client's cache.
    """

    reference: str
    by: str | None = None


def allowed(text: str, by: str, allow: Patterns) -> SchemaRef:
    """What a client named in the place ``by``.

    Raises:
        Refused: it is no reference, or this subject may not be named.
    """
    if len(text) > _LONGEST or not text.isprintable():
        raise Refused(bad_request(f"{by}: this is no reference to a schema", by))
    try:
        reference = SchemaRef.parse(text)
    except InvalidReference as error:
        raise Refused(bad_request(f"{by}: {error}", by)) from None
    if not allow.match(reference.subject):
        raise Refused(bad_request(f"{by}: this schema cannot be asked for here", by))
    return reference


class SchemaSource:
    """Decides by request which reference counts.

    Attributes:
        own: the rule's own, if it has one.
        depends: whether the request has a say.
    """

    def __init__(self, reference: str | None, named_by: NamedBy | None) -> None:
        self.depends = named_by is not None
        self.own = None if reference is None else Named(str(SchemaRef.parse(reference)))
        self._named_by = named_by
        if named_by is not None:
            self._allow = Patterns(named_by.allow)
            self._header = (named_by.header or "").lower().encode("latin-1")
            self._field = from_pointer(named_by.field) if named_by.field else ()

    def pick(self, headers: Mapping[bytes, bytes], body: Any) -> Named | None:
        """The reference for this request, if any.

        Raises:
            Refused: the client names something that is no reference, or may not be named.
        """
        if self._named_by is None:
            return self.own
        text, by = self._asked_for(headers, body)
        if text is None:
            return self.own
        return Named(str(allowed(text, by, self._allow)), by)

    def _asked_for(self, headers: Mapping[bytes, bytes], body: Any) -> tuple[str | None, str]:
        if self._header and (value := headers.get(self._header)):
            return value.decode("latin-1"), self._header.decode("latin-1")
        if self._field and isinstance(text := at(body, self._field), str):
            return text, param_of(self._field)
        return None, ""
