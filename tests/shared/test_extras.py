"""Optional parts: what is missing or too old is said before a framework's own error says less."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import MissingExtra
from llm_integrations.core.extras import require_extra, too_old

ROOT = Path(__file__).parents[2]

Pretend = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Gives distributions another version; None takes one away."""
    real = metadata.version

    def pretend(**versions: str | None) -> None:
        by_name = {name.replace("_", "-"): version for name, version in versions.items()}

        def version(name: str) -> str:
            found = by_name.get(name, "as it is")
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return real(name) if found == "as it is" else found

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr("llm_integrations.core.cli.commands.doctor.version", version)

    return pretend


@pytest.mark.parametrize(
    ("extra", "module", "version", "needed"),
    [
        ("langchain", "langchain", "0.3.27", "langchain>=1.0,<2"),
        ("langchain", "langchain_core", "0.3.79", "langchain-core>=1.0,<2"),
        ("langchain", "langchain_core", "1.0.0rc1", "langchain-core>=1.0,<2"),
        ("datasets", "datasets", "3.6.0", "datasets>=4.0,<6"),
        ("llamaindex", "llama_index.core", "0.14.9", "llama-index-core>=0.14.10,<0.15"),
        ("lm-eval", "lm_eval", "0.4.8", "lm-eval>=0.4.9,<0.5"),
        ("inspect", "inspect_ai", "0.3.199", "inspect-ai>=0.3.200,<0.4"),
        ("webhooks", "standardwebhooks", "0.9", "standardwebhooks>=1.0"),
    ],
)
def test_an_old_framework_is_named_with_what_is_needed_and_the_command(
    installed: Pretend, extra: str, module: str, version: str, needed: str
) -> None:
    distribution = module.replace("_", "-").replace(".", "-")
    installed(**{distribution.replace("-", "_"): version})
    with pytest.raises(MissingExtra) as caught:
        require_extra(extra, module)
    assert str(caught.value) == (
        f"{distribution} {version} is installed, and {needed} is needed: "
        f"pip install 'llm-integrations[{extra}]'"
    )


@pytest.mark.parametrize(
    "version", ["1.0", "1.0.0", "1", "1.0.post1", "1.4.7", "10.0", "1.0+local", "built by hand"]
)
def test_what_is_new_enough_is_taken(installed: Pretend, version: str) -> None:
    installed(langchain_core=version)
    require_extra("langchain", "langchain_core")


def test_a_framework_without_metadata_and_an_extra_without_floors_are_taken(
    installed: Pretend,
) -> None:
    installed(langchain_core=None)
    require_extra("langchain", "langchain_core")
    assert too_old("kafka", "json") is None
    assert too_old("no-such-extra", "langchain") is None


def test_a_missing_part_of_a_package_is_missing() -> None:
    with pytest.raises(MissingExtra, match=r"no_such_package\.core is not installed"):
        require_extra("llamaindex", "no_such_package.core")


def test_what_may_be_missing_may_not_be_old(installed: Pretend) -> None:
    installed(langchain=None)
    require_extra("langchain", "langchain_core", if_installed=("langchain",))
    installed(langchain="0.3.27")
    with pytest.raises(MissingExtra, match=r"langchain 0\.3\.27 is installed"):
        require_extra("langchain", "langchain_core", if_installed=("langchain",))


OLD = """
from importlib import metadata
real = metadata.version
metadata.version = lambda name: "0.0.1" if name == {distribution!r} else real(name)
import llm_integrations.{adapter}
"""


def run(script: str) -> str:
    """What a process of its own says last."""
    roots = os.pathsep.join(str(ROOT / root) for root in ("shared", "adapters"))
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": roots},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return result.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("adapter", "distribution"),
    [
        ("langchain", "langchain-core"),
        ("langchain", "langchain"),
        ("llamaindex", "llama-index-core"),
        ("datasets", "datasets"),
        ("serving", "pydantic"),
        ("vllm", "pydantic"),
        ("lm_eval", "lm-eval"),
        ("inspect_ai", "inspect-ai"),
    ],
)
def test_importing_an_adapter_beside_an_old_framework_says_which(
    adapter: str, distribution: str
) -> None:
    said = run(OLD.format(adapter=adapter, distribution=distribution))
    assert f"MissingExtra: {distribution} 0.0.1 is installed, and {distribution}>=" in said


def test_agents_without_langchain_say_that_it_is_missing() -> None:
    script = """
import sys
from importlib.abc import MetaPathFinder
class Gone(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("langchain", "langgraph"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Gone())
import llm_integrations.langchain
import llm_integrations.langchain.middleware
"""
    said = run(script)
    assert "MissingExtra: langchain is not installed" in said
    assert "pip install 'llm-integrations[langchain]'" in said


def doctor() -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor"], env={"LLM_INTEGRATIONS_REGISTRY_URL": ""})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"langchain": "0.3.27"}, "✗ langchain   langchain 0.3.27 is installed"),
        ({"langchain": None}, "✗ langchain   langchain is not installed"),
        ({"datasets": "3.6.0"}, "✗ datasets    datasets 3.6.0 is installed"),
        ({"scipy": None}, "✗ drift       scipy is not installed"),
    ],
)
def test_doctor_puts_a_cross_to_what_cannot_be_used(
    installed: Pretend, versions: dict[str, str | None], said: str
) -> None:
    installed(**versions)
    code, output = doctor()
    assert code == 1
    assert said in output
    assert "pip install 'llm-integrations[" in output


def test_doctor_leaves_alone_what_nobody_wanted(installed: Pretend) -> None:
    installed(langchain=None, langchain_core=None)
    code, output = doctor()
    assert code == 0
    assert "- langchain   pip install 'llm-integrations[langchain]'" in output


def test_asking_again_costs_next_to_nothing() -> None:
    require_extra("langchain", "langchain_core", if_installed=("langchain",))
    calls = 0

    def count_call(_frame: Any, event: str, _value: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        require_extra("langchain", "langchain_core", if_installed=("langchain",))
    finally:
        sys.setprofile(None)
    assert calls < 5_000  # importing the framework makes hundreds of thousands
