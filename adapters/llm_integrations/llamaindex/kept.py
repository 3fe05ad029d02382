"""What a stamp of an older version still says, by the schema of that version.

It is as good as one of the version in force where that takes everything that the older one took.
And keys that the older one would have refused were added after it judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.evolution import Source, check_compatibility
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry
from llm_integrations.core.stamp import VALID, Stamp, stamp_of
from llm_integrations.core.validation import Validator

__all__ = ["KeptStamps", "added_keys"]

log = get_logger(__name__)

_MOST: Final = 1024
_UNDECLARED: Final = ("additionalProperties", "unevaluatedProperties")


class KeptStamps:
    """Proofs of compatibility, by the versions that they are about.

    A stamp is kept if its version is in the registry as it was, and the strict check shows that
    the version in force takes everything that it took. A proof takes milliseconds, seconds for
    schemas of megabytes, and nothing the second time.
    """

    def __init__(self) -> None:
        self._proofs: dict[tuple[Stamp, str, str], bool] = {}

    def kept_on(
        self, metadata: Mapping[str, Any], validator: Validator, registry: Registry
    ) -> Stamp | None:
        """The stamp of a validator's subject, if it may stay. That of an invalid piece may not."""
        stamp = stamp_of(metadata, validator.subject or "")
        if stamp is None or metadata.get(VALID + stamp.suffix) is False:
            return None
        return stamp if self.keeps(stamp, validator, registry) else None

    def keeps(self, stamp: Stamp, validator: Validator, registry: Registry) -> bool:
        """Whether a validator takes everything that was stamped so."""
        key = (stamp, validator.reference, validator.fingerprint)
        if key not in self._proofs:
            old = _version_of(stamp, validator, registry)
            if old is None:
                return False
            if len(self._proofs) >= _MOST:
                self._proofs.clear()
            self._proofs[key] = _takes_all(old, validator)
        return self._proofs[key]


def added_keys(
    metadata: Mapping[str, Any], stamp: Stamp, validator: Validator, registry: Registry
) -> set[str]:
    """Keys that cannot have been there when this was stamped as valid: they were not declared.

    Args:
        validator: that of the version in force, which may be another.
    """
    old = _version_of(stamp, validator, registry)
    return {key for key in metadata if old is not None and _is_refused(old, key, metadata[key])}


def _version_of(stamp: Stamp, validator: Validator, registry: Registry) -> Validator | None:
    """The version that set a stamp; None if it is gone, away, or another one by now."""
    if stamp.fingerprint == validator.fingerprint:
        return validator
    try:
        reference = f"{stamp.subject}@{stamp.version}"
        found = registry.validator(reference, options=validator.options)
    except LLMIntegrationsError as error:
        log.info("%s@%s is not to be had: %s", stamp.subject, stamp.version, error)
        return None
    return found if found.fingerprint == stamp.fingerprint else None


def _takes_all(old: Validator, new: Validator) -> bool:
    # The proof is about schemas: rules beside them may refuse more, and absent nulls are no data.
    if new.rules is not None or new.options.nulls != "strict":
        return False
    after, before = (Source(v.body, v.resources, v.reference) for v in (new, old))
    try:
        return check_compatibility(after, before, options=new.options).is_compatible
    except LLMIntegrationsError as error:
        log.info("%s and %s cannot be compared: %s", old.reference, new.reference, error)
        return False


def _is_refused(validator: Validator, key: str, value: Any) -> bool:
    """Whether a schema declares no such property of the whole."""
    errors = validator.by_schema.validate({key: value}).errors
    return any(error.keyword in _UNDECLARED and not error.path for error in errors)
