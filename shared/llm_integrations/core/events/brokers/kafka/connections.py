"""Noticing that a connection was lost, which aiokafka mends without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Connections"]


class Connections:
    """The connections that one consumer fetches by, as they were when last looked at.

    Looks into aiokafka, which has no other way to tell. Should a later version keep its
    connections elsewhere, a loss is noticed only if the broker stays away.
    """

    def __init__(self) -> None:
        self._known: list[Any] = []

    def lost_one(self, consumer: Any) -> bool:
        """Whether one of them was lost since the last call."""
        lost = any(not connection.connected() for connection in self._known)
        self._known = [c for c in _fetching(consumer) if c.connected()]
        return lost


def _fetching(consumer: Any) -> Iterator[Any]:
    connections = getattr(getattr(consumer, "_client", None), "_conns", {})
    for (node, _), connection in list(connections.items()):
        if isinstance(node, int):  # not the one that was for bootstrapping only
            yield connection
