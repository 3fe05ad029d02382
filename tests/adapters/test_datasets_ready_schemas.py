"""Ready schemas take real rows of their formats, and refuse what training would trip over."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from datasets import Dataset

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.ready import ready_schema
from llm_integrations.core.registry import connect
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import features_from_schema, validate_dataset

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_current_weather", "arguments": '{"location": "Paris"}'},
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
SKY = [{"role": "user", "content": "What color is the sky?"}]
REFUSED = [{"role": "assistant", "refusal": "no"}]
BLUE = [{"role": "assistant", "content": "It is blue."}]

GOOD: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [
        {"messages": [{"role": "system", "content": "Be kind."}, *SKY, *BLUE]},
        {"messages": [*SKY, {"role": "assistant", "content": "x", "weight": 0}]},
        {
            "messages": [
                *SKY,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"},
                *BLUE,
            ],
            "tools": [WEATHER],
            "parallel_tool_calls": False,
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]},
                *BLUE,
            ]
        },
        {
            "messages": [
                {"role": "developer", "content": "x"},
                {"role": "assistant", "refusal": "no"},
            ]
        },
        {"messages": [*SKY, {"role": "assistant", "function_call": CALL["function"]}]},
    ],
    "sharegpt": [
        {"id": "QWJhYvA_0", "conversations": [{"from": "human", "value": "Hi"}]},
        {
            "conversations": [
                {"from": "human", "value": "Weather?"},
                {"from": "function_call", "value": '{"name": "f"}'},
                {"from": "observation", "value": "21"},
                {"from": "gpt", "value": "21 degrees"},
            ],
            "system": "Be kind.",
            "tools": "[]",
        },
    ],
    "alpaca": [
        {"instruction": "Give three tips.", "input": "", "output": "1. …", "text": "Below is …"},
        {"instruction": "Go on.", "output": "…", "history": [["Hi", "Hello"]], "system": "s"},
    ],
    "preference": [
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        {"prompt": SKY, "chosen": BLUE, "rejected": BLUE},
        {"prompt": "sky?", "chosen": [*SKY, *BLUE], "rejected": [*SKY, *BLUE], "score_chosen": 8.5},
    ],
    "completion": [
        {"text": "The sky is blue."},
        {"prompt": "The sky is", "completion": " blue."},
        {"prompt": SKY, "completion": BLUE},
    ],
}


def changed(row: dict[str, Any], *path: Any, to: Any = None) -> dict[str, Any]:
    """The row with another value at a place; without it, if there is none."""
    row = copy.deepcopy(row)
    *above, last = path
    at: Any = row
    for step in above:
        at = at[step]
    if to is None:
        del at[last]
    else:
        at[last] = to
    return row


CHAT, SHARED, ALPACA = GOOD["openai-chat"], GOOD["sharegpt"], GOOD["alpaca"]
BAD: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [
        {"messages": []},
        {"conversations": []},
        changed(CHAT[0], "messages", 1, "role", to="human"),
        changed(CHAT[0], "messages", 1, "content"),
        changed(CHAT[1], "messages", 1, "weight", to=2),
        changed(CHAT[2], "messages", 1, "tool_calls", to=[]),
        changed(CHAT[2], "messages", 2, "tool_call_id"),
        changed(CHAT[2], "messages", 1, "tool_calls", 0, "function", "name"),
        changed(CHAT[2], "tools", 0, "function", "name", to="has spaces"),
        changed(CHAT[3], "messages", 0, "content", 1, "image_url"),
        changed(CHAT[3], "messages", 0, "content", 0, "type", to="words"),
    ],
    "sharegpt": [
        {"conversations": []},
        changed(SHARED[0], "conversations", 0, "from", to="somebody"),
        changed(SHARED[0], "conversations", 0, "value"),
        changed(SHARED[1], "conversations", 0, "value", to=1),
    ],
    "alpaca": [
        changed(ALPACA[0], "output"),
        changed(ALPACA[0], "instruction", to=""),
        changed(ALPACA[1], "history", to=[["only one"]]),
    ],
    "preference": [
        {"prompt": "x", "chosen": "y"},
        {"prompt": SKY, "chosen": [], "rejected": BLUE},
        {"prompt": SKY, "chosen": [{"role": "assistant"}], "rejected": BLUE},
        {"prompt": 1, "chosen": "a", "rejected": "b"},
    ],
    "completion": [{}, {"text": ""}, {"prompt": "x"}, {"prompt": SKY, "completion": 1}],
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_rows_of_its_format_are_valid_and_broken_ones_are_not(name: str) -> None:
    validator = compile_validator(ready_schema(name))
    for row in GOOD[name]:
        validator.check(row)
    for row in BAD[name]:
        assert not validator.is_valid(row), row
        assert validator.validate(row).errors


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_data_set_of_its_rows_is_judged_alike(name: str) -> None:
    rows = [*GOOD[name], *BAD[name]]
    with connect("memory://") as registry:
        registry.register("ready", name)
        for row in filter(None, rows):
            # One by one: together they have no columns in common.
            try:
                data = Dataset.from_list([row])
            except (ValueError, TypeError):
                continue
            result = validate_dataset(data, "ready@1", registry=registry)
            assert bool(result) == (row in GOOD[name]), row
        features = features_from_schema("ready@1", registry=registry)
        whole = [{column: row.get(column) for column in features} for row in GOOD[name]]
        data = Dataset.from_list(whole, features=features)
        assert validate_dataset(data, "ready@1", registry=registry)


def test_a_ready_schema_is_registered_by_its_name() -> None:
    with connect("memory://") as registry:
        found = registry.register("chat", "openai-chat")
        assert found.body == ready_schema("openai-chat")
        assert registry.register("pairs", "dpo").body == ready_schema("preference")
        with pytest.raises(ConfigurationError, match="no ready schema 'gpt'; there are alpaca"):
            registry.register("x", "gpt")
    assert json.dumps(ready_schema("alpaca"))
