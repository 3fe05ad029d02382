"""A dataset without the records that break its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from inspect_ai._util.file import absolute_file_path
from inspect_ai.dataset import Dataset, FieldSpec, MemoryDataset, RecordToSample, Sample
from inspect_ai.dataset._sources.util import resolve_sample_files
from inspect_ai.dataset._util import record_to_sample_fn
from llm_integrations.core.config import check_choice
from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.judge import Judge
from llm_integrations.core.pins.inputs import Inputs, digest_of
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.inspect_ai.records import Record, read_records

__all__ = ["DatasetOptions", "ValidatedDataset", "validated_dataset"]

Source = str | Path | Dataset | Iterable[dict[str, Any]]
OnInvalid = Literal["stop", "set_aside"]


class DatasetOptions(TypedDict, total=False):
    """Options of ``json_dataset`` and ``csv_dataset``, with their meaning."""

    name: str | None
    auto_id: bool
    shuffle: bool | int
    seed: int | None
    shuffle_choices: bool | int | None
    limit: int | None
    encoding: str
    fs_options: dict[str, Any] | None
    dialect: str
    fieldnames: list[str] | None
    delimiter: str | None


_OF_FILES = frozenset({"encoding", "fs_options"})
_OF_CSV = frozenset({"dialect", "fieldnames", "delimiter"})


class ValidatedDataset(MemoryDataset):
    """The valid samples, and how many records there were: ``total`` is valid + ``invalid``."""

    def __init__(self, samples: list[Sample], dataset: Dataset, total: int, invalid: int) -> None:
        super().__init__(samples, dataset.name, dataset.location, dataset.shuffled)
        self.total = total
        self.invalid = invalid

    @property
    def inputs(self) -> Inputs:
        """The digest of the samples, for ``BenchmarkPins.pin(inputs={benchmark: …})``."""
        samples = [sample.model_dump(mode="json", exclude_none=True) for sample in self]
        return {"documents": digest_of(samples, number=len(samples))}


def validated_dataset(
    source: Source,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    sample_fields: FieldSpec | RecordToSample | None = None,
    on_invalid: OnInvalid = "stop",
    quarantine: str | Path | Quarantine | None = None,
    **options: Unpack[DatasetOptions],
) -> ValidatedDataset:
    """Read a dataset and judge every record before any model sees it.

    Records that are left out take nothing else along: ids are numbered, the order and the choices
    shuffled, and the limit applied as if they were there.

    Args:
        source: a ``.json``, ``.jsonl`` or ``.csv`` file or an iterable of dicts, judged as the
            records stand there (cells of CSV as ``validate_dataset`` reads them); or a Dataset,
            whose samples are judged as the dicts ``{"input", "target", "id", "metadata", …}``
            without what is None.
        schema: of one record.
        registry: a Registry, a URL, or None for the environment's.
        sample_fields: how a record becomes a Sample, as for ``json_dataset``.
        on_invalid: "stop" raises; "set_aside" leaves the record out, counts it and goes on.
        quarantine: a folder for the records that were invalid, with the reasons.
        options: as for ``json_dataset`` or ``csv_dataset``. Only records within ``limit`` are
            judged.

    Raises:
        ConfigurationError: an option is unknown, or means nothing for this source.
        InvalidEvaluation: a record is invalid ("stop"), all are, or there is none.
        RegistryError: there is no schema to judge by.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    _check_options(source, options)
    client = resolve_registry(registry)
    judging = _Judging(client, _validator(client, schema, source), source)
    dataset, origin = _read(source, judging.validator, sample_fields, options)
    reports = judging.judge({id(sample): origin[id(sample)] for sample in dataset})
    aside = Quarantine.of(quarantine)
    if aside is not None:
        aside.add(judging.condemned)
    judging.raise_if_invalid(stop=on_invalid == "stop")
    samples = _shuffled_choices(dataset, reports, options.get("shuffle_choices"))
    return ValidatedDataset(samples, dataset, judging.total, len(judging.condemned))


def _check_options(source: Source, options: DatasetOptions) -> None:
    allowed = set(DatasetOptions.__annotations__) - _OF_FILES - _OF_CSV
    if isinstance(source, str | Path):
        allowed |= _OF_FILES | (_OF_CSV if _is_csv(source) else frozenset())
    unknown = options.keys() - allowed
    if unknown:
        raise ConfigurationError(
            f"validated_dataset takes no {', '.join(sorted(unknown))} for this source; "
            f"it takes {', '.join(sorted(allowed))}"
        )
    limit = options.get("limit")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit is {limit}; it must be 1 or more")


def _is_csv(source: Source) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix.lower() == ".csv"


def _validator(client: Registry, schema: str | SchemaRef, source: Source) -> Validator:
    """An empty cell of CSV counts as missing, as everywhere."""
    options = replace(client.validation, nulls="absent") if _is_csv(source) else None
    return client.validator(schema, options=options)


