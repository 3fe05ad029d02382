"""Results on disk, in the harness's own shape, each file whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.files import atomic_write, reason_of
from llm_integrations.lm_eval.form import file_name, json_line, stored_sample
from llm_integrations.lm_eval.randomness import randomness_kept
from lm_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lm_eval.utils import hash_string

__all__ = ["SAMPLES_KEY", "ModelTracker", "prepare_folder", "store_results", "task_hash"]

SAMPLES_KEY = "samples_files"
"""In a results file of ours: by task, the name of its samples and their SHA-256."""


class ModelTracker:
    """What the harness notes of model, prompt and template, for ``evaluation_tracker=``."""

    def __init__(self) -> None:
        self.general_config_tracker = _ConfigTracker()


class _ConfigTracker(GeneralConfigTracker):  # type: ignore[misc] # the harness ships no types
    def log_experiment_args(self, *args: Any, **kwargs: Any) -> None:
        # It draws a name for a model that has none, from the generator that models draw from.
        with randomness_kept():
            super().log_experiment_args(*args, **kwargs)


def store_results(folder: Path, results: Mapping[str, Any], tracker: Any) -> Path:
    """Write ``samples_<task>_<time>.jsonl`` for each task, then ``results_<time>.json``.

    Args:
        results: what a run gave.
        tracker: the ``evaluation_tracker`` of the run.

    Raises:
        InvalidEvaluation: they cannot be written; its ``results`` are what was to be stored.
    """
    try:
        return _stored(folder, results, tracker)
    except OSError as error:
        reason = f"the results cannot be stored in {folder}: {reason_of(error)}"
        raise InvalidEvaluation(reason, results=results) from error


def prepare_folder(folder: Path) -> None:
    """Make the folder, before any model is called. ConfigurationError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {reason_of(error)}") from None


def _stored(folder: Path, results: Mapping[str, Any], tracker: Any) -> Path:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    samples = results.get("samples", {})
    tracker.general_config_tracker.log_end_time()
    document = {
        **{key: value for key, value in results.items() if key != "samples"},
        "task_hashes": {task: task_hash(each) for task, each in samples.items()},
        **asdict(tracker.general_config_tracker),
        SAMPLES_KEY: {
            task: _store_samples(folder, f"samples_{file_name(task)}_{stamp}.jsonl", each)
            for task, each in samples.items()
        },
    }
    path = folder / f"results_{stamp}.json"
    with atomic_write(path) as stream:
        stream.write(json_line(document, indent=2))
    return path


def task_hash(samples: Iterable[Mapping[str, Any]]) -> str:
    """The harness's hash of a task's documents, prompts and targets, in their order."""
    parts = (s["doc_hash"] + s["prompt_hash"] + s["target_hash"] for s in samples)
    return str(hash_string("".join(parts)))


def _store_samples(folder: Path, name: str, samples: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    digest = hashlib.sha256()
    with atomic_write(folder / name, mode=0o600) as stream:
        for sample in samples:
            line = json_line(stored_sample(sample))
            digest.update(line)
            stream.write(line)
    return {"file": name, "sha256": digest.hexdigest()}
