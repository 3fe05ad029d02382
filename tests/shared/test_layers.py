"""Which way imports go is held by import-linter; no adapter may be missing in its lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.adapters import ADAPTERS, project

CORE = "llm_integrations.core"
PACKAGES = {f"llm_integrations.{adapter}" for adapter in ADAPTERS}


def linter() -> dict[str, Any]:
    found: dict[str, Any] = project()["tool"]["importlinter"]
    return found


def contracts(kind: str) -> list[dict[str, Any]]:
    """Those of a kind that adapters appear in; others are about rooms of the core."""
    return [
        contract
        for contract in linter()["contracts"]
        if contract["type"] == kind and not contract["name"].startswith("listing differences")
    ]


def missing(listed: list[str]) -> set[str]:
    return PACKAGES - set(listed)


def test_the_linter_reads_the_core_and_every_adapter() -> None:
    roots = linter()["root_packages"]
    assert CORE in roots
    assert missing(roots) == set(), "add it to root_packages in pyproject.toml"


def test_the_core_may_import_no_adapter() -> None:
    forbidden = [
        module
        for contract in contracts("forbidden")
        if CORE in contract["source_modules"]
        for module in contract["forbidden_modules"]
    ]
    assert missing(forbidden) == set(), "add it to the contract: the core knows no adapter"


def test_no_adapter_may_import_another() -> None:
    apart = [set(contract["modules"]) for contract in contracts("independence")]
    assert any(modules >= PACKAGES for modules in apart), "add it to the contract of the adapters"


@pytest.mark.parametrize("kind", ["forbidden", "independence"])
def test_an_exception_is_one_edge_between_adapters_and_none_into_or_out_of_the_core(
    kind: str,
) -> None:
    allowed = [edge for contract in contracts(kind) for edge in contract.get("ignore_imports", ())]
    ends = [end.strip() for edge in allowed for end in edge.split("->")]
    assert not [end for end in ends if end.startswith(CORE)]
    assert not [end for end in ends if not end.startswith(tuple(PACKAGES))]


def test_no_list_names_an_adapter_that_is_gone() -> None:
    named = {*linter()["root_packages"]}
    for contract in contracts("forbidden"):
        named |= set(contract["forbidden_modules"])
    for contract in contracts("independence"):
        named |= set(contract["modules"])
    assert named - {CORE} == PACKAGES
