"""Real documents: the long descriptions of the packages that are installed here."""

from __future__ import annotations

from email.parser import Parser
from importlib.metadata import Distribution, distributions

from llama_index.core.schema import Document

__all__ = ["package_documents"]


def package_documents(most: int = 60) -> list[Document]:
    """One document for each package, by name, with what its author says of it as metadata."""
    found = {str(d.metadata["Name"]).lower(): d for d in distributions() if d.metadata["Name"]}
    documents = (_document(name, found[name]) for name in sorted(found))
    return [document for document in documents if document.text.strip()][:most]


def _document(name: str, package: Distribution) -> Document:
    about = Parser().parsestr(package.read_text("METADATA") or package.read_text("PKG-INFO") or "")
    metadata = {
        "name": name,
        "version": package.version,
        "license": about.get("License-Expression") or about.get("License"),
        "summary": about.get("Summary"),
        "url": about.get("Home-page"),
    }
    text = about.get_payload()
    return Document(
        id_=name,
        text=(text if isinstance(text, str) else "")[:2000],
        metadata={key: value for key, value in metadata.items() if value},
    )
