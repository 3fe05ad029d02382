"""Rules of a data contract: what must hold of data besides its JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a registry keeps beside a schema, in Confluent's terms.

    Attributes:
        name: unique within the schema.
        kind: CONDITION (data must satisfy it) or TRANSFORM (data is changed by it).
        type: the language or engine, as CEL.
        expression: what is evaluated; before a semicolon may stand for which data it holds.
        mode: when Confluent's clients run it, as WRITE, READ, WRITEREAD, UPGRADE.
        on_success, on_failure: what they do then, as ERROR, NONE, DLQ.
        disabled: whether it is switched off.
        doc: what people say about it.
        group: where it stands, as domainRules, migrationRules.
    """

    name: str
    kind: str = "CONDITION"
    type: str = "CEL"
    expression: str = ""
    mode: str = "WRITEREAD"
    on_success: str = ""
    on_failure: str = ""
    disabled: bool = False
    doc: str = ""
    group: str = "domainRules"
