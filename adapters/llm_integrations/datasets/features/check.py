"""The columns of a data set held against a schema, before any row is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from datasets import ClassLabel, Features
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.registry import Registry
from llm_integrations.datasets.features.conversion import Schema, body_of
from llm_integrations.datasets.features.losses import Losses
from llm_integrations.datasets.features.schema_nodes import TYPES, SchemaNodes
from llm_integrations.datasets.features.to_schema import schema_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["FeatureDifference", "FeaturesReport", "check_features"]

Kind = Literal["missing", "unexpected", "type", "length"]


@dataclass(frozen=True, slots=True)
class FeatureDifference:
    """One difference between the columns and the schema.

    Attributes:
        path: the place in the row, as ``/address/city``.
        kind: a column is "missing" or "unexpected", or has another "type" or "length".
        message: for people.
        fatal: no row can satisfy the schema there; otherwise some rows, or all, can.
    """

    path: str
    kind: Kind
    message: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.path or '(row)'}: {self.message}"


@dataclass(frozen=True, slots=True)
class FeaturesReport:
    """Every difference. False if one of them is fatal."""

    differences: tuple[FeatureDifference, ...]

    @property
    def is_valid(self) -> bool:
        return not any(difference.fatal for difference in self.differences)

    def __bool__(self) -> bool:
        return self.is_valid

    def to_dict(self) -> dict[str, Any]:
        found = [asdict(difference) for difference in self.differences]
        return {"is_valid": self.is_valid, "differences": found}

    def __str__(self) -> str:
        return "\n".join(map(str, self.differences)) or "the columns fit the schema"

    def __rich__(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        table = Table("place", "difference", "fatal")
        for one in self.differences:
            table.add_row(escape(one.path), escape(one.message), "[red]yes[/]" if one.fatal else "")
        return table


def check_features(
    data: Any, schema: Schema, *, registry: Registry | str | None = None
) -> FeaturesReport:
    """Name every difference between a data set's columns and a schema. Reads no row.

    Args:
        data: a Dataset, DatasetDict (every split), stream with known features, or Features.
        schema: as ``training-row@1``, or a JSON Schema.

    Raises:
        ConfigurationError: the columns are not known, as those of some streams.
    """
    nodes = SchemaNodes(body_of(schema, registry))
    found: dict[FeatureDifference, None] = {}
    for features in _features(data):
        check = _Check(nodes)
        check.struct(dict(features), nodes.root, "")
        found.update(dict.fromkeys(check.differences))
    return FeaturesReport(tuple(found))


def _features(data: Any) -> list[Features]:
    if isinstance(data, Features):
        return [data]
    splits = data.values() if isinstance(data, dict) else [data]
    found = [getattr(split, "features", None) for split in splits]
    if any(features is None for features in found):
        raise ConfigurationError(
            f"the columns of this {type(data).__name__} are not known: cast it, or read some rows"
        )
    return [features for features in found if features is not None]


class _Check:
    def __init__(self, nodes: SchemaNodes) -> None:
        self._nodes = nodes
        self.differences: list[FeatureDifference] = []

    def _add(self, path: str, kind: Kind, message: str, *, fatal: bool = True) -> None:
        self.differences.append(FeatureDifference(path, kind, message, fatal))

    def struct(self, fields: dict[str, Any], node: Any, path: str) -> None:
        node = self._nodes.resolved(node)
        if not isinstance(node, dict):
            return
        declared = node.get("properties", {})
        required = node.get("required", [])
        for name in [*declared, *(name for name in required if name not in declared)]:
            if name not in fields:
                must = name in required
                text = "required, and there is no such column" if must else "there is no column"
                self._add(_below(path, name), "missing", text, fatal=must)
        for name, feature in fields.items():
            if name in declared:
                self._place(feature, declared[name], _below(path, name), required=name in required)
            elif not node.get("patternProperties"):
                self._undeclared(feature, name, node, path)

    def _undeclared(self, feature: Any, name: str, node: dict[str, Any], path: str) -> None:
        extra = node.get("additionalProperties", True)
        if extra is False:
            self._add(_below(path, name), "unexpected", "the schema allows no such property")
        elif extra is True:
            text = "the schema does not know this column"
            self._add(_below(path, name), "unexpected", text, fatal=False)
        else:
            self._place(feature, extra, _below(path, name), required=False)

    def _place(self, feature: Any, node: Any, path: str, *, required: bool) -> None:
        expected = self._nodes.types(node)
        found = SchemaNodes({}).types(schema_of(feature, path, Losses()))
        if found == frozenset(TYPES):
            return
        if not _overlap(expected, found):
            # A column of nulls is a column of missing values, if the property may be missing.
            fatal = required or found != {"null"}
            self._add(path, "type", _mismatch(expected, found, feature), fatal=fatal)
        elif "integer" in expected and "number" not in expected and "number" in found:
            text = f"the schema wants integers, and {_named(feature)} holds fractions too"
            self._add(path, "type", text, fatal=False)
        else:
            self._inside(feature, node, path)

    def _inside(self, feature: Any, node: Any, path: str) -> None:
        node = self._nodes.resolved(node)
        if not isinstance(node, dict) or self._nodes.branches(node):
            return
        if isinstance(feature, dict):
            self.struct(feature, node, path)
        items = node.get("items")
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        if inner is None:
            return
        if isinstance(items, dict | bool):
            self._place(inner, items, f"{path}/*", required=True)
        self._length(getattr(feature, "length", -1), node, path)

    def _length(self, length: int, node: dict[str, Any], path: str) -> None:
        if length < 0:
            return
        if length < node.get("minItems", 0) or length > node.get("maxItems", length):
            self._add(path, "length", f"the lists have {length} items, the schema allows no such")


def _overlap(expected: frozenset[str], found: frozenset[str]) -> bool:
    return bool(expected & found)


def _mismatch(expected: frozenset[str], found: frozenset[str], feature: Any) -> str:
    if isinstance(feature, ClassLabel) and "string" in expected:
        return (
            "rows hold the numbers of the classes, the schema wants text: cast to Value('string')"
        )
    wanted = " or ".join(sorted(expected - ({"integer"} if "number" in expected else set())))
    held = " or ".join(sorted(found - ({"integer"} if "number" in found else set())))
    return f"the schema wants {wanted or 'nothing'}, and {_named(feature)} holds {held}"


def _named(feature: Any) -> str:
    dtype = getattr(feature, "dtype", None)
    return str(dtype) if isinstance(dtype, str) else type(feature).__name__


def _below(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
