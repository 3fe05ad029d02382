"""validate_dataset on JSON lines and on dirty tables, beside the loop that one writes by hand."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pyarrow as pa
from datasets import Dataset

from benchmarks.bench_datasets import SCHEMA, own_memory, table, watch_memory
from benchmarks.harness import Row, Section
from llm_integrations.core.registry import connect
from llm_integrations.datasets import validate_dataset

FLAT = 200_000
CHATS = 20_000
TIMES = 5
DIRTY = 200_000
REPEATS = 3
CHAT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["system", "user", "assistant", "tool"]},
                    "content": {"type": "string"},
                },
                "required": ["role", "content"],
            },
        },
    },
    "required": ["messages"],
}
_TEXT = (
    "the model answers questions about schemas and data with long or short text that people wrote "
    "in a naïve café “over there”"
)
_WORDS = tuple(_TEXT.split(" "))


def chats(number: int, *, words: int = 390, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Conversations of nine messages and about 2.5 KB; one in a hundred has a role of its own."""
    source = random.Random(seed)
    for index in range(number):
        texts = [" ".join(source.choices(_WORDS, k=words // 9)) for _ in range(9)]
        roles = ["system", *["user", "assistant"] * 4]
        if source.random() < 0.01:
            roles[3] = "human"
        messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
        yield {"id": f"chat-{index}", "messages": messages}


def dirty(rows: int) -> pa.Table:
    """Six columns; two rows in five are invalid, by one reason or two of four."""
    source = np.random.default_rng(3)

    def bad(share: float) -> Any:
        return source.random(rows) < share

    return (
        table(rows)
        .select(["id", "score", "active", "name"])
        .append_column("age", pa.array(np.where(bad(0.2), 200, source.integers(0, 121, rows))))
        .append_column(
            "country",
            pa.array(np.where(bad(0.25), "XX", np.array(["DE", "FR", "IT"])[np.arange(rows) % 3])),
        )
    )


def run() -> list[Section]:
    with tempfile.TemporaryDirectory() as name:
        return [_lines(Path(name)), _tables(Path(name)), _memory(Path(name))]


def _lines(folder: Path) -> Section:
    section = Section(
        "JSON lines, end to end",
        "`validate_dataset` on a JSONL file: judged, bad lines in a Parquet quarantine with their "
        f"messages. Flat: {FLAT:,} lines of 10 columns; chat: {CHATS:,} lines of 2.5 KB; 1 % of "
        "the lines are bad. Beside them json.loads and jsonschema-rs on each line by hand, which "
        "writes nothing. Where all lines are bad, the loop by hand collects `iter_errors` and "
        f"writes them. Ratios of processor time, taken in turns, best of {REPEATS}. With several "
        f"processes the same lines {TIMES} times over, and ratios of the time that passed: of "
        "fewer lines, starting them takes a good part.",
    )
    cases = _write_lines(folder)
    for what, (path, schema, judged, opened) in cases.items():
        hand, ours, ours_opened = _in_turns(
            lambda path=path, schema=schema: _by_hand(path, schema),
            lambda path=path, schema=schema: _ours(path, schema),
            lambda path=path, schema=schema: _ours(path, schema, opens=True),
        )
        section.add(_ratio(what, hand, ours, judged))
        if opened:
            section.add(_ratio(f"{what}, and `valid` opened", hand, ours_opened, opened))
    for what, aim in (("flat", 5.0), ("chat", 3.0)):
        path, schema = _repeated(cases[what][0]), cases[what][1]
        hand, ours = _in_turns(
            lambda path=path, schema=schema: _by_hand(path, schema),
            lambda path=path, schema=schema: _ours(path, schema, num_proc=2),
            clock=time.perf_counter,
        )
        section.add(_ratio(f"{what}, {TIMES} times over, `num_proc=2`", hand, ours, aim))
    for what in ("flat", "chat"):
        path, schema = cases[what][:2]
        strict = {**schema, "required": [*schema["required"], "nothing"]}
        hand, ours = _in_turns(
            lambda path=path, strict=strict: _by_hand_with_errors(path, strict),
            lambda path=path, strict=strict: _ours(path, strict),
        )
        section.add(_ratio(f"{what}, all lines bad", hand, ours, 1.0))
    return section


def _write_lines(folder: Path) -> dict[str, tuple[Path, dict[str, Any], float, float]]:
    """Path, schema, and what is aimed at: judged alone, and with ``valid`` opened."""

    def write(name: str, rows: Iterator[Any] | list[Any], *, ascii_only: bool = False) -> Path:
        path = folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(row, ensure_ascii=ascii_only) + "\n")
        return path

    return {
        "flat": (write("flat", table(FLAT).to_pylist()), SCHEMA, 3.0, 1.4),
        "chat": (write("chat", chats(CHATS)), CHAT, 1.7, 0.75),
        "chat, with `\\u` escapes": (
            write("escaped", chats(CHATS), ascii_only=True),
            CHAT,
            1.36,
            0.0,
        ),
        "chat, lines of 1 MB": (write("long", chats(60, words=150_000)), CHAT, 1.36, 0.0),
    }


def _repeated(path: Path) -> Path:
    """The same lines several times over: so many that one takes two processes for them."""
    long = path.with_name(f"{path.stem}-{TIMES}.jsonl")
    with long.open("wb") as stream:
        stream.writelines(path.read_bytes() for _ in range(TIMES))
    return long


def _tables(folder: Path) -> Section:
    section = Section(
        "Dirty tables, end to end",
        f"`validate_dataset` on a Dataset of {DIRTY:,} rows and 6 columns, two in five of them "
        "bad: reasons, and a Parquet quarantine. Beside it the rows as Python and jsonschema-rs' "
        f"`iter_errors` on each, which writes nothing. Processor time, best of {REPEATS}.",
    )
    rows = dirty(DIRTY)
    path = folder / "dirty.arrow"
    with pa.ipc.new_stream(path, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=10_000)
    data = Dataset.from_file(str(path))
    hand, ours = _in_turns(lambda: _rows_by_hand(rows, SCHEMA), lambda: _ours(data, SCHEMA))
    section.add(_ratio("40 % bad rows", hand, ours, 5.0))
    strict = {**SCHEMA, "required": [*SCHEMA["required"], "nothing"]}
    hand, ours = _in_turns(lambda: _rows_by_hand(rows, strict), lambda: _ours(data, strict))
    section.add(_ratio("all bad, a column that is required is not there", hand, ours, 0.0))
    return section


def _memory(folder: Path) -> Section:
    section = Section(
        "JSON lines, memory",
        "How much the memory of a process grew, beside the same run over 20,000 lines; memory that "
        "is no mapped file, looked at every 20 ms.",
    )
    for rows in (1_000_000, 3_000_000):
        path = folder / "many.jsonl"
        with path.open("w") as stream:
            for first in range(0, rows, 100_000):
                lines = table(100_000, first).to_pylist()
                stream.writelines(json.dumps(row) + "\n" for row in lines)
        command = [sys.executable, "-m", "benchmarks.bench_lines", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        grew = float(done.stdout)
        section.add(Row(f"{rows:,} flat lines", f"{grew:.0f} MB", aim="< 300 MB", met=grew < 300))
    return section


def _ours(data: Any, schema: dict[str, Any], *, opens: bool = False, **options: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, connect("memory://") as registry:
        _use_cache(Path(folder))
        registry.register("row", schema)
        result = validate_dataset(
            data,
            "row@1",
            registry=registry,
            quarantine=Path(folder) / "bad",
            progress=False,
            **options,
        )
        assert result.report.total == result.report.valid + result.report.invalid > 0
        if opens:
            assert len(result.valid) == result.report.valid


def _use_cache(folder: Path) -> None:
    import datasets

    datasets.config.HF_DATASETS_CACHE = folder / "cache"


def _by_hand(path: Path, schema: dict[str, Any]) -> int:
    validator = jsonschema_rs.validator_for(schema)
    with path.open("rb") as stream:
        return sum(validator.is_valid(json.loads(line)) for line in stream)


def _by_hand_with_errors(path: Path, schema: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(schema)
    with path.open("rb") as stream, tempfile.TemporaryFile("w") as bad:
        for line in stream:
            row = json.loads(line)
            errors = [error.message for error in validator.iter_errors(row)]
            if errors:
                bad.write(json.dumps({"row": row, "errors": errors}) + "\n")


def _rows_by_hand(rows: pa.Table, schema: dict[str, Any]) -> int:
    validator = jsonschema_rs.validator_for(schema)
    return sum(bool(list(validator.iter_errors(row))) for row in rows.to_pylist())


def _in_turns(
    *calls: Callable[[], object], clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Of each the least seconds of processor time, so that a busy machine matters little."""
    least = [float("inf")] * len(calls)
    for _ in range(REPEATS):
        for index, call in enumerate(calls):
            started = clock()
            call()
            least[index] = min(least[index], clock() - started)
    return least


def _ratio(what: str, hand: float, ours: float, aim: float) -> Row:
    ratio = hand / ours
    aims = f"≥ {aim:g}×" if aim else ""
    met = ratio >= aim if aim else None
    return Row(what, f"{ours:.2f} s", f"{hand:.2f} s", f"{ratio:.2f}×", aims, met)


def _grown(path: Path) -> float:
    """MB that this process grew by, at the most, over what a small run takes."""
    small = path.with_name("small.jsonl")
    small.write_text("".join(json.dumps(row) + "\n" for row in table(20_000).to_pylist()))
    _ours(small, SCHEMA, opens=True)
    before, most = own_memory(), watch_memory()
    _ours(path, SCHEMA, opens=True)
    return most() - before


if __name__ == "__main__":
    print(_grown(Path(sys.argv[1])))
