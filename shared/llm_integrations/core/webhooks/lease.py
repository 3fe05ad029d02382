"""The lease by which one of several processes that share an outbox delivers to an endpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filelock import FileLock, Timeout

from llm_integrations.core.errors import WebhookError

__all__ = ["Lease"]


class Lease:
    """A lock file beside the database, one per endpoint or group.

    The operating system releases it the moment its holder dies, so that another process can go on
    at once. No expiry time is involved, which a wrong clock could break.
    """

    def __init__(self, database: Path, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._lock = FileLock(
            database.with_name(f"{database.name}.{digest}.lock"), thread_local=False, mode=0o600
        )

    @property
    def held(self) -> bool:
        return self._lock.is_locked

    def acquire(self) -> bool:
        """Try to get the lease; whether this process holds it now. Never waits."""
        if self._lock.is_locked:
            return True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise WebhookError(f"the lock file cannot be used: {error}") from error
        return True

    def release(self) -> None:
        self._lock.release()
