"""Who delivers to an endpoint, when several processes share an outbox."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filelock import FileLock, Timeout

from llm_integrations.core.errors import WebhookError

__all__ = ["Lease"]


class Lease:
    """A lock file beside the database, one per endpoint or group.

    The operating system gives it back the moment its holder dies, however it dies, so that
    another process can go on at once; there is no clock in it that could be wrong.
    """

    def __init__(self, database: Path, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._lock = FileLock(
            database.with_name(f"{database.name}.{digest}.lock"), thread_local=False, mode=0o600
        )

    @property
    def held(self) -> bool:
        return self._lock.is_locked

    def take(self) -> bool:
        """Whether we hold it now. Never waits."""
        if self._lock.is_locked:
            return True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise WebhookError(f"the lock file cannot be used: {error}") from error
        return True

    def give_back(self) -> None:
        self._lock.release()
