"""Type-checked, never run: prompts, chains and agents as a user writes them."""

from __future__ import annotations

from typing import Any, assert_type

from langchain_core.language_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.notify import Notice
from llm_integrations.core.registry import SchemaRef, connect
from llm_integrations.langchain import (
    AffectedPrompt,
    ChainReport,
    PromptManagementIntegration,
    SchemaCallbackHandler,
    SchemaMiddleware,
    SchemaValidator,
    bind_schema,
    reask,
    structured,
    validated,
    worth_retrying,
)

registry = connect("memory://")

prompt = ChatPromptTemplate.from_template("Greet {name}.")
bound = bind_schema(prompt, "user-profile@2", owner="team-prompts", output=SchemaRef("greeting"))
assert_type(bound, ChatPromptTemplate)

gate = SchemaValidator("user-profile@2", registry, mode="warn", options=ValidationOptions())
chain = gate | bound | SchemaValidator("greeting", registry, side="output")
handler = SchemaCallbackHandler(registry, mode="enforce", output_mode="warn", schema="user-profile")
agent = SchemaMiddleware(registry, tools={"search": "search-arguments@1"}, response="answer@1")
agent = SchemaMiddleware(registry, response="answer@1", retries=2, tools_mode="warn")


def node(state: dict[str, Any]) -> dict[str, Any]:
    return state


assert_type(validated(node, input="state@1", registry=registry)({}), dict[str, Any])
assert_type(worth_retrying(ValueError()), bool)


def ask(model: BaseChatModel) -> None:
    asked = prompt | reask(model, "answer@1", retries=2, registry=registry, on_invalid="Sorry!")
    asked.invoke({"name": "Ada"})
    assert_type(structured(model, "answer@1", strict=True, registry=registry).widened, list[str])


SchemaValidator("user-profile@2", mode="strict")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no such mode


async def tell(notice: Notice) -> None:
    assert_type(notice.owner, str | None)


async def use(event: SchemaEvent, model: Any) -> None:
    integration = PromptManagementIntegration(registry, catalogue="catalogue.db", notifier=tell)
    integration.register_chain(chain | model, "greeting")
    integration.register_prompt("hub/farewell", "user-profile@1", owner="team-a", role="input")
    await integration.handle_schema_event(event)
    affected = await integration.affected_prompts(event)
    assert_type(affected, list[AffectedPrompt])
    assert_type(affected[0].owner, str | None)
    assert_type(integration.chain_report(chain), ChainReport)
    integration.sync.handle_schema_event(event)
