"""One answer of a stream, as far as it has come."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any, ClassVar

from llm_integrations.serving.shapes.base import Answer, Parsed
from llm_integrations.serving.shapes.jsontext import as_dict, as_list, joined_text

__all__ = ["Part", "refuses"]


def refuses(message: Mapping[str, Any]) -> bool:
    """Whether a message holds a refusal, beside its content or as a part of it."""
    if message.get("refusal"):
        return True
    return any(as_dict(part).get("type") == "refusal" for part in as_list(message.get("content")))


class Part:
    """One answer of a stream, as far as it has come.

    Attributes:
        begun: whether anything came.
        size: characters that are held.
    """

    __slots__ = ("_calls", "_has_text", "_latest", "_refused", "_text", "_write", "begun", "size")

    def __init__(self, *, text: bool) -> None:
        self.begun = self._has_text = self._refused = False
        self.size = 0
        self._text = StringIO()
        self._write = self._text.write if text else None
        self._calls: dict[tuple[Any, str | int], _Call] = {}
        self._latest: dict[Any, _Call] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        """Add what is new in a choice."""
        if text := delta.get("content") or delta.get("text"):
            if not isinstance(text, str):
                self.add_text(joined_text(text))
                self._refused = self._refused or refuses(delta)
            else:  # as ``add_text``, without its call: a stream comes here with every event
                self.begun = self._has_text = True
                if self._write is not None:
                    self.size += self._write(text)
        if "tool_calls" in delta or "function_call" in delta:
            self._add_calls(delta)
        if delta.get("refusal"):
            self.begun = self._refused = True

    def _add_calls(self, delta: Mapping[str, Any]) -> None:
        for position, call in enumerate(as_list(delta.get("tool_calls"))):
            call = as_dict(call)
            index = index if isinstance(index := call.get("index", position), int | str) else 0
            function = as_dict(call.get("function") or call.get("custom"))
            arguments = function.get("arguments", function.get("input"))
            self.add_call(index, function.get("name"), arguments, call.get("id"))
        if function := as_dict(delta.get("function_call")):
            self.add_call("", function.get("name"), function.get("arguments"))

    def add_text(self, text: str | None) -> None:
        if text:
            self.begun = self._has_text = True
            if self._write is not None:
                self.size += self._write(text)

    def add_call(self, index: Any, name: Any, arguments: Any, identity: Any = None) -> None:
        """Add a fragment of a tool call, whose arguments come in pieces, or whole.

        Fragments belong together by their index, unless they bring another id, or another name
        once there are arguments.
        """
        self.begun = True
        name = name if isinstance(name, str) else ""
        call = self._call(index, name, identity if isinstance(identity, str) else "")
        self.size += call.add(name, arguments)

    def _call(self, index: Any, name: str, identity: str) -> _Call:
        latest = self._latest.get(index)
        if latest is not None and latest.may_go_on(name, identity):
            latest.identity = latest.identity or identity
            self._calls.setdefault((index, latest.identity), latest)
            return latest
        key = (index, identity or len(self._calls))
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(identity, "" if latest is None else latest.name)
            self.size += _Call.SIZE + len(identity)
        self._latest[index] = call
        return call

    def answer(self, index: Any, *, cut: bool, declined: bool) -> Answer:
        calls = dict.fromkeys(self._calls.values())
        found = (arguments for call in calls for arguments in call.found())
        declined = declined or (self._refused and not self._has_text)
        return Answer(index, self._text.getvalue() or None, tuple(found), cut, declined)


class _Call:
    """A tool call, as far as it has come; ``name`` is another's until it has one of its own."""

    __slots__ = ("_is_named", "_pieces", "_wholes", "identity", "name")

    SIZE: ClassVar = 32
    """In characters, what an empty one counts for."""

    def __init__(self, identity: str, name: str) -> None:
        self.identity = identity
        self.name = name
        self._is_named = False
        self._pieces = StringIO()
        self._wholes: list[Parsed] = []

    def may_go_on(self, name: str, identity: str) -> bool:
        if identity and self.identity:
            return identity == self.identity
        return name in ("", self.name) or not (self._pieces.tell() or self._wholes)

    def add(self, name: str, arguments: Any) -> int:
        """Take a fragment; the characters that are held of it."""
        if name and not self._is_named:
            self.name, self._is_named = name, True
        elif name != self.name:  # some servers repeat it in each fragment
            self.name += name
        if isinstance(arguments, str):
            return len(name) + self._pieces.write(arguments)
        if arguments is None or arguments == {}:
            return len(name)
        self._wholes.append(Parsed(arguments))
        return len(name) + len(repr(arguments))

    def found(self) -> list[tuple[str, str | Parsed]]:
        """Its name and arguments; no arguments are an empty object, and without a name no call."""
        pieces = self._pieces.getvalue()
        found: list[str | Parsed] = [*self._wholes]
        if pieces.strip():
            found.append(pieces)
        if self.name and not found:
            found.append(Parsed({}))
        return [(self.name, arguments) for arguments in found]
