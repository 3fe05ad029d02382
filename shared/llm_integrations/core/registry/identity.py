"""What names a registry in events: one registry can have several URLs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from llm_integrations.core.errors import RegistryError, RegistryUnavailable
from llm_integrations.core.observability import get_logger

if TYPE_CHECKING:
    from llm_integrations.core.registry.resilient_backend import ResilientBackend

__all__ = ["Identity"]

log = get_logger(__name__)

_PAUSE: Final = 30.0  # seconds after a server failed to say it; each event asks


class Identity:
    """The name that was given, else what the server says of itself, else its URL."""

    def __init__(self, registry: ResilientBackend, registry_id: str | None) -> None:
        self._registry = registry
        self._known = registry_id
        self._ask_at = 0.0

    async def means(self, name: str | None) -> bool:
        """Whether an event that names its registry so, or does not, is of this one."""
        return name in (None, self._registry.url) or name == await self.get()

    async def get(self) -> str:
        """Asks the server once, if nobody gave a name. While it cannot be asked, its URL."""
        if self._known is None and time.monotonic() >= self._ask_at:
            try:
                said = await self._registry.once(lambda backend: backend.identity())
            except RegistryUnavailable as error:
                log.warning(
                    "events of %s are named by its URL, since it does not say who it is: %s",
                    self._registry.url,
                    error,
                )
                self._ask_at = time.monotonic() + _PAUSE
                return self._registry.url
            except RegistryError:  # it has no such call for us
                said = None
            self._known = said or self._registry.url
        return self._known or self._registry.url
