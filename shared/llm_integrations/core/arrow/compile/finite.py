"""NaN and infinity are violations wherever they stand, also where no keyword looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.arrow.compile.kinds import Kind, kind_of, value_type
from llm_integrations.core.arrow.kernels.fallback_nodes import FallbackNode
from llm_integrations.core.arrow.kernels.jsontext import JsonText, JsonTexts
from llm_integrations.core.arrow.kernels.nested import EachItem, Encoded, Member
from llm_integrations.core.arrow.kernels.nodes import ALWAYS, Node, Nullable, Path, all_of
from llm_integrations.core.arrow.kernels.numbers import Finite
from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.jsonschema.pointer import to_pointer

__all__ = ["finite_below"]

_ENTRY: Final = "key"
"""A step to a map's values, which no node proves to be finite."""


def finite_below(
    arrow_type: Any,
    proven: frozenset[Path],
    plain: Callable[[Any], bool],
    texts: defaultdict[str, JsonTexts],
    path: Path = (),
    column: str = "",
) -> Node:
    """Accepts values that hold finite numbers only, and JSON text that can be read.

    Args:
        proven: the parts that are finite in all values which the schema accepts.
        plain: whether a Python value holds finite numbers only.
        texts: by column, what judges JSON text there.
        path, column: where in a row the values are.
    """
    if types.is_dictionary(arrow_type):
        node = finite_below(arrow_type.value_type, proven, plain, texts, path, column)
        return node if node == ALWAYS else Encoded(Nullable(node, null_is_valid=True))

    def below(kind: Any, step: int | str, name: str) -> Node:
        place = f"{column}/*" if name == "*" else f"{column}{to_pointer([name])}"
        return finite_below(kind, proven, plain, texts, (*path, step), place)

    match kind_of(arrow_type):
        case Kind.FLOAT:
            return ALWAYS if path in proven else Finite()
        case Kind.OBJECT:
            fields = enumerate(value_type(arrow_type))
            return all_of(
                _member(index, below(part.type, index, part.name)) for index, part in fields
            )
        case Kind.ARRAY:
            node = below(value_type(arrow_type).value_type, "*", "*")
            return node if node == ALWAYS else EachItem(Nullable(node, null_is_valid=True))
        case Kind.MAP:
            node = below(value_type(arrow_type).item_type, _ENTRY, "*")
            return node if node == ALWAYS else EachItem(Nullable(node, null_is_valid=True))
        case Kind.OTHER if isinstance(arrow_type, JsonText):
            return ALWAYS if path in proven else texts[column].node(plain, null_is_valid=True)
        case Kind.OTHER if _may_hold_floats(arrow_type):
            return FallbackNode(plain)
    return ALWAYS


def _member(index: int, node: Node) -> Node:
    return node if node == ALWAYS else Member(index, Nullable(node, null_is_valid=True))


def _may_hold_floats(arrow_type: Any) -> bool:
    if isinstance(arrow_type, pa.BaseExtensionType):
        return _may_hold_floats(arrow_type.storage_type)
    if types.is_nested(arrow_type):
        return any(
            _may_hold_floats(arrow_type.field(index).type) for index in range(arrow_type.num_fields)
        )
    return bool(types.is_floating(value_type(arrow_type)))
