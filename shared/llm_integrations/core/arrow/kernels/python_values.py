"""Arrow values as Python objects, also where Python cannot hold one."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from llm_integrations.core.arrow.kernels.unreadable import UNREADABLE
from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["python_values", "python_values_at"]


def python_values(array: Any) -> list[Any]:
    """``array.to_pylist()``, of maps dicts, with an UnreadableValue for each that raises."""
    try:
        values: list[Any] = array.to_pylist(maps_as_pydicts="strict")
    except Exception:  # noqa: BLE001 - pyarrow raises ValueError, OverflowError, ArrowInvalid, KeyError …
        return [_python_value(scalar) for scalar in array]
    return values


def python_values_at(array: Any, positions: npt.NDArray[Any]) -> list[Any]:
    """``python_values`` of some elements."""
    try:
        return python_values(array.take(pa.array(positions)))
    except pa.ArrowNotImplementedError:
        # Views within structs and lists cannot be taken.
        return [_python_value(array[int(position)]) for position in positions]


def _python_value(scalar: Any) -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="strict")
    except Exception:  # noqa: BLE001 - the same as above, for the one value
        return UNREADABLE
