"""One schema compiled for tables of one Arrow schema."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.compile import (
    rules_any,
    rules_array,
    rules_map,
    rules_object,
    rules_scalar,
)
from llm_integrations.core.arrow.compile.alike import Alike
from llm_integrations.core.arrow.compile.compiler import Compiler, Rule, Spot
from llm_integrations.core.arrow.compile.explanation import Note
from llm_integrations.core.arrow.compile.finite import finite_below
from llm_integrations.core.arrow.compile.kinds import ColumnType, Kind, kind_of, value_type
from llm_integrations.core.arrow.compile.null_policy import STRICT, null_policies
from llm_integrations.core.arrow.compile.subschema_validators import SubschemaValidators
from llm_integrations.core.arrow.compile.whole_rows import WholeRows
from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.fallback_nodes import Accepts, FallbackNode
from llm_integrations.core.arrow.kernels.jsontext import JsonTexts
from llm_integrations.core.arrow.kernels.masks import Bits, expand
from llm_integrations.core.arrow.kernels.nodes import Node, all_of, any_of
from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.drafts import declared_draft

__all__ = ["CompiledTable", "check_names", "compile_table"]

_ANY: Final[tuple[Rule, ...]] = (rules_any.typed, rules_any.listed, rules_any.combined)
_NUMBER: Final[tuple[Rule, ...]] = (*_ANY, rules_scalar.bounded, rules_scalar.multiples)

_RULES: Final[Mapping[Kind, tuple[Rule, ...]]] = {
    Kind.NULL: _ANY,
    Kind.BOOLEAN: _ANY,
    Kind.INTEGER: _NUMBER,
    Kind.FLOAT: _NUMBER,
    Kind.STRING: (
        *_ANY,
        rules_scalar.measured,
        rules_scalar.matched,
        rules_scalar.formatted,
        rules_scalar.content,
    ),
    Kind.ARRAY: (
        *_ANY,
        rules_array.counted,
        rules_array.itemised,
        rules_array.contained,
        rules_array.distinct,
    ),
    Kind.OBJECT: (
        *_ANY,
        rules_object.required,
        rules_object.described,
        rules_object.numbered,
        rules_object.dependent,
    ),
    Kind.MAP: (
        *_ANY,
        rules_map.required,
        rules_map.described,
        rules_map.numbered,
        rules_object.dependent,
    ),
    Kind.OTHER: (),
}


@dataclass(frozen=True)
class CompiledTable:
    """One schema for tables of one Arrow schema.

    Attributes:
        node: judges a row as one struct.
        notes: what was decided for each keyword.
        finite: which rows hold finite numbers only.
        is_json: whether every value of such tables has a JSON form.
    """

    node: Node
    notes: tuple[Note, ...]
    finite: Node
    is_json: bool

    @cached_property
    def alike(self) -> Alike | None:
        """Tells which rows are invalid for the same reasons; None where only the engine can."""
        return Alike.of(self.node, self.finite) if self.is_json else None

    def run(self, batch: Any) -> Bits:
        """Which rows of a batch are valid."""
        cells = Cells(batch.to_struct_array())
        # NaN is compared, and floats are cast, on purpose; what stands under a null is anything.
        with np.errstate(all="ignore"):
            return expand(self.node.run(cells, True), batch.num_rows)


def check_names(schema: Any) -> None:
    """Raise ConfigurationError if two columns have the same name: which one a row holds, no reader
    can tell."""
    twin, times = max(Counter(schema.names).items(), key=itemgetter(1), default=("", 0))
    if times > 1:
        raise ConfigurationError(f"the table has two columns of the name {twin!r}")


def compile_table(
    documents: Documents,
    options: ValidationOptions,
    schema: Any,
    judge_row: Accepts,
) -> CompiledTable:
    """Compile a schema for tables with these columns.

    Args:
        judge_row: the row-wise verdict, for what no column can decide.

    Raises:
        ConfigurationError: two columns have the same name.
    """
    check_names(schema)
    validators = SubschemaValidators(documents, options)
    texts: defaultdict[str, JsonTexts] = defaultdict(JsonTexts)
    try:
        node, notes = _by_columns(documents, options, schema, validators, texts)
    except WholeRows as reason:
        node, notes = FallbackNode(judge_row), (Note("", "", "", "by row", str(reason)),)
    plain = validators.of_keywords({})
    row = pa.struct(list(schema))
    finite = finite_below(row, node.finite(), plain, texts)
    everywhere = finite_below(row, frozenset(), plain, defaultdict(JsonTexts))
    return CompiledTable(all_of((node, finite)), notes, everywhere, _is_json(row))


def _is_json(arrow_type: Any) -> bool:
    plain = value_type(arrow_type)
    match kind_of(plain):
        case Kind.ARRAY:
            return _is_json(plain.value_type)
        case Kind.MAP:
            return _is_json(plain.item_type)
        case Kind.OBJECT:
            return all(_is_json(part.type) for part in plain)
        case kind:
            return kind is not Kind.OTHER


def _by_columns(
    documents: Documents,
    options: ValidationOptions,
    schema: Any,
    validators: SubschemaValidators,
    texts: defaultdict[str, JsonTexts],
) -> tuple[Node, tuple[Note, ...]]:
    if declared_draft(documents.root) is None:
        raise WholeRows("its $schema is none of the drafts 4 to 2020-12")
    policies = null_policies(documents) if options.nulls == "absent" else [STRICT]
    notes: dict[Note, None] = {}
    nodes = []
    row = ColumnType(pa.struct(list(schema)))
    for policy in policies:
        compiler = Compiler(documents, options, validators, _RULES, texts, notes)
        nodes.append(compiler.values(Spot(documents.top, row, policy)))
    return nodes[0] if len(nodes) == 1 else any_of(nodes), tuple(notes)
