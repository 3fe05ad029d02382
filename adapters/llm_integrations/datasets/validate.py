"""A whole data set: what is valid, what was set aside and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
from tqdm.auto import tqdm

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict, config
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.validation import Validator
from llm_integrations.datasets.blocks import BlockJudge
from llm_integrations.datasets.files import validate_lines
from llm_integrations.datasets.parts import Parts
from llm_integrations.datasets.report import DatasetReport
from llm_integrations.datasets.schema_map import table_validator
from llm_integrations.datasets.sources import BLOCK, DatasetSource, TableSource, file_source
from llm_integrations.datasets.streams import judged_stream

__all__ = ["DatasetResult", "validate_dataset"]

Data: TypeAlias = Dataset | DatasetDict | IterableDataset | IterableDatasetDict | str | Path
OnInvalid = Literal["quarantine", "raise"]

_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class DatasetResult:
    """What came of validating a data set.

    Attributes:
        valid: the valid rows, of the kind that was given; a Dataset for a file.
        report: the counts and reasons; for a stream they grow while it is read.
        quarantine: where the other rows are, with the reasons.
        parts: the names of the quarantine's parts that this run wrote start with one of these.
    """

    valid: Any
    report: DatasetReport
    quarantine: Quarantine
    parts: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def quarantined(self) -> Dataset:
        """The rows that this run set aside: data and errors as JSON text, and where from."""
        rows = [
            record.to_row()
            for path in self.quarantine.parts()
            if path.stem.startswith(self.parts)
            for record in self.quarantine.read(path)
        ]
        return Dataset.from_list(rows)

    def __bool__(self) -> bool:
        return self.report.is_valid


def validate_dataset(
    data: Data,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    quarantine: str | Path | Quarantine | None = None,
    on_invalid: OnInvalid = "quarantine",
    options: ValidationOptions | None = None,
    output: str | Path | None = None,
    progress: bool | None = None,
) -> DatasetResult:
    """Split a data set into its valid rows and a quarantine. No row is lost or counted twice.

    In tables null may stand for a missing value (``nulls="absent"``); in JSON lines null is null.
    What lies on disk is judged block by block and its valid rows are written to disk; a run that
    was cut off goes on where it was when it is called again.

    Args:
        data: a Dataset, DatasetDict, stream, or a Parquet, CSV or JSONL file of any size.
        schema: as ``training-row@1``; resolved once.
        registry: a Registry, a URL, or None for the environment's.
        quarantine: the folder for invalid rows (Parquet); None puts it beside the valid ones.
        on_invalid: "quarantine", or "raise" at the first block with an invalid row.
        options: how to judge; by default the registry's, with nulls as above.
        output: where valid rows of data on disk are written; None means the cache of `datasets`.
        progress: whether to show a bar; None shows it on terminals.

    Raises:
        SchemaValidationError: a row is invalid and ``on_invalid`` is "raise".
        ConfigurationError: the file or an option cannot be used.
        RegistryError: there is no schema to judge by.
    """
    if on_invalid not in ("quarantine", "raise"):
        raise ConfigurationError(f"on_invalid is 'quarantine' or 'raise', not {on_invalid!r}")
    if isinstance(data, str | Path) and Path(data).suffix.lower() in _LINES and options is None:
        options = ValidationOptions()
    validator = table_validator(schema, registry, options)
    shown = sys.stderr.isatty() if progress is None else progress
    run = _Run(validator, quarantine, on_invalid == "raise", output, shown)
    if isinstance(data, DatasetDict | IterableDatasetDict):
        return _every_split(data, run)
    return run.validate(data, "dataset")


def _every_split(data: Any, run: _Run) -> DatasetResult:
    results = {name: run.validate(split, str(name)) for name, split in data.items()}
    total = DatasetReport(
        run.validator.reference,
        run.validator.fingerprint,
        run.validator.options.nulls,
        splits={name: result.report for name, result in results.items()},
        complete=all(result.report.complete for result in results.values()),
    )
    for result in results.values():
        total.add(result.report.total, result.report.invalid, result.report.reasons)
    kept = [result.quarantine for result in results.values()]
    return DatasetResult(
        type(data)({name: result.valid for name, result in results.items()}),
        total,
        kept[0] if kept else run.aside("empty"),
        tuple(part for result in results.values() for part in result.parts),
    )


class _Run:
    """One call of validate_dataset."""

    def __init__(
        self,
        validator: Validator,
        quarantine: str | Path | Quarantine | None,
        raises: bool,
        output: str | Path | None,
        progress: bool,
    ) -> None:
        self.validator = validator
        self._quarantine = quarantine
        self._raises = raises
        self._output = output
        self._progress = progress

    def validate(self, data: Any, name: str) -> DatasetResult:
        if isinstance(data, Dataset):
            return self._source(DatasetSource(data, name), data)
        if isinstance(data, IterableDataset):
            return self._stream(data, name)
        if isinstance(data, str | Path):
            return self._file(Path(data))
        raise ConfigurationError(
            f"a Dataset, DatasetDict, stream or file can be validated, not {type(data).__name__}"
        )

    def _file(self, path: Path) -> DatasetResult:
        if path.suffix.lower() not in _LINES:
            return self._source(file_source(path), None)
        report = self._report()
        run = self._run_name(str(path.resolve()))
        quarantine = self.aside(run)
        valid = validate_lines(
            path,
            self.validator,
            quarantine,
            report,
            run=run,
            raises=self._raises,
            output=self._folder(run),
            bar=self._bar,
        )
        return DatasetResult(valid, report, quarantine, (run,))

    def _source(self, source: TableSource, dataset: Dataset | None) -> DatasetResult:
        run = self._run_name(source.identity)
        judge = self._judge(source.name, run)
        report = self._report()
        through = self._through_disk if source.on_disk else self._in_memory
        valid = through(source, judge, report)
        if dataset is None:
            valid = valid or Dataset.from_dict({})
        elif valid is None or report.is_valid:
            valid = dataset
        else:
            valid = Dataset(valid.data, info=dataset.info, split=dataset.split)
        return DatasetResult(valid, report, judge.quarantine, (run,))

    def _through_disk(
        self, source: TableSource, judge: BlockJudge, report: DatasetReport
    ) -> Dataset | None:
        parts = Parts(self._folder(judge.run), judge.quarantine)
        done = parts.resume(judge.run)
        first = sum(count.total for count in done)
        for count in done:
            report.add(count.total, count.invalid, count.reasons)
        number = len(done)
        with self._bar(source.name, source.rows, first) as advance, parts.writing() as write:
            for table in source.blocks(number):
                found = judge.examine(table, first)
                write(number, found, judge)
                report.add(found.count.total, found.count.invalid, found.count.reasons)
                advance(table.num_rows)
                first += table.num_rows
                number += 1
        return parts.finish(number)

    def _in_memory(
        self, source: TableSource, judge: BlockJudge, report: DatasetReport
    ) -> Dataset | None:
        kept: list[pa.Table] = []
        with self._bar(source.name, source.rows, 0) as advance:
            for number, table in enumerate(source.blocks(0)):
                valid, count = judge.judge(table, number, number * BLOCK)
                report.add(count.total, count.invalid, count.reasons)
                kept.append(valid)
                advance(table.num_rows)
        return Dataset(pa.concat_tables(kept)) if kept else None

    def _stream(self, stream: IterableDataset, name: str) -> DatasetResult:
        run = self._run_name(f"stream-{name}")
        judge, report = self._judge(name, run), self._report()
        return DatasetResult(judged_stream(stream, judge, report), report, judge.quarantine, (run,))

    def _judge(self, name: str, run: str) -> BlockJudge:
        return BlockJudge(
            self.validator,
            source=name,
            run=run,
            quarantine=self.aside(run),
            raises=self._raises,
        )

    def _report(self) -> DatasetReport:
        validator = self.validator
        return DatasetReport(validator.reference, validator.fingerprint, validator.options.nulls)

    def _run_name(self, identity: str) -> str:
        """The same for the same rows judged by the same schema in the same way."""
        about = f"{identity}|{self.validator.fingerprint}|{self.validator.options}|{BLOCK}"
        return sha256(about.encode()).hexdigest()[:16]

    def _folder(self, run: str) -> Path:
        if self._output is not None:
            return Path(self._output)
        return Path(config.HF_DATASETS_CACHE) / "llm-integrations" / run

    def aside(self, run: str) -> Quarantine:
        if isinstance(self._quarantine, Quarantine):
            return self._quarantine
        if self._quarantine is not None:
            return Quarantine(self._quarantine, "parquet")
        return Quarantine(self._folder(run) / "quarantine", "parquet")

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
