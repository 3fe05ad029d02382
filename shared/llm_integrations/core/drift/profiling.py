"""Making the profile of a data set in one pass."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from llm_integrations.core.arrow.run.batches import as_table
from llm_integrations.core.drift.judged import judged_files, judged_tables
from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.drift.sketches.data import ProfileSketch
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.validation import Validator

__all__ = ["profile_tables", "sketch_tables"]


def profile_tables(
    data: Any,
    validator: Validator,
    *,
    labels: Labels | None = None,
    alike: Profile | None = None,
    json_columns: tuple[str, ...] = (),
    source: str = "",
) -> Profile:
    """The profile of some data, read once: ``sketch_tables(…).profile(…)``."""
    sketch = sketch_tables(data, validator, json_columns=json_columns, source=source)
    return sketch.profile(labels, alike=alike)


def sketch_tables(
    data: Any,
    validator: Validator,
    *,
    json_columns: tuple[str, ...] = (),
    source: str = "",
    threads: int | None = None,
) -> ProfileSketch:
    """What is known of some data, read once. Sketches of parts merge to that of the whole.

    Args:
        data: pyarrow Tables with the same columns each; one of them, a pandas or polars frame, or
            what else gives Arrow's C stream; a Parquet, CSV or JSONL file, or a list of files.
        validator: judges the rows; its option ``nulls`` says how null counts in tables, while in
            JSON lines null is a value.
        json_columns: columns that hold JSON as text and are judged as the values it encodes.
        source: the name of the data, for reports.
        threads: batches judged at once; None for as many as there are processors, 8 at the most,
            and one that sketches meanwhile.

    Raises:
        ConfigurationError: the file or frame cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    require_extra("drift", "pyarrow", "numpy")
    if isinstance(data, pathlib.Path):
        data = [data]
    if isinstance(data, list) and all(isinstance(path, pathlib.Path) for path in data):
        judged = judged_files(data, validator)
    else:
        judged = judged_tables(_tables(data), validator, json_columns, threads)
    sketch = ProfileSketch(validator, source)
    if threads == 1:
        for block in judged:
            sketch.add(block)
        return sketch
    with ThreadPoolExecutor(1) as sketching:
        begun: Future[None] | None = None
        for block in judged:
            # The next block is read and judged while this one is sketched.
            if begun is not None:
                begun.result()
            begun = sketching.submit(sketch.add, block)
        if begun is not None:
            begun.result()
    return sketch


def _tables(data: Any) -> Iterable[Any]:
    from llm_integrations.core.arrow.pyarrow_modules import pa

    if not hasattr(data, "__arrow_c_stream__"):
        return (as_table(table) for table in data)
    is_pandas = type(data).__module__.partition(".")[0] == "pandas"
    try:
        return [pa.Table.from_pandas(data, preserve_index=False) if is_pandas else pa.table(data)]
    except (ValueError, TypeError, pa.ArrowException) as error:
        # The error may quote data; pandas names the column in what follows.
        where = "; ".join(map(str, error.args[1:])) or type(error).__name__
        raise ConfigurationError(f"the {type(data).__name__} has no columns: {where}") from None
