"""The schemas in an export of LangSmith datasets: what its API lists, or its client dumps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.model.schema import JsonSchema

__all__ = ["schemas_of_datasets"]

_SIDES: Final = {
    side: (f"{side}_schema_definition", f"{side}_schema") for side in ("inputs", "outputs")
}


def schemas_of_datasets(document: Any) -> Iterator[tuple[str, JsonSchema]]:
    """Subjects ``<dataset>-inputs`` and ``<dataset>-outputs`` with their schemas.

    Args:
        document: one dataset or a list of them; anything else holds none.
    """
    for dataset in document if isinstance(document, list) else [document]:
        if isinstance(dataset, dict) and isinstance(dataset.get("name"), str):
            for side, keys in _SIDES.items():
                found = [dataset[key] for key in keys if isinstance(dataset.get(key), dict)]
                yield from ((f"{dataset['name']}-{side}", body) for body in found[:1])
