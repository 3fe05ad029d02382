"""What a stamp of an older version still says, by the schema of that version.

It is as good as one of the version in force where that takes everything that the older one took.
And keys that the older one would have refused were added after it judged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from llm_integrations.core.errors import LLMIntegrationsError, SchemaNotFound
from llm_integrations.core.evolution import Source, check_compatibility
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.core.stamp import VALID, Stamp
from llm_integrations.core.validation import Validator

__all__ = ["OlderStamps", "says_valid"]

log = get_logger(__name__)

_MOST: Final = 1024
_AGAIN: Final = 30.0
"""Seconds until somebody waits again for a version that was waited for in vain."""
_MOST_ADDED: Final = 64
"""Keys that are tried together with the others; a node with more of them is refused as it is."""
_UNDECLARED: Final = ("additionalProperties", "unevaluatedProperties")


class OlderStamps:
    """Stamps looked at by the versions that set them, as long as a registry has these as they were.

    A proof that one version takes all that another took needs milliseconds, seconds for schemas of
    megabytes, and nothing the second time.

    Args:
        patience: seconds to wait for a version that is not at hand; None is as long as the
            registry's client does. What comes later is at hand the next time.
    """

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self._proofs: dict[tuple[str, ...], bool] = {}
        self._in_vain: dict[str, float] = {}

    def kept(self, stamps: Iterable[Stamp], validator: Validator, registry: Registry) -> set[Stamp]:
        """Those of a validator's subject that are as good as its own."""
        return {stamp for stamp in set(stamps) if self._is_kept(stamp, validator, registry)}

    def judged(
        self,
        payload: Mapping[str, Any],
        keys: Collection[str],
        stamp: Stamp,
        validator: Validator,
        registry: Registry,
    ) -> Mapping[str, Any]:
        """What of a payload can have been there when it was stamped as valid.

        Left out are keys that the stamp's version does not declare. What it takes together with
        the others stays; and so does all, if it refuses the rest too, or these are very many.

        Args:
            keys: those that may have been added.
            validator: that of the version in force, which may be another.
        """
        found = self._version_of(stamp, validator, registry)
        if found is None or (old := found.by_schema).is_valid(payload):
            return payload
        added = [key for key in keys if _is_undeclared(old, key, payload[key])]
        if len(added) > _MOST_ADDED:
            return payload
        left = {key: value for key, value in payload.items() if key not in added}
        size = -1
        while size < len(left):  # one that is put back may make room for another
            size = len(left)
            for key in added:
                if key not in left and old.is_valid({**left, key: payload[key]}):
                    left[key] = payload[key]
        return left if old.is_valid(left) else payload

    def _is_kept(self, stamp: Stamp, new: Validator, registry: Registry) -> bool:
        old = self._version_of(stamp, new, registry)
        # The proof is about schemas: rules beside them may refuse more, and absent nulls are no
        # data.
        if old is None or new.rules is not None or new.options.nulls != "strict":
            return False
        key = (old.reference, old.fingerprint, new.reference, new.fingerprint)
        known = self._proofs.get(key)
        if known is None:
            known = _takes_all(old, new)
            if len(self._proofs) >= _MOST:
                self._proofs.clear()
            self._proofs[key] = known
        return known

    def _version_of(
        self, stamp: Stamp, validator: Validator, registry: Registry
    ) -> Validator | None:
        """The version that set a stamp; None if it is gone, away, or another one by now."""
        if stamp.fingerprint == validator.fingerprint:
            return validator
        reference = f"{stamp.subject}@{stamp.version}"
        try:
            found = registry.ready_validator(reference, options=validator.options)
            found = found or self._wait_for(reference, validator, registry)
        except LLMIntegrationsError as error:
            log.info("%s is not to be had: %s", reference, error)
            return None
        return found if found is not None and found.fingerprint == stamp.fingerprint else None

    def _wait_for(
        self, reference: str, validator: Validator, registry: Registry
    ) -> Validator | None:
        if self._patience is None:
            return registry.validator(reference, options=validator.options)
        if time.monotonic() < self._in_vain.get(reference, 0.0):
            return None

        async def soon() -> Validator:
            asked = registry.aio.validator(reference, options=validator.options)
            return await asyncio.wait_for(asked, self._patience)

        try:
            return registry.run(soon())
        except SchemaNotFound:
            raise  # the client remembers that by itself
        except (TimeoutError, LLMIntegrationsError) as error:
            log.info("%s is not to be had now: %s", reference, error or type(error).__name__)
            if len(self._in_vain) >= _MOST:
                self._in_vain.clear()
            self._in_vain[reference] = time.monotonic() + _AGAIN
        return None


def says_valid(metadata: Mapping[str, Any], stamp: Stamp) -> bool:
    """False for what passed though it was invalid (mode "warn")."""
    return metadata.get(VALID + stamp.suffix) is not False


def _takes_all(old: Validator, new: Validator) -> bool:
    after, before = (Source(v.body, v.resources, v.reference) for v in (new, old))
    try:
        return check_compatibility(after, before, options=new.options).is_compatible
    except LLMIntegrationsError as error:
        log.info("%s and %s cannot be compared: %s", old.reference, new.reference, error)
        return False


def _is_undeclared(validator: Validator, key: str, value: Any) -> bool:
    """Whether a schema, as far as can be told by one property, has none of this name."""
    errors = validator.validate({key: value}).errors
    return any(error.keyword in _UNDECLARED and not error.path for error in errors)
