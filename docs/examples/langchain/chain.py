"""A chain that refuses what its schema refuses. Needs no model and no server.

pip install 'llm-integrations[langchain]'; python chain.py
"""

from __future__ import annotations

from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.registry import connect
from llm_integrations.langchain import SchemaValidator

PROFILE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 13}},
    "required": ["name", "age"],
}


def main() -> None:
    with connect("memory://") as registry:
        registry.register("user-profile", PROFILE, metadata={"owner": "team-prompts"})
        prompt = ChatPromptTemplate.from_template("Greet {name}, aged {age}.")
        model = FakeListChatModel(responses=["Welcome!"])
        chain = SchemaValidator("user-profile@latest", registry) | prompt | model
        print(chain.invoke({"name": "Ada", "age": 36}).content)
        try:
            chain.invoke({"name": "Zoe", "age": 11})
        except SchemaValidationError as error:
            print(f"stopped: {error}")


if __name__ == "__main__":
    main()
