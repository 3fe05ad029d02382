"""A registry in a folder that lies elsewhere (``s3://bucket/schemas``), to be read."""

from __future__ import annotations

from typing import ClassVar

from llm_integrations.core.registry.local.own_threads import InOwnThreads
from llm_integrations.core.registry.local.remote.storage import Storage
from llm_integrations.core.registry.local.remote.store import RemoteStore

__all__ = ["RemoteBackend"]


class RemoteBackend(InOwnThreads):
    """RegistryBackend over a folder that fsspec reaches. What would write is Unsupported.

    Args:
        url: of the folder, without credentials.
        timeout: seconds for a connection or an answer of S3; others have limits of their own.
    """

    page: ClassVar = 200  # each of their files is a request

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        super().__init__(RemoteStore(Storage(url, timeout=timeout)))
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def hint(self, subject: str) -> str:  # noqa: ARG002 - each look there is a request
        return ""

    async def get_mode(self, subject: str | None = None) -> str:  # noqa: ARG002 - the same for all
        return "READONLY"
