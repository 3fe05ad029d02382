"""One registration, heard by every stage at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from rich.markup import escape

from demo.stage import Stage
from llm_integrations.core.events import EventListener, InMemoryEventBus
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.pins import BenchmarkPins, EvaluationFrameworkIntegration
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import TrainingPipelineIntegration
from llm_integrations.langchain import PromptManagementIntegration, bind_schema

FIRST = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "text": {"type": "string"}},
    "required": ["id", "text"],
    "additionalProperties": False,
}
SECOND = {**FIRST, "required": ["id"]}

Say = Callable[[str, str], None]


def run(stage: Stage) -> None:
    with stage.step("One new version, and what each stage does about it"):
        bus = InMemoryEventBus()
        told = threading.Semaphore(0)

        def say(who: str, what: str) -> None:
            stage.say(f"[cyan]{who:<11}[/] {escape(what)}")
            told.release()

        with connect(stage.folder / "schemas", bus=bus) as registry:
            registry.register("example", FIRST, metadata={"owner": "team-data"})
            integrations = _integrations(stage, registry, say)
            listener = EventListener(registry, integrations, buses=[bus])
            with listener.run_in_background():
                new = registry.register("example", SECOND)
                stage.say(f"[green]registered[/]  {new}")
                for _ in integrations:
                    told.acquire(timeout=10)


def _integrations(stage: Stage, registry: Registry, say: Say) -> list[LLMModuleIntegration]:
    prompts = PromptManagementIntegration(
        registry,
        notifier=lambda notice: say("prompts", f"{notice.owner} is told: {notice.affected[0]}"),
    )
    prompt = ChatPromptTemplate.from_template("Classify: {text}")
    model = FakeListChatModel(responses=["fine"])
    prompts.register_chain(bind_schema(prompt, "example@latest") | model, "classify")
    training = TrainingPipelineIntegration(
        registry, on_affected=lambda _, found: say("training", f"affected: {found[0]}")
    )
    training.register_dataset("examples", "example@latest")
    pins = BenchmarkPins(stage.folder / "classify.lock", registry)
    pins.pin("classify", case="example@1")
    evaluation = EvaluationFrameworkIntegration(
        registry,
        pins=pins,
        on_affected=lambda _, found: say(
            "evaluation", f"{found[0].benchmark} is held: {found[0].reason}"
        ),
    )
    return [prompts, training, evaluation]
