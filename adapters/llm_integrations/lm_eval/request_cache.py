"""The harness's cache of requests, keyed by everything that a request is built from."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from llm_integrations.lm_eval.randomness import randomness_kept
from lm_eval.api.task import ConfigurableTask

__all__ = ["keyed_builder"]

_PROBE = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
]


_OF_A_DOCUMENT: Final = (
    *("doc_to_text", "doc_to_target", "doc_to_choice"),
    *("doc_to_image", "doc_to_audio", "gen_prefix"),
)
"""Fields of a task's configuration, and of its shots', that may be functions."""


def keyed_builder(task: Any) -> Callable[..., None]:
    """``task.build_all_requests``, whose cached requests are found only for the same documents.

    The harness keys its cache by the task's name and number of shots, so that requests of other
    documents, of an edited data set or of another prompt would be scored against these. Of its
    arguments only ``tokenizer_name`` goes into nothing but the key.
    """
    build = task.build_all_requests

    def keyed(*, cache_requests: bool = False, tokenizer_name: str = "", **kwargs: Any) -> None:
        if cache_requests:
            with randomness_kept():
                tokenizer_name += f"-{_content_key(task, kwargs)}"
        build(cache_requests=cache_requests, tokenizer_name=tokenizer_name, **kwargs)

    return keyed


def _content_key(task: Any, kwargs: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for part in _ingredients(task, kwargs):
        text = json.dumps(part, default=_opaque, sort_keys=True, skipkeys=True)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:32]


def _ingredients(task: Any, kwargs: dict[str, Any]) -> Iterator[Any]:
    yield version("lm_eval")
    yield kwargs.get("samples")
    if template := kwargs.get("chat_template"):
        yield str(_made(template, _PROBE, add_generation_prompt=True))
    yield task.dump_config()
    yield from sorted(_sources(task))
    sampler = getattr(task, "sampler", None)
    for generator in (getattr(sampler, "rnd", None), getattr(task, "fewshot_rnd", None)):
        yield generator and generator.getstate()
    shots: list[Any] = []
    if sampler is not None:
        shots = list(sampler.df)
    elif task.config.num_fewshot:
        shots = list(task.fewshot_docs())
    documents = list(task.eval_docs)
    yield shots
    yield from documents
    own = [value for name, value in vars(task.config).items() if name in _OF_A_DOCUMENT]
    own += [getattr(task, name) for name in _OF_A_DOCUMENT if _is_overridden(task, name)]
    yield _called(own, [*documents, *shots])
    of_shots = vars(task.config.fewshot_config) if task.config.fewshot_config else {}
    yield _called([value for name, value in of_shots.items() if name in _OF_A_DOCUMENT], shots)


def _is_overridden(task: Any, name: str) -> bool:
    written = getattr(type(task), name, None)
    return written is not None and written is not getattr(ConfigurableTask, name, None)


def _called(values: Iterable[Any], documents: Sequence[Any]) -> list[Any]:
    """What functions make of documents: their text does not tell what they close over."""
    functions = filter(callable, values)
    return [_made(function, deepcopy(document)) for function in functions for document in documents]


def _made(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function makes; one that fails, which the harness may never call, is like nothing."""
    try:
        return function(*args, **kwargs)
    except Exception:  # noqa: BLE001 - code of a task's makers, or of a model's
        return uuid.uuid4().hex


def _sources(task: Any) -> Iterator[str]:
    """The text of each file whose code builds requests: the task's class, its functions."""
    config = vars(task.config)
    shots = config.get("fewshot_config")
    named = [type(task), *config.values(), *(vars(shots).values() if shots else ())]
    for each in named:
        if callable(each):
            try:
                path = inspect.getsourcefile(each)
            except TypeError:
                path = None
            yield Path(path).read_text("utf-8") if path and Path(path).is_file() else repr(each)


def _opaque(value: Any) -> str:
    """A value that is no JSON, by its pickle; what has none is like nothing else.

    A function is told by its file, which is an ingredient of its own.
    """
    if inspect.isroutine(value):
        return value.__qualname__
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # noqa: BLE001 - pickling runs code of the value's class
        return uuid.uuid4().hex
