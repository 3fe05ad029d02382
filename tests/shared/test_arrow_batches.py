"""How tables are cut into batches: crumbs are put together, heavy rows are not copied."""

from __future__ import annotations

import pyarrow as pa

from llm_integrations.core.arrow import compile_arrow
from llm_integrations.core.arrow.run.batches import BATCH_ROWS, batches_of
from llm_integrations.core.drift import profile_tables


def test_crumbs_are_put_together() -> None:
    table = pa.concat_tables([pa.table({"a": [number]}) for number in range(100)])
    assert [batch.num_rows for batch in batches_of(table)] == [100]


def test_batches_are_as_large_as_they_may_be() -> None:
    table = pa.table({"a": pa.nulls(2 * BATCH_ROWS + 1)})
    assert [batch.num_rows for batch in batches_of(table)] == [BATCH_ROWS, BATCH_ROWS, 1]


def test_heavy_rows_are_judged_where_they_lie() -> None:
    text = pa.array(["x" * (1 << 20)])
    table = pa.concat_tables([pa.table({"a": text})] * 80)
    before = pa.total_allocated_bytes()
    assert [batch.num_rows for batch in batches_of(table)] == [1] * 80
    assert pa.total_allocated_bytes() <= before  # a collection of garbage may come in between


def test_categoricals_are_judged_where_the_short_codes_of_chunks_cannot_be_combined() -> None:
    parts = [[f"w{n}" for n in range(start, start + 100)] for start in (0, 100, 200)]
    kind = pa.dictionary(pa.int8(), pa.string())
    chunks = [pa.array(part).dictionary_encode().cast(kind) for part in parts]
    table = pa.table({"word": pa.chunked_array(chunks)})
    plan = compile_arrow({"properties": {"word": {"maxLength": 3}}})
    assert plan.validate(table).invalid == 200
    assert plan.split(table).valid["word"].to_pylist() == parts[0]
    lengths = profile_tables([table], plan.validator).columns["word"].numbers
    assert lengths is not None
    assert lengths.count == 300
