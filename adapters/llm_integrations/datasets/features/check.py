"""Comparing a data set's columns with a schema, before any row is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from datasets import ClassLabel, Features
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.jsonschema.schema_nodes import SchemaNode, SchemaNodes
from llm_integrations.core.jsonschema.stated_types import ALL_TYPES
from llm_integrations.core.registry import Registry
from llm_integrations.datasets.features.conversion import Schema, documents_of
from llm_integrations.datasets.features.losses import Losses
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
    nodes = SchemaNodes(documents_of(schema, registry))
    found: dict[FeatureDifference, None] = {}
    for features in _features(data):
        check = _Check(nodes)
        check.struct(dict(features), nodes.top, "")
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

    def struct(self, fields: dict[str, Any], location: SchemaLocation, path: str) -> None:
        node = self._nodes.resolved(location)
        if isinstance(node, bool):
            return
        declared = node.properties
        required = node.keywords.get("required", [])
        for name in [*declared, *(name for name in required if name not in declared)]:
            if name not in fields:
                must = name in required
                text = "required, and there is no such column" if must else "there is no column"
                self._add(_below(path, name), "missing", text, fatal=must)
        for name, feature in fields.items():
            if name in declared:
                self._column(feature, declared[name], _below(path, name), required=name in required)
            elif not node.keywords.get("patternProperties"):
                self._undeclared(feature, name, node, path)

    def _undeclared(self, feature: Any, name: str, node: SchemaNode, path: str) -> None:
        extra = node.parts("additionalProperties")
        if not extra or extra[0].schema is True:
            text = "the schema does not know this column"
            self._add(_below(path, name), "unexpected", text, fatal=False)
        elif extra[0].schema is False:
            self._add(_below(path, name), "unexpected", "the schema allows no such property")
        else:
            self._column(feature, extra[0], _below(path, name), required=False)

    def _column(self, feature: Any, location: SchemaLocation, path: str, *, required: bool) -> None:
        expected = self._nodes.types(location)
        held = SchemaNodes(Documents(schema_of(feature, path, Losses())))
        found = held.types(held.top)
        if found == ALL_TYPES:
            return
        if not expected & found:
            # Nulls count as missing values where the property is optional.
            fatal = required or found != {"null"}
            self._add(path, "type", _mismatch(expected, found, feature), fatal=fatal)
        elif "integer" in expected and "number" not in expected and "number" in found:
            text = f"the schema wants integers, and {_named(feature)} holds fractions too"
            self._add(path, "type", text, fatal=False)
        else:
            self._inside(feature, location, path)

    def _inside(self, feature: Any, location: SchemaLocation, path: str) -> None:
        node = self._nodes.resolved(location)
        if isinstance(node, bool) or node.branches:
            return
        if isinstance(feature, dict):
            self.struct(feature, location, path)
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        if inner is None:
            return
        if isinstance(node.keywords.get("items"), dict | bool):
            self._column(inner, node.parts("items")[0], f"{path}/*", required=True)
        self._length(getattr(feature, "length", -1), node, path)

    def _length(self, length: int, node: SchemaNode, path: str) -> None:
        if length < 0:
            return
        keywords = node.keywords
        if length < keywords.get("minItems", 0) or length > keywords.get("maxItems", length):
            self._add(path, "length", f"the lists have {length} items, the schema allows no such")


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
    return path + to_pointer([name])
