"""Nodes that call the row-wise engine, value by value, where no kernel gives its exact verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import (
    Bits,
    Mask,
    both,
    either,
    inverse,
    positions,
)
from llm_integrations.core.arrow.kernels.nodes import Node
from llm_integrations.core.arrow.kernels.python_values import python_values, python_values_at
from llm_integrations.core.arrow.pyarrow_modules import pa, types

__all__ = ["Accepts", "FallbackNode", "Unless"]

Accepts = Callable[[Any], bool]
"""The row-wise engine's verdict on one Python value, as ``to_pylist`` gives it."""

_WORTH_ENCODING: Final = 32


class FallbackNode(Node):
    """The engine's verdict on each value that is still needed; on each distinct one where Arrow
    can tell which those are.

    Args:
        accepts: the verdict on one Python value.
    """

    rowwise = True

    def __init__(self, accepts: Accepts) -> None:
        self.accepts = accepts

    def run(self, cells: Cells, need: Mask) -> Mask:
        if need is False:
            return False
        if need is True:
            return self._judge(cells.array)
        wanted = positions(need, cells.length)
        verdict = np.zeros(cells.length, np.bool_)
        if types.is_nested(cells.array.type):
            found = map(self.accepts, python_values_at(cells.array, wanted))
            verdict[wanted] = np.fromiter(found, np.bool_, count=len(wanted))
        else:
            verdict[wanted] = self._judge(cells.array.take(pa.array(wanted)))
        return verdict

    def _judge(self, array: Any) -> Bits:
        if len(array) < _WORTH_ENCODING or types.is_nested(array.type):
            return self._each(array)
        try:
            encoded = _encoded(array)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return self._each(array)
        codes: npt.NDArray[Any] = np.asarray(encoded.indices)
        verdicts: Bits = self._each(encoded.dictionary)[codes]
        return verdicts

    def _each(self, array: Any) -> Bits:
        return np.fromiter(map(self.accepts, python_values(array)), np.bool_, count=len(array))


def _encoded(array: Any) -> Any:
    """The array as a dictionary of what ``to_pylist`` gives for it."""
    if not isinstance(array, pa.ExtensionArray):
        return array.dictionary_encode(null_encoding="encode")
    encoded = array.storage.dictionary_encode(null_encoding="encode")
    values = pa.ExtensionArray.from_storage(array.type, encoded.dictionary)
    return pa.DictionaryArray.from_arrays(encoded.indices, values)


class Unless(Node):
    """A cheap node for the elements that it is right about, and another node for the rest.

    Args:
        sure: says of which elements the cheap verdict is certainly right.
        cheap: the verdict on those.
        other: the verdict on the rest.
    """

    rowwise = True

    def __init__(self, sure: Node, cheap: Node, other: Node) -> None:
        self.sure = sure
        self.cheap = cheap
        self.other = other
        self.weight = 1 + sure.weight + cheap.weight + other.weight

    def run(self, cells: Cells, need: Mask) -> Mask:
        sure = self.sure.run(cells, need)
        unsure = both(need, inverse(sure))
        verdict = self.cheap.run(cells, need)
        if not np.any(unsure):
            return verdict
        rest = self.other.run(cells, unsure)
        return either(both(sure, verdict), both(inverse(sure), rest))
