"""Confluent's data contracts: the metadata and the rules that stand beside a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_integrations.core.model.rule import Rule

__all__ = ["read_metadata", "read_path_tags", "read_rules"]

_GROUPS: Final = ("domainRules", "migrationRules", "encodingRules")


def read_metadata(found: Any) -> dict[str, Any]:
    """The properties, as we register them: tags joined by commas become a list.

    Without those that the contract calls sensitive: what reads metadata shows it.
    """
    properties = found.get("properties") if isinstance(found, Mapping) else None
    metadata: dict[str, Any] = dict(properties) if isinstance(properties, Mapping) else {}
    sensitive = found.get("sensitive") if isinstance(found, Mapping) else None
    for name in sensitive if isinstance(sensitive, list) else ():
        if isinstance(name, str):
            metadata.pop(name, None)
    tags = metadata.get("tags")
    if isinstance(tags, str):
        metadata["tags"] = [tag for tag in tags.split(",") if tag]
    return metadata


def read_path_tags(found: Any) -> dict[str, tuple[str, ...]]:
    """The tags of paths within the data, as ``{"**.ssn": ("PII",)}``."""
    tags = found.get("tags") if isinstance(found, Mapping) else None
    if not isinstance(tags, Mapping):
        return {}
    listed = ((str(path), names) for path, names in tags.items() if isinstance(names, list))
    return {path: tuple(str(name) for name in names) for path, names in listed}


def read_rules(found: Any) -> tuple[Rule, ...]:
    """The rules of a ruleSet. What is no rule is carried too, as one that nobody can judge."""
    if found is None:
        return ()
    if not isinstance(found, Mapping):
        return (_unreadable("ruleSet", "ruleSet"),)
    known = [rule for group in _GROUPS for rule in _group(group, found.get(group))]
    later = [name for name in found if name not in _GROUPS and isinstance(found[name], list)]
    return (*known, *(_unreadable(str(name), str(name)) for name in later if found[name]))


def _group(group: str, found: Any) -> Iterator[Rule]:
    if found is None:
        return
    if not isinstance(found, list):
        yield _unreadable(group, group)
        return
    for number, rule in enumerate(found, 1):
        name = rule.get("name") if isinstance(rule, Mapping) else None
        if isinstance(rule, Mapping) and isinstance(name, str) and name:
            yield _rule(group, name, rule)
        else:
            yield _unreadable(f"{group}/{number}", group)


def _rule(group: str, name: str, rule: Mapping[str, Any]) -> Rule:
    def text(key: str, default: str = "") -> str:
        value = rule.get(key)
        return default if value is None else str(value)

    return Rule(
        name=name,
        kind=text("kind", "CONDITION").upper(),
        type=text("type").upper(),
        expression=text("expr"),
        mode=text("mode", "WRITEREAD").upper(),
        on_success=text("onSuccess"),
        on_failure=text("onFailure"),
        disabled=rule.get("disabled") is True,
        doc=text("doc"),
        group=group,
    )


def _unreadable(name: str, group: str) -> Rule:
    return Rule(name, kind="UNREADABLE", type="", group=group)
