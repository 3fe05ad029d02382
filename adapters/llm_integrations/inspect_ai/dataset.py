"""A dataset without the records that break its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from inspect_ai.dataset import (
    Dataset,
    FieldSpec,
    MemoryDataset,
    RecordToSample,
    Sample,
    csv_dataset,
    json_dataset,
)
from inspect_ai.dataset._util import record_to_sample_fn
from llm_integrations.core.config import check_choice
from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.judge import Judge
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.validation import Validator

__all__ = ["ValidatedDataset", "validated_dataset"]

Source = str | Path | Dataset | Iterable[dict[str, Any]]
OnInvalid = Literal["stop", "set_aside"]


class ValidatedDataset(MemoryDataset):
    """The valid samples, and how many there were: ``total`` is valid + ``invalid``."""

    def __init__(self, samples: list[Sample], dataset: Dataset, total: int, invalid: int) -> None:
        super().__init__(samples, dataset.name, dataset.location, dataset.shuffled)
        self.total = total
        self.invalid = invalid


def validated_dataset(
    source: Source,
    schema: str | SchemaRef,
    *,
    registry: Registry | str | None = None,
    sample_fields: FieldSpec | RecordToSample | None = None,
    on_invalid: OnInvalid = "stop",
    quarantine: str | Path | Quarantine | None = None,
    **kwargs: Any,
) -> ValidatedDataset:
    """Read a dataset and judge every record before any model sees it.

    Args:
        source: a ``.json``, ``.jsonl`` or ``.csv`` file or an iterable of dicts, judged as the
            records stand there; or a Dataset, whose samples are judged as the dicts
            ``{"input", "target", "id", "metadata", …}`` without what is None.
        schema: of one record.
        registry: a Registry, a URL, or None for the environment's.
        sample_fields: how a record becomes a Sample, as for ``json_dataset``.
        on_invalid: "stop" raises; "set_aside" leaves the record out, counts it and goes on.
        quarantine: a folder for the records that were invalid, with the reasons.
        kwargs: for ``json_dataset`` or ``csv_dataset``.

    Raises:
        InvalidEvaluation: a record is invalid ("stop"), all are, or there is none.
        RegistryError: there is no schema to judge by.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    client = resolve_registry(registry)
    records = _RecordFilter(
        Judge(client, module="inspect_ai", side="case"), client.validator(schema), source
    )
    dataset = _read(source, records, sample_fields, kwargs)
    aside = Quarantine.of(quarantine)
    if aside is not None:
        aside.add(records.condemned)
    records.raise_if_invalid(stop=on_invalid == "stop")
    return ValidatedDataset(list(dataset), dataset, records.total, len(records.condemned))


class _RecordFilter:
    """Judges records one by one, lets valid ones through and keeps the invalid ones."""

    def __init__(self, judge: Judge, validator: Validator, source: Source) -> None:
        self._judge = judge
        self._validator = validator
        self._source = str(source) if isinstance(source, str | Path) else "dataset"
        self.total = 0
        self.condemned: list[QuarantinedRecord] = []

    def admits(self, record: Any) -> bool:
        position = self.total
        self.total += 1
        report = self._judge.judge_by(self._validator, record).report
        if report is None:
            return True
        self.condemned.append(
            QuarantinedRecord.of(record, report, source=self._source, position=position)
        )
        return False

    def wrap(self, to_sample: RecordToSample) -> RecordToSample:
        """``to_sample`` for valid records; an invalid one becomes no sample."""
        return lambda record: to_sample(record) if self.admits(record) else []

    def raise_if_invalid(self, *, stop: bool) -> None:
        bad = len(self.condemned)
        if self.total == 0:
            raise InvalidEvaluation(f"{self._source} holds no record")
        if bad == self.total or (bad and stop):
            first = self.condemned[0]
            errors = "; ".join(str(error) for error in first.errors[:3])
            raise InvalidEvaluation(
                f"{bad} of {self.total} records of {self._source} do not satisfy "
                f"{self._validator.reference}; the first is record {first.position}: {errors}"
            )


def _read(
    source: Source,
    records: _RecordFilter,
    sample_fields: FieldSpec | RecordToSample | None,
    kwargs: dict[str, Any],
) -> Dataset:
    if isinstance(source, Dataset):
        return source.filter(lambda sample: records.admits(sample.model_dump(exclude_none=True)))
    to_samples = records.wrap(record_to_sample_fn(sample_fields))
    if isinstance(source, str | Path):
        return _reader(Path(source))(str(source), to_samples, **kwargs)
    samples: list[Sample] = []
    for record in source:
        made = to_samples(record)
        samples += made if isinstance(made, list) else [made]
    return MemoryDataset(samples, **kwargs)


def _reader(path: Path) -> Callable[..., Dataset]:
    match path.suffix.lower():
        case ".json" | ".jsonl":
            return json_dataset
        case ".csv":
            return csv_dataset
    raise ConfigurationError(f"{path} is no .json, .jsonl or .csv file; pass its records instead")
