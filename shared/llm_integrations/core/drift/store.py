"""The store of baselines: beside the schemas, one small file for each version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from llm_integrations.core.drift.profile import Profile
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef, version_key
from llm_integrations.core.registry.local.file.names import encode_subject

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["BaselineStore"]

_FOLDER: Final = ".profiles"


class BaselineStore:
    """A folder with ``<subject>@<version>.json`` for each baseline.

    Args:
        folder: made when the first baseline is saved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @classmethod
    def beside(cls, registry: Registry) -> BaselineStore:
        """In the registry's folder, as ``schemas/.profiles``: commit it with the schemas.

        Raises:
            ConfigurationError: the registry is no folder.
        """
        parts = urlsplit(registry.url)
        if parts.scheme != "file":
            raise ConfigurationError(
                f"{parts.scheme} registries keep no baselines: say where, as "
                "baseline='profiles/row.json'"
            )
        return cls(Path(unquote(parts.path)) / _FOLDER)

    def path(self, reference: str) -> Path:
        """The path of an exact version's baseline, whether it exists or not."""
        ref = SchemaRef.parse(reference)
        return self.folder / f"{encode_subject(ref.subject)}@{ref.version}.json"

    def save(self, profile: Profile) -> Path:
        return profile.write(self.path(profile.schema))

    def find(self, reference: str) -> Profile | None:
        """The baseline of this version, else of the newest one before it, else None."""
        mine = SchemaRef.parse(reference)
        found: list[tuple[SchemaRef, Path]] = []
        prefix = f"{encode_subject(mine.subject)}@"
        for path in self.folder.glob("*.json"):
            if path.name.startswith(prefix):
                version = path.stem.removeprefix(prefix)
                found.append((SchemaRef.parse(f"{mine.subject}@{version}"), path))
        known = [
            (version_key(ref.version), path)
            for ref, path in found
            if version_key(ref.version) <= version_key(mine.version)
        ]
        return Profile.read(max(known)[1]) if known else None
