"""docs/architecture.md is the map of the code: what it names is there, and nothing is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
CORE = ROOT / "shared/llm_integrations/core"
PLACES = (ROOT, CORE, ROOT / "shared/llm_integrations", ROOT / "adapters/llm_integrations")

MOST_FILES = 16
MOST_LINES = 400


def sources() -> list[Path]:
    return [path for root in ("shared", "adapters") for path in (ROOT / root).rglob("*.py")]


@pytest.mark.parametrize(
    "named", sorted(set(re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?)`", MAP))), ids=str
)
def test_every_file_and_folder_that_the_map_names_is_there(named: str) -> None:
    assert any((place / named).exists() for place in PLACES)


def test_the_floors_of_the_map_are_those_that_lint_holds() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    held = next(c["layers"] for c in contracts if c["name"] == "the floors of the core")
    table = MAP[MAP.index("| floor | what is there |") : MAP.index("## How data flows")]
    told = [
        re.findall(r"`([a-z_]+)`", row.split("|")[1])
        for row in table.splitlines()[2:]
        if "|" in row
    ]
    assert told == [floor.split(" | ") for floor in held]


def test_every_room_says_what_is_in_it_and_is_no_hall() -> None:
    folders = {path.parent for path in sources()}
    wide = [str(folder) for folder in folders if len(list(folder.glob("*.py"))) > MOST_FILES]
    silent = [
        str(folder)
        for folder in folders
        if not (folder / "__init__.py").exists()
        or not (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""')
    ]
    assert (wide, silent) == ([], [])


def test_no_module_is_longer_than_a_reader_holds_in_mind() -> None:
    assert [str(p) for p in sources() if len(p.read_text("utf-8").splitlines()) > MOST_LINES] == []
