"""An OpenAI-compatible app whose requests and answers keep a contract.

uvicorn app:app
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from llm_integrations.serving import SchemaMiddleware

app = FastAPI()
app.add_middleware(SchemaMiddleware, config=Path(__file__).with_name("serving.yaml"))


@app.post("/v1/chat/completions")
def chat(request: dict[str, Any]) -> dict[str, Any]:
    """Where a model would be asked: this one repeats the question."""
    content = request["messages"][-1]["content"]
    message = {"role": "assistant", "content": content}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
