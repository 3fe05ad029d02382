"""A postprocessor for retrieved nodes whose metadata is invalid or stamped by an old schema."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, Literal

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_validator
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from pydantic import ValidationInfo

from llm_integrations.core.config import OnUnavailable, ValidationOptions, check_choice
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidReference,
    SchemaNotFound,
    ValidationLimitExceeded,
)
from llm_integrations.core.judge import Judge
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.stamp import ISSUE, Stamp, stamps_of
from llm_integrations.core.validation import Validator
from llm_integrations.llamaindex.kept import OlderStamps, says_valid
from llm_integrations.llamaindex.stamp import payload_of, with_metadata

__all__ = ["Action", "SchemaPostprocessor"]

log = get_logger(__name__)

Action = Literal["drop", "flag", "demote", "ignore"]
"""drop: leave it out. flag: say so in its metadata (``schema_issue``), unseen by the LLM. demote:
flag it, lower its score and put it last. ignore: do not look."""

_Issue = Literal["invalid", "stale"]
_CONFIGURED: Final = ""
"""The key of the one schema that was configured, where subjects are keys otherwise."""
_PATIENCE: Final = 1.0
"""Seconds that a query waits for the schema of an older stamp."""


class SchemaPostprocessor(BaseNodePostprocessor):
    """Drops, flags or demotes retrieved nodes that are invalid, or stamped by an older schema.

    Thread-safe; nodes are never changed in place, for stores and other queries share them.

    Args:
        schema: what metadata is judged by; None takes for each node the latest version of the
            subject that ``SchemaTransform`` stamped it with, and leaves unstamped nodes alone.
        registry: a Registry, a URL, or None for the environment's. Never serialised.
        on_invalid: what happens to a node whose metadata the schema in force refuses.
        on_stale: what happens to a valid node that another version stamped, or one that is gone.
        text_field: judge the node's text too, as the property of this name.
        demote_factor: what a demoted node's score is multiplied by.
        on_unavailable: "raise" or "pass" (the default) when there is no schema to judge by.
        options: how to judge; None takes the registry's.
        keep_compatible: whether a node is as good as current that another version stamped, if the
            one in force takes, as is proved, everything that that one took.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    schema_ref: str | SchemaRef | None = Field(default=None, alias="schema")
    registry: Registry | str | None = Field(default=None, exclude=True, repr=False)
    on_invalid: Action = "drop"
    on_stale: Action = "flag"
    text_field: str | None = None
    demote_factor: float = 0.5
    on_unavailable: OnUnavailable = "pass"
    options: ValidationOptions | None = None
    keep_compatible: bool = False

    _judge: Judge = PrivateAttr()
    _older: OlderStamps = PrivateAttr(default_factory=lambda: OlderStamps(_PATIENCE))
    _counts: _NodeCounts = PrivateAttr(default_factory=lambda: _NodeCounts())

    @field_validator("schema_ref", mode="before")
    @classmethod
    def _read_reference(cls, value: Any) -> str | None:
        return None if value is None else str(SchemaRef.parse(value))

    @field_validator("on_invalid", "on_stale", mode="before")
    @classmethod
    def _check_action(cls, value: Any, info: ValidationInfo) -> Any:
        check_choice(str(info.field_name), value, Action)
        return value

    @field_validator("on_unavailable", mode="before")
    @classmethod
    def _check_policy(cls, value: Any) -> Any:
        check_choice("on_unavailable", value, OnUnavailable)
        return value

    @field_validator("demote_factor", mode="before")
    @classmethod
    def _check_factor(cls, value: Any) -> float:
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigurationError(f"demote_factor must be from 0 to 1, not {value!r}")
        return float(value)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._judge = Judge(
            resolve_registry(self.registry),
            module="llamaindex",
            side="retrieved",
            mode="warn",
            on_unavailable=self.on_unavailable,
            options=self.options,
        )

    @classmethod
    def class_name(cls) -> str:
        return "SchemaPostprocessor"

    @property
    def counts(self) -> dict[str, int]:
        """Nodes so far by outcome: kept, invalid, stale, dropped, flagged, demoted, unjudged."""
        return self._counts.snapshot()

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        validators: dict[str, Validator | None] = {}
        stamps = [stamps_of(item.node.metadata) for item in nodes]
        for key, reference in self._references(stamps).items():
            with _unless_deleted(key):
                validators[key] = self._judge.resolve(reference)
        return self._apply_actions(nodes, stamps, validators)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        validators: dict[str, Validator | None] = {}
        stamps = [stamps_of(item.node.metadata) for item in nodes]
        for key, reference in self._references(stamps).items():
            with _unless_deleted(key):
                validators[key] = await self._judge.aresolve(reference)
        current = {found.fingerprint for found in validators.values() if found is not None}
        if all(stamp.fingerprint in current for several in stamps for stamp in several):
            return self._apply_actions(nodes, stamps, validators)
        # Older versions may have to be fetched, and compared.
        return await asyncio.to_thread(self._apply_actions, nodes, stamps, validators)

    def _references(self, stamps: Iterable[list[Stamp]]) -> dict[str, str]:
        """The references to resolve, by subject: the configured one, or those that stamps name."""
        if self.schema_ref is not None:
            return {_CONFIGURED: str(self.schema_ref)}
        subjects = {stamp.subject for several in stamps for stamp in several}
        return {subject: f"{subject}@latest" for subject in sorted(subjects) if subject}

    def _apply_actions(
        self,
        nodes: list[NodeWithScore],
        stamps: list[list[Stamp]],
        validators: Mapping[str, Validator | None],
    ) -> list[NodeWithScore]:
        counts: Counter[str] = Counter()
        good: list[NodeWithScore] = []
        demoted: list[NodeWithScore] = []
        issues = self._find_issues(nodes, stamps, validators, counts)
        for item, issue in zip(nodes, issues, strict=True):
            counts[issue or "kept"] += 1
            if issue is None:
                good.append(item)
                continue
            action = self.on_invalid if issue == "invalid" else self.on_stale
            counts[_DONE[action]] += 1
            if action == "flag":
                good.append(_flagged(item, issue, item.score))
            elif action == "demote":
                demoted.append(_flagged(item, issue, _lowered(item.score, self.demote_factor)))
        self._count(nodes, counts)
        return good + demoted

    def _find_issues(
        self,
        nodes: list[NodeWithScore],
        stamps: list[list[Stamp]],
        validators: Mapping[str, Validator | None],
        counts: Counter[str],
    ) -> list[_Issue | None]:
        """The issue of each node, or None; the nodes of one schema are judged together.

        A node with several stamps is invalid if one of their schemas refuses it.
        """
        issues: list[_Issue | None] = [None] * len(nodes)
        unjudged: set[int] = set()
        for key, stamped in self._groups(stamps).items():
            validator = validators.get(key)
            if key and key not in validators:
                found: list[_Issue | None] = ["stale" if self.on_stale != "ignore" else None]
                found *= len(stamped)
            elif validator is None:
                unjudged.update(index for index, _ in stamped)
                continue
            else:
                members = [(nodes[index].node, stamp) for index, stamp in stamped]
                found = self._judge_group(members, validator)
            for (index, _), issue in zip(stamped, found, strict=True):
                if issue is not None and issues[index] != "invalid":
                    issues[index] = issue
        if unjudged:
            counts["unjudged"] += len(unjudged)
        return issues

    def _groups(self, stamps: list[list[Stamp]]) -> dict[str, list[tuple[int, Stamp | None]]]:
        """By the schema to judge by: the place of each node, with its stamp of that subject."""
        if self.schema_ref is not None:
            subject = SchemaRef.parse(self.schema_ref).subject
            mine = [next((s for s in several if s.subject == subject), None) for several in stamps]
            return {_CONFIGURED: list(enumerate(mine))}
        groups: dict[str, list[tuple[int, Stamp | None]]] = {}
        for index, several in enumerate(stamps):
            for stamp in several or (None,):
                key = _CONFIGURED if stamp is None else stamp.subject
                groups.setdefault(key, []).append((index, stamp))
        return groups

    def _judge_group(
        self, members: list[tuple[BaseNode, Stamp | None]], validator: Validator
    ) -> list[_Issue | None]:
        issues: list[_Issue | None] = [None] * len(members)
        if self.on_stale != "ignore":
            for index in self._stale(members, validator):
                issues[index] = "stale"
        if self.on_invalid != "ignore":
            found = self._judge.sort(validator, members, payload=self._payload)
            for one in found.condemned:
                if not self._was_valid(members[one.number], validator):
                    issues[one.number] = "invalid"
        return issues

    def _stale(
        self, members: list[tuple[BaseNode, Stamp | None]], validator: Validator
    ) -> list[int]:
        """The places of those that another version stamped."""
        current = validator.fingerprint
        others = {
            index: stamp
            for index, (_, stamp) in enumerate(members)
            if stamp is not None and stamp.fingerprint != current
        }
        if not (others and self.keep_compatible):
            return list(others)
        kept = self._older.kept(others.values(), validator, self._judge.registry)
        return [
            index
            for index, stamp in others.items()
            if stamp not in kept or not says_valid(members[index][0].metadata, stamp)
        ]

    def _was_valid(self, member: tuple[BaseNode, Stamp | None], validator: Validator) -> bool:
        """Whether a node is valid without the keys that were put before its stamp later."""
        node, stamp = member
        if stamp is None or not says_valid(node.metadata, stamp):
            return False
        payload, registry = self._payload(member), self._judge.registry
        keys = [key for key in payload if key != self.text_field]
        with suppress(ValidationLimitExceeded):
            left = self._older.judged(payload, keys, stamp, validator, registry)
            return len(left) < len(payload) and validator.is_valid(left)
        return False

    def _payload(self, member: tuple[BaseNode, Stamp | None]) -> Mapping[str, Any]:
        """What was stamped: keys that parsers and extractors added behind the stamp are not."""
        node, stamp = member
        return payload_of(node, self.text_field, stamp)

    def _count(self, nodes: list[NodeWithScore], counts: Counter[str]) -> None:
        self._counts.add(counts)
        if nodes and counts["dropped"] == len(nodes):
            log.warning(
                "all %d retrieved nodes were dropped, so there is nothing to answer from",
                len(nodes),
                extra={"llmi_counts": dict(counts)},
            )


_DONE: Final[dict[Action, str]] = {
    "drop": "dropped",
    "flag": "flagged",
    "demote": "demoted",
    "ignore": "kept",
}


def _unless_deleted(key: str) -> AbstractContextManager[None]:
    """Suppress that a stamp's schema is gone; one that was configured must be there."""
    return nullcontext() if key == _CONFIGURED else suppress(SchemaNotFound, InvalidReference)


def _flagged(item: NodeWithScore, issue: _Issue, score: float | None) -> NodeWithScore:
    node = with_metadata(item.node, {**item.node.metadata, ISSUE: issue})
    return NodeWithScore(node=node, score=score)


def _lowered(score: float | None, factor: float) -> float | None:
    """A lower score, whether it is positive or negative."""
    if score is None:
        return None
    return score * factor if score >= 0 else score * (2 - factor)


class _NodeCounts:
    """Counts that threads share; a copy or a pickle starts at zero."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, counts: Counter[str]) -> None:
        with self._lock:
            self._counts.update(counts)

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def __reduce__(self) -> tuple[type[_NodeCounts], tuple[()]]:
        return _NodeCounts, ()
