"""The documents of an index: what its docstore knows of them, and where their texts come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, Document
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore

from llm_integrations.core.errors import ConfigurationError

__all__ = ["KnownDocuments", "Loader"]

Loader: TypeAlias = Callable[[Sequence[str]], Iterable[Document]]
"""From ids to documents as they are at their source now."""

_MARK: Final = "stale:"
"""What older versions put before the hash of a document while they reindexed it."""


class KnownDocuments:
    """A docstore, and a loader in place of its texts if there is one."""

    is_complete = True
    """Whether a document that the docstore does not know is none of the index's."""

    def __init__(self, pipeline: IngestionPipeline, load: Loader | None = None) -> None:
        self.is_loaded = load is not None
        self._pipeline = pipeline
        self._load = load

    @property
    def docstore(self) -> BaseDocumentStore:
        """The pipeline's, which gets another one by ``load``."""
        if self._pipeline.docstore is None:
            raise ConfigurationError("a pipeline lost the docstore that its index was added with")
        return self._pipeline.docstore

    def hashes(self) -> dict[str, str]:
        """The hash of each document as it came in, by its id; chunks are left out."""
        if isinstance(self.docstore, KVDocumentStore):
            # The public listing keeps one id for each hash, and documents may be equal.
            entries = self.docstore._kvstore.get_all(collection=self.docstore._metadata_collection)
            return {
                name: entry["doc_hash"]
                for name, entry in entries.items()
                if entry.get("doc_hash") and not entry.get("ref_doc_id")
            }
        return {name: hash_ for hash_, name in self.docstore.get_all_document_hashes().items()}

    def hash_of(self, name: str) -> str | None:
        """The hash of a document as it came in; None for one that is not known."""
        return self.docstore.get_document_hash(name)

    def original_hash(self, name: str) -> str | None:
        """``hash_of``, and None where an interrupted run of an older version hides it."""
        found = self.hash_of(name)
        return None if found is None or found.startswith(_MARK) else found

    def knows(self, name: str) -> bool:
        return self.hash_of(name) is not None or self.docstore.document_exists(name)

    def is_unchanged(self, name: str, since: str | None) -> bool:
        """Whether a document's hash is the one that it had."""
        return self.hash_of(name) == since

    def kept(self, name: str) -> BaseNode | None:
        """The docstore's copy."""
        return self.docstore.get_document(name, raise_error=False)

    def fetch(self, names: Sequence[str]) -> dict[str, BaseNode]:
        """The documents that are to be had, by id; the loader is called once."""
        if self._load is not None:
            wanted = set(names)
            loaded = {document.id_: document for document in self._load(names)}
            return {name: document for name, document in loaded.items() if name in wanted}
        found = ((name, self.kept(name)) for name in names)
        return {name: document for name, document in found if document is not None}

    def news(self, documents: Iterable[BaseNode], *, whole: bool) -> list[BaseNode]:
        """Those that the docstore knows otherwise.

        Args:
            whole: whether the documents came from elsewhere than the docstore, whose copies lack
                images and sounds.
        """
        known = ((document, self.hash_of(document.id_)) for document in documents)
        return [d for d, h in known if h != d.hash and (whole or h is None or h.startswith(_MARK))]

    def keep(self, documents: Sequence[BaseNode], *, whole: bool) -> None:
        """Tell the docstore what is in the index now. Texts are kept where it kept them before."""
        self.docstore.set_document_hashes({d.id_: d.hash for d in documents})
        for with_text in (True, False):
            part = [d for d in documents if self.docstore.document_exists(d.id_) is with_text]
            if part and whole:
                self.docstore.add_documents(part, store_text=with_text)

    def rewrite(self, documents: Iterable[BaseNode]) -> None:
        """Keep other forms of documents, under the hashes of those that came in."""
        for document in documents:
            hash_ = self.hash_of(document.id_)
            if hash_ is not None and self.docstore.document_exists(document.id_):
                self.docstore.add_documents([document])
                self.docstore.set_document_hash(document.id_, hash_)

    def forget(self, names: Iterable[str]) -> set[str]:
        """Erase documents and what came of them; returns those that were known."""
        known = {name for name in names if self.knows(name)}
        for name in known:
            self.docstore.delete_ref_doc(name, raise_error=False)
            self.docstore.delete_document(name, raise_error=False)
        return known
