"""Judging a table by its columns, beside the ways that people judge rows today."""

from __future__ import annotations

import statistics
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.arrow_data import COLUMNS, PLAIN_COLUMNS, SCHEMA, rows_table, with_bad_rows
from benchmarks.harness import Row, Section, median_seconds
from llm_integrations.core.arrow import ArrowPlan, compile_arrow

ROWS = 1_000_000
BATCH = 65_536
PLOT = Path(__file__).parent.parent / "docs" / "arrow-growth.svg"

Call = Callable[[], object]


def run() -> list[Section]:
    clean = rows_table(ROWS)
    dirty = with_bad_rows(clean)
    return [_speed(clean, dirty), _reasons(dirty), _growth(dirty)]


# -- the peers -------------------------------------------------------------------------------


def _speed(clean: pa.Table, dirty: pa.Table) -> Section:
    section = Section(
        "Arrow tables, 1M rows of 10 columns",
        "Rows per second. Ours judges the table with 1 % bad rows, on one thread unless it says "
        "otherwise, and gives the verdict of jsonschema-rs row for row (compared in this run). "
        "Pandera and pydantic get the table without bad rows, since those stop or slow them. Slow "
        "peers judge the first rows only. Floor: every buffer of the table read once, by the "
        "byte-wise sum of numpy, by that of Arrow, and as 64-bit words.",
    )
    plan = compile_arrow(SCHEMA, threads=1)
    _agree(plan, dirty.slice(0, 200_000))
    mine = partial(plan.mask, dirty)
    section.add(Row("ours, one thread", _per_second(_rate(mine, ROWS))))
    threaded = _rate(partial(compile_arrow(SCHEMA).mask, dirty), ROWS)
    section.add(Row("ours, a thread for each processor", _per_second(threaded)))
    clean_rate = _rate(partial(plan.mask, clean), ROWS)
    section.add(Row("ours, no bad rows", _per_second(clean_rate)))
    for what, rows, call, aim in _peers(clean, dirty):
        section.add(_beside(what, mine, call, rows, aim))
    section.add(_pandera_polars(clean, dirty))
    for what, floor, share in _floors():
        section.add(_beside(f"floor, {what}", mine, partial(floor, dirty), ROWS, share))
    return section


def _peers(clean: pa.Table, dirty: pa.Table) -> list[tuple[str, int, Call, float | None]]:
    engine = jsonschema_rs.validator_for(SCHEMA)
    few = dirty.slice(0, 200_000)
    fewer = dirty.slice(0, 4_000)
    return [
        ("jsonschema-rs on to_pylist rows", 200_000, partial(_by_rows, engine, few), 50.0),
        ("datasets.filter with jsonschema-rs", 200_000, _filter(engine, few), 40.0),
        ("pydantic list[Model]", 50_000, _pydantic(clean.slice(0, 50_000)), 100.0),
        ("pandera on pandas", 200_000, _pandera_pandas(clean.slice(0, 200_000)), 15.0),
        (
            "datasets.filter with jsonschema",
            4_000,
            _filter(jsonschema.Draft202012Validator(SCHEMA), fewer),
            800.0,
        ),
        ("duckdb, the same rules in SQL", ROWS, _duckdb(dirty), None),
    ]


def _agree(plan: ArrowPlan, table: pa.Table) -> None:
    engine = jsonschema_rs.validator_for(SCHEMA)
    assert plan.mask(table).to_pylist() == [engine.is_valid(row) for row in table.to_pylist()]


def _by_rows(engine: Any, table: pa.Table) -> int:
    return sum(
        engine.is_valid(row)
        for batch in table.to_batches(max_chunksize=BATCH)
        for row in batch.to_pylist()
    )


def _filter(engine: Any, table: pa.Table) -> Call:
    """The quickest way to use a row-wise engine there: batched, rows put together by zip."""
    import datasets

    datasets.disable_caching()
    datasets.disable_progress_bars()
    dataset = datasets.Dataset(table)

    def keep(batch: dict[str, list[Any]]) -> list[bool]:
        return [
            engine.is_valid(dict(zip(batch, values, strict=True)))
            for values in zip(*batch.values(), strict=True)
        ]

    return lambda: dataset.filter(keep, batched=True, keep_in_memory=True)


