"""How servers write down the answers that they stored: one, a list of them, a batch's file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.serving.shapes.jsontext import as_dict, as_list, read_fields, read_json
from llm_integrations.serving.shapes.responses import CLIENT_RUNS

__all__ = ["BATCH", "CHAT_MESSAGES", "ITEM", "ITEMS", "ONE", "REPLIES", "Listing"]

_SAID_TO_MODELS: Final = ("user", "system", "developer", "tool")
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_OK: Final = range(200, 300)
_ANSWERS: Final = frozenset(("choices", "output", "content", "message"))
_LISTS: Final = ("data", "results")
_NAME: Final = b"custom_id"
_NOT_JUDGED: Final = {"code": "invalid_output", "message": "the answer is withheld by its schema"}


class Listing:
    """One answer, as the endpoint gave it that made it. Stateless."""

    def entries(self, data: bytes) -> Sequence[Any]:
        """What the body holds. Raises ValueError, or RecursionError, for another form."""
        return [read_json(data)]

    def reply_in(self, entry: Any) -> Any:
        """The answer that is stored there, as a reply of its endpoint; None for what is none."""
        return entry

    def shape_of(self, reply: Any) -> str | None:
        """The shape of a reply; None where it is the same for all that is stored there."""
        return None

    def changed(self, entry: Any, reply: Any) -> Any:
        """An entry with what is left of its reply; None for nothing."""
        return reply

    def written(self, data: bytes, entries: Sequence[Any]) -> bytes | None:
        """The body with these entries in place of its own; None for no body."""
        return json.dumps(entries[0]).encode() if entries else None

    def holds_none(self, beginning: bytes) -> bool:
        """Whether a body that begins so holds no answers, so that nothing has to be read."""
        return False


class _List(Listing):
    """Each of ``data``; what says where the next page begins stays as it is."""

    def entries(self, data: bytes) -> Sequence[Any]:
        found = as_dict(read_json(data)).get("data")
        if not isinstance(found, list):
            raise ValueError("no list")
        return found

    def written(self, data: bytes, entries: Sequence[Any]) -> bytes | None:
        return json.dumps({**read_json(data), "data": entries}).encode()


class _ChatMessages(_List):
    """The messages of a chat."""

    def reply_in(self, entry: Any) -> Any:
        if as_dict(entry).get("role") in _SAID_TO_MODELS:
            return None
        return {"choices": [{"message": entry, "finish_reason": "stop"}]}

    def changed(self, entry: Any, reply: Any) -> Any:
        return None


class _Item(Listing):
    """One item of a conversation. Nobody can tell which items a response had, so each is judged
    as an answer of its own."""

    def reply_in(self, entry: Any) -> Any:
        item = as_dict(entry)
        kind = item.get("type", "message")
        if item.get("role") in _SAID_TO_MODELS or kind not in ("message", *CLIENT_RUNS):
            return None
        item = {**item, "type": kind}
        is_cut = item.get("status") == "incomplete"
        details = {"reason": "max_output_tokens"} if is_cut else None
        status = item.get("status") or "completed"
        return {"status": status, "output": [item], "incomplete_details": details}

    def changed(self, entry: Any, reply: Any) -> Any:
        return None


class _Items(_Item, _List):
    """The items of a conversation, or those that a response was given."""


class _Batch(Listing):
    """The results of a batch, one a line; other files, as those that a client uploads, hold no
    answers. A result that is withheld is an error, so that each request has its line."""

    def entries(self, data: bytes) -> Sequence[Any]:
        return data.split(b"\n")

    def reply_in(self, entry: Any) -> Any:
        fields = read_fields(entry)
        if _is_unread(fields, entry):
            return entry
        response, result = as_dict(fields.get("response")), as_dict(fields.get("result"))
        if "custom_id" not in fields:
            return None
        if result.get("type") == "succeeded":
            return result.get("message")
        body = response.get("body")
        status = response.get("status_code")
        has_failed = not response or (isinstance(status, int) and status not in _OK)
        return None if has_failed or _is_no_answer(body) else body

    def shape_of(self, reply: Any) -> str | None:
        fields = as_dict(reply)
        if fields.get("type") == "message":
            return "messages"
        if "output" in fields:
            return "responses"
        choices = as_list(fields.get("choices"))
        is_chat = any("message" in as_dict(each) for each in choices)
        return ("chat" if is_chat else "completions") if choices else None

    def changed(self, entry: Any, reply: Any) -> Any:
        fields = read_fields(entry)
        if "result" in fields:
            told: Any = {"type": "errored", "error": {"type": "error", "error": _NOT_JUDGED}}
            result = told if reply is None else {**fields["result"], "message": reply}
            return json.dumps({**fields, "result": result}).encode()
        response = None if reply is None else {**fields["response"], "body": reply}
        error = _NOT_JUDGED if reply is None else fields.get("error")
        return json.dumps({**fields, "response": response, "error": error}).encode()

    def written(self, data: bytes, entries: Sequence[Any]) -> bytes | None:
        return b"\n".join(entries)

    def holds_none(self, beginning: bytes) -> bool:
        line, ending, _ = beginning.lstrip(_BLANK).partition(b"\n")
        if ending:
            fields = read_fields(line)
            return not ("custom_id" in fields or _is_unread(fields, line))
        return bool(line) and not line.startswith(b"{")


def _is_unread(fields: dict[str, Any], line: bytes) -> bool:
    """Whether a line that looks like a result's cannot be read here, as what is nested too deeply;
    a client might read it."""
    return not fields and _NAME in line and line.lstrip(_BLANK).startswith(b"{")


def _is_no_answer(body: Any) -> bool:
    """Whether a result is of an endpoint where no model writes, as of embeddings or moderations."""
    fields = as_dict(body)
    return _ANSWERS.isdisjoint(fields) and any(isinstance(fields.get(key), list) for key in _LISTS)


ONE: Final = Listing()
REPLIES: Final = _List()
CHAT_MESSAGES: Final = _ChatMessages()
ITEM: Final = _Item()
ITEMS: Final = _Items()
BATCH: Final = _Batch()
