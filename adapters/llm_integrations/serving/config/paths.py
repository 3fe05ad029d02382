"""The inference paths of known servers, and how the bodies on them are written."""

from __future__ import annotations

from typing import Final

__all__ = ["INFERENCE_PATHS"]

INFERENCE_PATHS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
    "/v1/chat/completions/batch": "batch",  # vLLM
    "/invocations": "invocations",  # vLLM, SGLang: as SageMaker calls them
    "/v1/engines/*/chat/completions": "chat",  # llama-cpp-python
    "/v1/engines/*/completions": "completions",
    "/chat/completions": "chat",  # from here on LiteLLM
    "/completions": "completions",
    "/responses": "responses",
    "/messages": "messages",
    "/engines/*/chat/completions": "chat",
    "/engines/*/completions": "completions",
    "/openai/deployments/*/chat/completions": "chat",
    "/openai/deployments/*/completions": "completions",
    "/openai/v1/chat/completions": "chat",
    "/openai/v1/completions": "completions",
    "/openai/v1/responses": "responses",
    "/anthropic/v1/messages": "messages",
}
"""Which shape by path; of two that match, the first. ``*`` stands for any text."""
