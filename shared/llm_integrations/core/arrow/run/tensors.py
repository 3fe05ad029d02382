"""Tensors of one shape as they are judged: lists in lists, over the same buffer of numbers."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa, types

__all__ = ["is_tensor", "nested_lists"]

_RAY: Final = ("ray.data.arrow_tensor", "ray.data.arrow_tensor_v2")


def is_tensor(kind: Any) -> bool:
    """Whether an extension type holds tensors of one shape, row after row: Arrow's own or Ray's."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return kind.permutation is None or list(kind.permutation) == sorted(kind.permutation)
    return kind.extension_name in _RAY and hasattr(kind, "shape")


def nested_lists(array: Any) -> Any:
    """The tensors as lists of lists, as deep as they have axes."""
    storage, (first, *inner) = array.storage, array.type.shape
    if not inner:
        return storage
    items = storage.values
    for size in reversed(inner):
        items = pa.FixedSizeListArray.from_arrays(items, size)
    kind, own = storage.type, storage.buffers()
    if types.is_fixed_size_list(kind):
        target, own = pa.list_(items.type, first), own[:1]
    else:
        wide = types.is_large_list(kind)
        target = (pa.large_list if wide else pa.list_)(items.type)
        edges = np.frombuffer(own[1] or bytes(8), np.int64 if wide else np.int32)
        own = [own[0], pa.py_buffer(edges // prod(inner))]
    return pa.Array.from_buffers(
        target, len(storage), own, storage.null_count, storage.offset, children=[items]
    )
