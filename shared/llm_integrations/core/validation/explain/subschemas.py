"""The subschemas of one schema, each of which can be asked for its verdict and its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from llm_integrations.core.jsonschema.documents import BASE_URI, Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.validation.explain.plan import Assertions, Plan, plan_of

__all__ = ["Subschemas", "Verdict"]

Verdict = Callable[[SchemaLocation, Any], bool]
"""Whether a subschema accepts a value; ValueError for a Python object that is no JSON type."""

_OWN_URI = f"{BASE_URI}llm-integrations-the-schema-itself.json"
_SAFE = "/~!$&'()*+,;=:@"
"""What a URI's fragment may hold unescaped."""


class Subschemas:
    """Compiled on first use, all at once: each is a property of one schema, so what several have
    in common is compiled once, and a verdict is a question about an object of one property.

    Args:
        documents: where they stand.
        options: formats and patterns, as the engine takes them.
        run: compiles on a stack that is large enough.
    """

    def __init__(
        self,
        documents: Documents,
        options: Mapping[str, Any],
        run: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self.top = documents.top
        self._documents = documents
        self._options = options
        self._assertions = Assertions(options)
        self._run = run
        self._plans: dict[int, Plan] = {}

    def plan(self, location: SchemaLocation) -> Plan:
        """What a subschema that is an object asks."""
        found = self._plans.get(id(location.schema))
        if found is None:
            found = plan_of(self._documents, location, self._assertions)
            self._plans[id(location.schema)] = found
        return found

    def accepts(self, location: SchemaLocation, value: Any) -> bool:
        """The verdict of a subschema; ValueError for a Python object that the engine refuses."""
        key = self._keys[id(location.schema)]
        return bool(self._selector.is_valid({key: value}))

    def errors(self, location: SchemaLocation, value: Any) -> list[jsonschema_rs.ValidationError]:
        """The engine's list, in which each path begins with one step too many."""
        key = self._keys[id(location.schema)]
        return list(self._selector.iter_errors({key: value}))

    @cached_property
    def _found(self) -> list[SchemaLocation]:
        found = {id(self.top.schema): self.top}
        waiting = [self.top]
        while waiting:
            location = waiting.pop()
            parts = [part for word in location.keywords for part in location.parts(word)]
            for part in [*parts, *filter(None, self._documents.targets(location))]:
                if isinstance(part.schema, dict) and id(part.schema) not in found:
                    found[id(part.schema)] = part
                    waiting.append(part)
        return list(found.values())

    @cached_property
    def _keys(self) -> dict[int, str]:
        return {id(location.schema): str(n) for n, location in enumerate(self._found)}

    @cached_property
    def _selector(self) -> Any:
        uris = {name: uri for uri, name in self._uris()}
        references = {
            str(number): {"$ref": f"{uris[found.document]}#{quote(found.pointer, safe=_SAFE)}"}
            for number, found in enumerate(self._found)
        }
        # Without the last keyword the engine would look for each of them in every object.
        schema: dict[str, Any] = {"properties": references, "additionalProperties": False}
        root = self._documents.root
        if isinstance(root, dict) and "$schema" in root:
            schema["$schema"] = root["$schema"]
        known = [(_OWN_URI, root), *self._documents.declared_resources]
        return self._run(
            lambda: jsonschema_rs.validator_for(
                schema,
                registry=jsonschema_rs.Registry(known, retriever=_no_retrieval),
                base_uri=BASE_URI,
                offline=True,
                **self._options,
            )
        )

    def _uris(self) -> list[tuple[str, str]]:
        names = {id(body): name for name, body in self._documents.named.items()}
        found = [(uri, names[id(body)]) for uri, body in self._documents.resources.items()]
        return [*reversed(found), (_OWN_URI, "")]


def _no_retrieval(uri: str) -> Any:
    raise ValueError(f"{uri} is not among the schema's references")
