"""A name, a role, a mode or a schema that there is not is refused, with what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from langchain_core.prompts import PromptTemplate
from llama_index.core.ingestion import IngestionPipeline

from llm_integrations.core.errors import ConfigurationError, InvalidReference
from llm_integrations.core.pins import BenchmarkPins
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import SchemaMap, TrainingPipelineIntegration, validate_dataset
from llm_integrations.inspect_ai import SchemaHooks, schema_scorer, validated_dataset
from llm_integrations.langchain import (
    PromptManagementIntegration,
    SchemaMiddleware,
    SchemaValidator,
    bind_schema,
)
from llm_integrations.llamaindex import RAGPipelineIntegration, SchemaPostprocessor, SchemaTransform
from llm_integrations.lm_eval import evaluate_with_schemas

PROMPT = PromptTemplate.from_template("{name}")
ROWS = Dataset.from_dict({"n": [1]})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("row", {"type": "object"})
        yield client


def evaluate(**options: Any) -> Callable[[Registry], object]:
    return lambda registry: evaluate_with_schemas("dummy", [], registry=registry, **options)


def retrieved(**options: Any) -> Callable[[Registry], object]:
    return lambda registry: SchemaPostprocessor(registry=registry, **options)


def transform(**options: Any) -> Callable[[Registry], object]:
    return lambda registry: SchemaTransform(schema="row", registry=registry, **options)


def index(name: str, **options: Any) -> Callable[[Registry], object]:
    def add(registry: Registry) -> object:
        pipeline = IngestionPipeline(transformations=[])
        return RAGPipelineIntegration(registry).add_index(name, pipeline, **options)

    return add


def prompts(name: str, **options: Any) -> Callable[[Registry], object]:
    return lambda registry: PromptManagementIntegration(registry).register_prompt(
        name, "row", **options
    )


def rows(name: str, **options: Any) -> Callable[[Registry], object]:
    return lambda registry: TrainingPipelineIntegration(registry).register_dataset(
        name, "row", **options
    )


WRONG: dict[str, tuple[Callable[[Registry], object], str]] = {
    "bind a string": (lambda _: bind_schema("Hi {name}", "row"), "prompt template"),  # type: ignore[type-var] # the fault
    "bind for nobody": (lambda _: bind_schema(PROMPT, "row", owner=" "), "owner must be text"),
    "a prompt without a name": (prompts(""), "name must be text"),
    "a prompt of nobody": (prompts("greet", owner=""), "owner must be text"),
    "a role of a prompt": (prompts("greet", role="ouput"), "role must be 'input' or 'output'"),
    "a chain without a name": (
        lambda registry: PromptManagementIntegration(registry).register_chain(PROMPT, " "),
        "name must be text",
    ),
    "a tool without a name": (
        lambda registry: SchemaMiddleware(registry, tools={"": "row"}),
        "tool's name must be text",
    ),
    "a side": (lambda r: SchemaValidator("row", r, side="ouput"), "side must be one of 'input'"),  # type: ignore[arg-type] # the fault
    "an index without a name": (index(""), "index's name must be text"),
    "an index of nobody": (index("books", owner=""), "owner must be text"),
    "a batch of none": (index("books", batch_size=0), "batch_size must be at least 1"),
    "an action": (retrieved(on_invalid="dorp"), "on_invalid must be 'drop', 'flag', 'demote' or"),
    "an action for stale": (retrieved(on_stale=None), "on_stale must be 'drop'"),
    "a policy after retrieval": (
        retrieved(on_unavailable="skip"),
        "on_unavailable must be 'raise'",
    ),
    "a factor": (retrieved(demote_factor=1.5), "demote_factor must be from 0 to 1"),
    "a mode": (transform(mode="strict"), "mode must be 'enforce', 'warn' or 'off'"),
    "a policy at ingestion": (transform(on_unavailable="skip"), "on_unavailable must be 'raise'"),
    "a data set without a name": (rows(""), "name must be text"),
    "a data set of nobody": (rows("train", owner=""), "owner must be text"),
    "nulls": (rows("train", nulls="absnet"), "nulls must be 'absent' or 'strict'"),
    "what to do with rows": (
        lambda registry: SchemaMap("row", registry, on_invalid="skip"),  # type: ignore[arg-type] # the fault
        "on_invalid must be 'flag', 'drop' or 'raise'",
    ),
    "what to do with a data set": (
        lambda r: validate_dataset(ROWS, "row", registry=r, on_invalid="drop"),  # type: ignore[arg-type] # the fault
        "on_invalid must be 'quarantine' or 'raise'",
    ),
    "what to do with cases": (evaluate(on_invalid="skip"), "on_invalid must be 'stop' or"),
    "a role of a task": (evaluate(schemas={"cases": "row"}), "role must be 'case', 'result' or"),
    "a role under a task": (evaluate(schemas={"qa": {"kase": "row"}}), "role must be 'case'"),
    "roles and tasks": (
        evaluate(schemas={"qa": {"case": "row"}, "result": "row"}),
        "maps roles to references, or tasks",
    ),
    "what to do with records": (
        lambda r: validated_dataset([], "row", registry=r, on_invalid="skip"),  # type: ignore[arg-type] # the fault
        "on_invalid must be 'stop' or 'set_aside'",
    ),
    "hooks without a name": (lambda r: SchemaHooks.enable(r, name=""), "name must be text"),
    "a benchmark without a name": (
        lambda r: BenchmarkPins("unused.lock", r).pin("", case="row"),
        "benchmark's name must be text",
    ),
    "a role of a pin": (
        lambda r: BenchmarkPins("unused.lock", r).pin("qa", cases="row"),
        "role must be 'case'",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_there_is_not_is_refused_with_what_there_is(
    what: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, told = WRONG[what]
    with pytest.raises(ConfigurationError, match=told):
        make(registry)


@pytest.mark.parametrize("reference", ["", " ", "row@two", "row@"])
def test_a_schema_that_cannot_be_read_is_refused(reference: str, registry: Registry) -> None:
    makers: list[Callable[[], object]] = [
        lambda: bind_schema(PROMPT, reference),
        lambda: bind_schema(PROMPT, "row", output=reference),
        lambda: PromptManagementIntegration(registry).register_prompt("greet", reference),
        lambda: TrainingPipelineIntegration(registry).register_dataset("train", reference),
        lambda: SchemaMap(reference, registry),
        lambda: validate_dataset(ROWS, reference, registry=registry),
        lambda: SchemaPostprocessor(schema=reference, registry=registry),
        lambda: SchemaTransform(schema=reference, registry=registry),
        lambda: schema_scorer(reference, registry=registry),
        lambda: evaluate(schemas={"case": reference})(registry),
    ]
    for make in makers:
        with pytest.raises(InvalidReference):
            make()
