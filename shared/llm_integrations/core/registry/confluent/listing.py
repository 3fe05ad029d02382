"""The latest of all subjects of a Confluent-compatible registry, in pages.

Confluent's server hands out at most a thousand schemas at once. Karapace knows no pages: it answers
with everything, whatever part was asked for. Apicurio has no such list at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from llm_integrations.core.errors import (
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import Version, version_key
from llm_integrations.core.registry.backend import Latest, Page
from llm_integrations.core.registry.confluent.reads import ask, get, list_of
from llm_integrations.core.registry.confluent.replies import local_name, read_schema
from llm_integrations.core.registry.http.exchange import (
    HttpRequest,
    HttpResponse,
    Operation,
    ReplyTooLarge,
)
from llm_integrations.core.registry.listing.left_out import NamedOnce, latest_of_listed

__all__ = ["LatestListing"]

_LIMIT: Final = 1_000  # the default and the maximum of Confluent's server
_SMALLER: Final = 8

_Identity: TypeAlias = tuple[Any, Any]
_Documents: TypeAlias = tuple[list[dict[str, Any]], HttpResponse]


class _Kind(Enum):
    UNKNOWN = "not asked yet"
    PAGES = "answers with the part that was asked for"
    WHOLE = "answers with everything at once"
    TOO_LARGE = "answers with everything at once, and that is too much"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How much of the list is known, how much to ask for next, and how the list begins."""

    offset: int = 0
    limit: int = _LIMIT
    first: _Identity | None = None


class LatestListing:
    """Asks for the pages, and remembers which kind of server it is."""

    def __init__(self) -> None:
        self._kind = _Kind.UNKNOWN
        self._named = NamedOnce()

    def page(self, cursor: _Cursor | None) -> Operation[Page[Latest] | None]:
        """None where the server has no such list, or one that fits no answer."""
        if self._kind is _Kind.TOO_LARGE:
            return None
        try:
            if self._kind is _Kind.WHOLE:
                return (yield from self._whole())
            return (yield from self._part(cursor or _Cursor()))
        except ReplyTooLarge:
            self._kind = _Kind.TOO_LARGE
            return None
        except RegistryProtocolError:
            return None

    def _part(self, cursor: _Cursor) -> Operation[Page[Latest] | None]:
        answered = yield from self._documents(cursor)
        if answered is None:
            return None
        documents, response, cursor = answered
        first = _identity(documents[0]) if documents else None
        repeats = cursor.offset > 0 and first == cursor.first
        if len(documents) > cursor.limit or (repeats and self._kind is not _Kind.PAGES):
            self._kind = _Kind.WHOLE
            return (yield from self._whole())
        if not documents or repeats:
            if cursor.offset:
                self._kind = _Kind.PAGES
            return Page(Latest())
        found = _read(documents, response)
        self._named.follow(found, found.left_out)
        if cursor.offset:
            self._kind = _Kind.PAGES
        beyond = _Cursor(
            cursor.offset + len(documents), min(_LIMIT, cursor.limit * 2), cursor.first or first
        )
        return Page(found, beyond)

    def _documents(
        self, cursor: _Cursor
    ) -> Operation[tuple[list[dict[str, Any]], HttpResponse, _Cursor] | None]:
        """Fewer at once where so many do not fit into an answer."""
        while True:
            query = {"latestOnly": "true", "offset": str(cursor.offset), "limit": str(cursor.limit)}
            try:
                answered = yield from _listing(query)
            except ReplyTooLarge:
                if cursor.limit == 1:
                    raise
                cursor = replace(cursor, limit=max(1, cursor.limit // _SMALLER))
                continue
            return None if answered is None else (*answered, cursor)

    def _whole(self) -> Operation[Page[Latest] | None]:
        """Asked twice, since Karapace lists a newest version that was deleted softly and takes
        ``deleted`` the other way round: what both answers agree on is live, the rest is asked for.
        """
        one = yield from _listing({"latestOnly": "true"})
        other = yield from _listing({"latestOnly": "true", "deleted": "true"})
        if one is None or other is None:
            return None
        found, again = _read(*one), _read(*other)
        for subject in sorted(_named(found) | _named(again)):
            if _version_in(found, subject) == _version_in(again, subject):
                continue
            found.pop(subject, None)
            found.left_out.pop(subject, None)
            try:
                found[subject] = yield from get(latest_of_listed(subject))
            except SchemaNotFound:
                continue
            except RegistryUnavailable:
                raise
            except RegistryError as error:
                found.left_out[subject] = error
        self._named.follow(found, found.left_out)
        return Page(found, is_all=True)


def _listing(query: Mapping[str, str]) -> Operation[_Documents | None]:
    response = yield from ask(HttpRequest("GET", "/schemas", query=query))
    if response.status >= 400:
        return None
    return list_of(dict, response.json(), response), response


def _read(documents: list[dict[str, Any]], response: HttpResponse) -> Latest:
    """The highest version of each subject. What is no JSON Schema, or damaged, is left out."""
    newest: dict[str, dict[str, Any]] = {}
    for document in documents:
        subject, version = document.get("subject"), document.get("version")
        if not isinstance(subject, str) or not isinstance(version, int) or version < 1:
            raise response.protocol_error("with a schema that has no subject and version")
        subject = local_name(subject, response.url)
        known = newest.get(subject)
        if known is None or version_key(known["version"]) < version_key(version):
            newest[subject] = document
    found = Latest()
    for subject, document in newest.items():
        try:
            latest_of_listed(subject)
            found[subject] = read_schema(document, response)
        except RegistryError as error:
            found.left_out[subject] = error
    return found


def _identity(document: Mapping[str, Any]) -> _Identity:
    return document.get("subject"), document.get("version")


def _named(latest: Latest) -> set[str]:
    return {*latest, *latest.left_out}


def _version_in(latest: Latest, subject: str) -> Version | str | None:
    if subject in latest.left_out:
        return str(latest.left_out[subject])
    return latest[subject].version if subject in latest else None