def _pydantic(table: pa.Table) -> Call:
    from typing import Annotated, Literal

    from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

    class Meta(BaseModel):
        source: Literal["web", "book", "code"]
        quality: Annotated[float, Field(ge=0, le=1)]

    class Record(BaseModel):
        model_config = ConfigDict(extra="forbid")
        id: Annotated[int, Field(ge=0)]
        doc: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
        prompt: Annotated[str, Field(min_length=1, max_length=400)]
        completion: Annotated[str, Field(min_length=1)]
        lang: Literal["en", "de", "fr", "es", "zh"]
        score: Annotated[float, Field(ge=0, le=1)]
        tokens: Annotated[int, Field(ge=1, le=8192)]
        flag: bool
        tags: Annotated[
            list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=8)
        ]
        meta: Meta

    adapter = TypeAdapter(list[Record])
    return lambda: adapter.validate_python(table.to_pylist())


def _pandera_checks(check: Any) -> dict[str, Any]:
    return {
        "id": check.ge(0),
        "doc": check.str_matches("^[0-9a-f]{8}$"),
        "prompt": check.str_length(1, 400),
        "completion": check.str_length(min_value=1),
        "lang": check.isin(["en", "de", "fr", "es", "zh"]),
        "score": [check.ge(0), check.le(1)],
        "tokens": [check.ge(1), check.le(8192)],
        "flag": None,
    }


def _pandera_pandas(table: pa.Table) -> Call:
    """Lists and structs are Python objects there, with a check for each element."""
    import pandera.pandas as pandera

    frame = table.to_pandas()
    checks = _pandera_checks(pandera.Check)
    checks["tags"] = pandera.Check(
        lambda tags: len(tags) <= 8 and all(1 <= len(tag) <= 20 for tag in tags),
        element_wise=True,
    )
    checks["meta"] = pandera.Check(
        lambda meta: meta["source"] in ("web", "book", "code") and 0 <= meta["quality"] <= 1,
        element_wise=True,
    )
    schema = pandera.DataFrameSchema({n: pandera.Column(checks=checks[n]) for n in COLUMNS})
    return lambda: schema.validate(frame)


def _pandera_polars(clean: pa.Table, dirty: pa.Table) -> Row:
    import pandera.polars as pandera
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(clean.select(PLAIN_COLUMNS)))
    checks = _pandera_checks(pandera.Check)
    schema = pandera.DataFrameSchema(
        {name: pandera.Column(checks=checks[name]) for name in PLAIN_COLUMNS}
    )
    equal = compile_arrow(
        {
            **SCHEMA,
            "properties": {name: SCHEMA["properties"][name] for name in PLAIN_COLUMNS},
        },
        threads=1,
    )
    mine = partial(equal.mask, dirty.select(PLAIN_COLUMNS))
    what = "pandera on polars (all threads), the same 8 columns"
    return _beside(what, mine, lambda: schema.validate(frame), ROWS, 1.0)


def _duckdb(table: pa.Table) -> Call:
    import duckdb

    connection = duckdb.connect()
    connection.register("rows", table)
    rules = (
        "id >= 0 and regexp_full_match(doc, '[0-9a-f]{8}') "
        "and length(prompt) between 1 and 400 and length(completion) >= 1 "
        "and lang in ('en', 'de', 'fr', 'es', 'zh') and score between 0 and 1 "
        "and tokens between 1 and 8192 and flag is not null and len(tags) <= 8 "
        "and len(list_filter(tags, lambda t: length(t) not between 1 and 20)) = 0 "
        "and meta.source in ('web', 'book', 'code') and meta.quality between 0 and 1"
    )
    return lambda: connection.execute(f"select count(*) from rows where {rules}").fetchall()


# -- the floor -------------------------------------------------------------------------------


def _floors() -> list[tuple[str, Callable[[pa.Table], object], float | None]]:
    return [
        ("numpy, by bytes", _touch_with_numpy, 0.6),
        ("Arrow, by bytes", _touch_with_arrow, None),
        ("numpy, by 64-bit words", _touch_by_words, None),
    ]


def _buffers(table: pa.Table) -> list[Any]:
    return [
        buffer
        for column in table.columns
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None
    ]


def _touch_with_numpy(table: pa.Table) -> int:
    return sum(int(np.frombuffer(buffer, np.uint8).sum()) for buffer in _buffers(table))


