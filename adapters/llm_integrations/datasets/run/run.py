"""One run of ``validate_dataset`` over a data set, block by block, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from tqdm.auto import tqdm

from datasets import Dataset, IterableDataset, config
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.tables import LINE_SUFFIXES, CsvDialect
from llm_integrations.core.tables.line_block import CUTTING
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.report import DatasetReport
from llm_integrations.datasets.result import DatasetResult
from llm_integrations.datasets.run.blocks import BlockJudge
from llm_integrations.datasets.run.counts import BlockCount, part_name
from llm_integrations.datasets.run.inputs import Files, joined
from llm_integrations.datasets.run.line_parts import LineParts
from llm_integrations.datasets.run.lines import LineJudge
from llm_integrations.datasets.run.parts import J, Parts
from llm_integrations.datasets.run.row_rules import RowRules
from llm_integrations.datasets.run.sources import (
    BLOCK,
    B,
    DatasetSource,
    Source,
    TableSource,
    file_source,
    line_source,
)
from llm_integrations.datasets.run.streams import judged_stream
from llm_integrations.datasets.run.table_parts import TableParts
from llm_integrations.datasets.run.workers import in_processes

__all__ = ["Run"]


class Run:
    """One call of ``validate_dataset``, with that call's arguments, resolved."""

    def __init__(
        self,
        validator: Validator,
        quarantine: str | Path | Quarantine | None,
        raises: bool,
        output: str | Path | None,
        progress: bool,
        row_rules: RowRules,
        processes: int = 1,
        dialect: CsvDialect = CsvDialect(),  # noqa: B008 - frozen
    ) -> None:
        self.validator = validator
        self._quarantine = quarantine
        self._raises = raises
        self._output = output
        self._progress = progress
        self._row_rules = row_rules
        self._total: DatasetReport | None = None
        self._processes = processes
        self._dialect = dialect

    def validate(self, data: Any, name: str) -> DatasetResult:
        found = {name: self._validate(data, name)}
        return self._row_rules.apply(found, {name: data}, raises=self._raises)[name]

    def _validate(self, data: Any, name: str) -> DatasetResult:
        if isinstance(data, Dataset):
            return self._source(DatasetSource(data, name, copies=self._output is not None))
        if isinstance(data, IterableDataset):
            return self._stream(data, name)
        return self._file(data, name)

    def validate_splits(self, splits: Any) -> DatasetResult:
        """Judge each split by itself: one quarantine and one total for all of them."""
        identities = [_identity(split) for split in splits.values()]
        return self._validate_parts(splits, identities, type(splits), lazy=False)

    def validate_files(self, files: Files) -> DatasetResult:
        """Judge each file by itself: one quarantine and one total for all of them."""
        if len(files.paths) == 1:
            [(name, path)] = files.paths.items()
            return self.validate(path, name)
        return self._validate_parts(files.paths, list(files.paths), joined, lazy=files.hold_lines)

    def _validate_parts(
        self,
        parts: Mapping[Any, Any],
        identities: Sequence[str],
        combine: Callable[[Any], Any],
        *,
        lazy: bool,
    ) -> DatasetResult:
        """``combine`` makes one of the valid parts; ``lazy``: when ``valid`` is first asked for."""
        if self._quarantine is None:
            about = "|".join(map("{}={}".format, parts, identities))
            self._quarantine = self.quarantine_of(self._run_name(about))
        self._total = total = self._report()
        found = {str(name): self._validate(part, str(name)) for name, part in parts.items()}
        places = {str(name): part for name, part in parts.items()}
        results = self._row_rules.apply(found, places, raises=self._raises)
        total.splits = {name: result.report for name, result in results.items()}
        total.complete = all(result.report.complete for result in results.values())
        valid = (
            None if lazy else _combined(combine, results)
        )  # what cannot be combined raises at once
        return DatasetResult(
            lambda: _combined(combine, results) if lazy else valid,
            total,
            self.quarantine_of(""),
            tuple(part for result in results.values() for part in result.parts),
        )

    def _file(self, path: Path, name: str) -> DatasetResult:
        if path.suffix.lower() not in LINE_SUFFIXES:
            return self._source(file_source(path, self.validator, name, self._dialect))
        source = line_source(path, name)
        run = self._run_name(f"{source.identity}|{CUTTING}")
        judge = LineJudge(self.validator, source=source.name, raises=self._raises)
        copies, report = self._output is not None, self._report()
        parts = LineParts(self._folder(run), run, self.quarantine_of(run), source, copies=copies)
        opens = self._through_disk(source, judge.examine, parts, report)
        return DatasetResult(opens or _no_rows, report, self.quarantine_of(run), (run,))

    def _source(self, source: TableSource) -> DatasetResult:
        run = self._run_name(f"{source.name}|{source.identity}")
        shares = self._processes > 1 and source.on_disk and source.places(0) is not None
        judge = self._judge(source.name, run, threads=1 if shares else None)
        report = self._report()
        if source.on_disk:
            parts = TableParts(self._folder(run), judge, source.kept)
            kept = self._through_disk(source, judge.examine, parts, report)
        else:
            kept = self._in_memory(source, judge, run, report)
        valid = source.opened(kept, run, all_valid=report.is_valid)
        return DatasetResult(lambda: valid, report, judge.quarantine, (run,))

    def _through_disk(
        self,
        source: Source[B],
        examine: Callable[[B, int], J],
        parts: Parts[J],
        report: DatasetReport,
    ) -> Any:
        done = parts.resume()
        if self._raises:
            # A block with invalid rows is judged again: the error needs its report.
            done = list(takewhile(lambda count: not count.invalid, done))
        for count in done:
            report.add(count)
        number = len(done)
        with self._bar(source.name, source.rows, report.total) as advance:
            for count, rows in self._judge_blocks(source, examine, parts, number):
                report.add(count)
                advance(rows)
                number += 1
        return parts.finish(number)

    def _judge_blocks(
        self, source: Source[B], examine: Callable[[B, int], J], parts: Parts[J], first: int
    ) -> Iterator[tuple[BlockCount, int]]:
        """Judge and write the blocks from number ``first`` on; yields their counts and lengths."""
        places = source.places(first) if self._processes > 1 else None
        if places is not None:
            tasks = ((number, *place) for number, place in enumerate(places, first))
            work = partial(_judge_and_write, source, examine, parts)
            yield from in_processes(work, tasks, self._processes)
            return
        with parts.writing() as write:
            for number, (row, block) in enumerate(source.blocks(first), first):
                found = examine(block, row)
                write(number, found)
                yield found.count, len(block)

    def _in_memory(
        self, source: TableSource, judge: BlockJudge, run: str, report: DatasetReport
    ) -> Dataset | None:
        kept: list[pa.Table] = []
        with self._bar(source.name, source.rows, 0) as advance:
            for number, (first, table) in enumerate(source.blocks(0)):
                found = judge.examine(table, first)
                judge.set_aside(found, part_name(run, number))
                report.add(found.count)
                kept.append(source.kept(found))
                advance(table.num_rows)
        return Dataset(pa.concat_tables(kept)) if kept else None

    def _stream(self, stream: IterableDataset, name: str) -> DatasetResult:
        # Nothing tells one stream from another, so each call is a run of its own.
        run = self._run_name(f"stream-{name}-{uuid4()}")
        judge, report = self._judge(name, run), self._report()
        judged = judged_stream(stream, judge, report)
        return DatasetResult(lambda: judged, report, judge.quarantine, (run,))

    def _judge(self, name: str, run: str, threads: int | None = None) -> BlockJudge:
        return BlockJudge(
            self.validator,
            source=name,
            run=run,
            quarantine=self.quarantine_of(run),
            raises=self._raises,
            threads=threads,
        )

    def _report(self) -> DatasetReport:
        validator = self.validator
        return DatasetReport(
            validator.reference,
            validator.fingerprint,
            validator.options.nulls,
            within=self._total,
            warnings=validator.warnings,
        )

    def _run_name(self, identity: str) -> str:
        """The run's identity: the same for the same rows, schema, options and rules."""
        by = self.validator
        about = f"{identity}|{by.fingerprint}|{by.options}|{BLOCK}{self._row_rules}"
        return sha256(about.encode()).hexdigest()[:16]

    def _folder(self, run: str) -> Path:
        if self._output is not None:
            return Path(self._output)
        return Path(config.HF_DATASETS_CACHE) / "llm-integrations" / run

    def quarantine_of(self, run: str) -> Quarantine:
        chosen = Quarantine.of(self._quarantine, "parquet")
        return Quarantine(self._folder(run) / "quarantine", "parquet") if chosen is None else chosen

    @contextmanager
    def _bar(self, name: str, total: int | None, done: int) -> Iterator[Any]:
        with tqdm(
            total=total,
            initial=done,
            desc=f"validating {Path(name).name}",
            unit=" rows",
            unit_scale=True,
            disable=not self._progress,
        ) as bar:
            yield bar.update


def _judge_and_write(
    source: Source[B], examine: Callable[[B, int], J], parts: Parts[J], task: tuple[int, int, Any]
) -> tuple[BlockCount, int]:
    """The work of another process: one block judged, its part and its counts written."""
    number, row, place = task
    block = source.at(place)
    found = examine(block, row)
    parts.write_block(number, found)
    return found.count, len(block)


def _combined(combine: Callable[[Any], Any], results: Mapping[str, DatasetResult]) -> Any:
    return combine({name: result.valid for name, result in results.items()})


def _no_rows() -> Dataset:
    return Dataset.from_dict({})


def _identity(split: Any) -> str:
    return DatasetSource(split, "").identity if isinstance(split, Dataset) else str(uuid4())