class _Origin:
    """A record, its position, and what went wrong when samples were made of it."""

    def __init__(self, position: int, record: Record, error: Exception | None = None) -> None:
        self.position = position
        self.record = record
        self.error = error


def _read(
    source: Source,
    validator: Validator,
    sample_fields: FieldSpec | RecordToSample | None,
    options: DatasetOptions,
) -> tuple[MemoryDataset, dict[int, _Origin]]:
    """The samples within the limit, in their order, and the origin of each by its ``id()``."""
    convert: Callable[[Any], Any] = record_to_sample_fn(sample_fields)
    name, location = options.get("name"), None
    if isinstance(source, Dataset):
        name, location = name or source.name, source.location
        records = [Record(s, s.model_dump(exclude_none=True)) for s in source]
        convert = Sample.model_copy
    elif isinstance(source, str | Path):
        name, location = name or Path(source).stem, absolute_file_path(str(source))
        records = read_records(source, validator, options)
    else:
        records = [Record(record, record) for record in source]
    samples, origin = _samples_of(records, convert, auto_id=options.get("auto_id", False))
    dataset = MemoryDataset(samples, name, location, getattr(source, "shuffled", False))
    if isinstance(source, str | Path):
        resolve_sample_files(dataset)
    shuffle = options.get("shuffle", False)
    if shuffle is not False:
        dataset.shuffle(options.get("seed") if shuffle is True else shuffle)
    limit = options.get("limit")
    return dataset if limit is None else dataset[0:limit], origin  # type: ignore[return-value] # a slice is one


def _samples_of(
    records: Sequence[Record], convert: Callable[[Any], Any], *, auto_id: bool
) -> tuple[list[Sample], dict[int, _Origin]]:
    """Samples of every record, numbered; an invalid one may give none, so it has a blank one."""
    samples: list[Sample] = []
    origin: dict[int, _Origin] = {}
    for position, record in enumerate(records):
        found = _Origin(position, record)
        made = _converted(found, convert)
        origin |= dict.fromkeys(map(id, made), found)
        samples += made
    if auto_id or all(sample.id is None for sample in samples):
        for number, sample in enumerate(samples, start=1):
            sample.id = number
    return samples, origin


def _converted(origin: _Origin, convert: Callable[[Any], Any]) -> list[Sample]:
    if origin.record.broken is None:
        try:
            made = convert(origin.record.raw)
            return made if isinstance(made, list) else [made]
        except Exception as error:  # noqa: BLE001 - raised if the schema admits the record
            origin.error = error
    return [Sample(input="")]


def _shuffled_choices(
    dataset: MemoryDataset, reports: dict[int, ValidationReport | None], shuffle: bool | int | None
) -> list[Sample]:
    """The valid samples; choices are shuffled while the others still stand among them."""
    if shuffle is not None and shuffle is not False:
        for sample in dataset:
            if reports[id(sample)] is not None:
                sample.target = "A"  # what an invalid target is cannot be followed
        dataset.shuffle_choices(None if shuffle is True else shuffle)
    return [sample for sample in dataset if reports[id(sample)] is None]


class _Judging:
    """Judges records, counts them and keeps the invalid ones."""

    def __init__(self, registry: Registry, validator: Validator, source: Source) -> None:
        self.validator = validator
        self._judge = Judge(registry, module="inspect_ai", side="case")
        self._source = str(source) if isinstance(source, str | Path) else "dataset"
        self.total = 0
        self.condemned: list[QuarantinedRecord] = []

    def judge(self, origins: dict[int, _Origin]) -> dict[int, ValidationReport | None]:
        """The report of each sample's record, by the sample; None where it is valid."""
        ordered = sorted({o.position: o for o in origins.values()}.items())
        found = {position: self._report(origin) for position, origin in ordered}
        return {sample: found[origin.position] for sample, origin in origins.items()}

    def _report(self, origin: _Origin) -> ValidationReport | None:
        record = origin.record
        self.total += 1
        if record.broken is not None:
            report = self._judge.refuse(self.validator, record.broken).report
        else:
            report = self._judge.judge_by(self.validator, record.judged).report
        if report is not None:
            self.condemned.append(
                QuarantinedRecord.of(
                    record.judged, report, source=self._source, position=origin.position
                )
            )
        elif origin.error is not None:
            raise origin.error
        return report

    def raise_if_invalid(self, *, stop: bool) -> None:
        bad = len(self.condemned)
        if self.total == 0:
            raise InvalidEvaluation(f"{self._source} holds no record")
        if bad == self.total or (bad and stop):
            first = self.condemned[0]
            errors = "; ".join(str(error) for error in first.errors[:3])
            raise InvalidEvaluation(
                f"{bad} of {self.total} records of {self._source} do not satisfy "
                f"{self.validator.reference}; the first is record {first.position}: {errors}"
            )