def _touch_with_arrow(table: pa.Table) -> int:
    arrays = (pa.Array.from_buffers(pa.uint8(), b.size, [None, b]) for b in _buffers(table))
    return sum(pc.sum(array).as_py() or 0 for array in arrays)


def _touch_by_words(table: pa.Table) -> int:
    return sum(int(np.frombuffer(b, np.uint64, count=b.size // 8).sum()) for b in _buffers(table))


# -- reasons ---------------------------------------------------------------------------------


def _reasons(dirty: pa.Table) -> Section:
    section = Section(
        "Arrow tables, with the reasons for the bad rows",
        "The same table with 1 % bad rows; each bad row gets the row-wise validator's messages.",
    )
    plan = compile_arrow(SCHEMA)
    bad = plan.mask(dirty).false_count
    for what, call in (
        ("mask alone", plan.mask),
        (f"mask, and messages for {bad:,} rows", plan.validate),
        ("mask, messages, and both parts as tables", plan.split),
    ):
        section.add(Row(what, _per_second(_rate(partial(call, dirty), ROWS, repeats=5))))
    return section


# -- growth ----------------------------------------------------------------------------------


def _growth(dirty: pa.Table) -> Section:
    section = Section(
        "Arrow tables, how time grows",
        "Seconds for tables from 10 thousand to 10 million rows, 1 % of them bad. Memory is what "
        "the process gained at its peak. Drawn in docs/arrow-growth.svg.",
    )
    plan = compile_arrow(SCHEMA)
    engine = jsonschema_rs.validator_for(SCHEMA)
    lines: dict[str, list[tuple[int, float]]] = {"mask": [], "mask and messages": [], "rows": []}
    for rows in (10_000, 100_000, 1_000_000, 10_000_000):
        table = _resized(dirty, rows)
        repeats = 1 if rows > ROWS else 5
        mask, gained = _with_memory(partial(plan.mask, table), repeats)
        explained, more = _with_memory(partial(plan.validate, table), repeats)
        lines["mask"].append((rows, mask))
        lines["mask and messages"].append((rows, explained))
        if rows <= 100_000:
            by_rows = median_seconds(partial(_by_rows, engine, table), number=1, repeats=3)
            lines["rows"].append((rows, by_rows))
        section.add(
            Row(
                f"{rows:,} rows",
                f"mask {mask * 1e3:,.1f} ms, {gained} MB",
                f"with messages {explained * 1e3:,.0f} ms, {more} MB",
            )
        )
    _draw(lines)
    return section


def _resized(table: pa.Table, rows: int) -> pa.Table:
    if rows <= table.num_rows:
        return table.slice(0, rows)
    return pa.concat_tables([table] * (rows // table.num_rows))


def _with_memory(call: Call, repeats: int) -> tuple[float, int]:
    """Seconds, and how many MB the process gained while it ran."""
    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds = median_seconds(call, number=1, repeats=repeats)
    done.set()
    watcher.join()
    return seconds, max(0, peak - before) // 2**20


def _draw(lines: dict[str, list[tuple[int, float]]]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "arrow"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2))
    names = {"rows": "jsonschema-rs on rows"}
    for name, points in lines.items():
        axes.loglog(*zip(*points, strict=True), marker="o", label=names.get(name, f"ours: {name}"))
    axes.set_xlabel("rows of 10 columns, 1 % bad")
    axes.set_ylabel("seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


# -- figures ---------------------------------------------------------------------------------


def _rate(call: Call, rows: int, *, repeats: int = 7) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rows / median_seconds(call, number=1, repeats=repeats)


def _beside(what: str, mine: Call, peer: Call, peer_rows: int, aim: float | None) -> Row:
    """Ours and a peer in turns, so that what else the machine does weighs on both."""
    rounds = [(_rate(mine, ROWS, repeats=3), _rate(peer, peer_rows, repeats=1)) for _ in range(5)]
    ours, theirs = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    ratio = statistics.median(mine / other for mine, other in rounds)
    return Row(
        what,
        _per_second(ours),
        _per_second(theirs),
        f"{ratio:,.2f}×" if ratio < 10 else f"{ratio:,.0f}×",
        "" if aim is None else f"≥ {aim:g}×",
        None if aim is None else ratio >= aim,
    )


def _per_second(rate: float) -> str:
    if rate >= 1e6:
        return f"{rate / 1e6:,.1f}M/s"
    return f"{rate / 1e3:,.1f}k/s"
