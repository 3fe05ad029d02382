"""What stands in deploy/, .github and the hooks names what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from llm_integrations.core import observability
from llm_integrations.core.cli.app import app
from llm_integrations.core.observability import Metric

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def metrics() -> dict[str, set[str]]:
    """The labels of every metric, by the names that a query may use."""
    found: dict[str, set[str]] = {}
    for metric in vars(observability).values():
        if isinstance(metric, Metric):
            name, _, labels = metric._arguments
            for suffix in ("", "_bucket", "_sum", "_count"):
                found[f"{name}{suffix}"] = {*labels, "le"}
    return found


def queries() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return [*alerts, *(t["expr"] for panel in board["panels"] for t in panel["targets"])]


@pytest.mark.parametrize("query", queries())
def test_a_query_names_metrics_and_labels_that_we_have(query: str) -> None:
    known = metrics()
    names = re.findall(r"llm_integrations_\w+", query)
    assert names
    labels = {label for name in names for label in known[name]}
    grouped = {w for by in re.findall(r"by \(([^)]*)\)", query) for w in re.split(r",\s*", by)}
    filtered = set(re.findall(r"[{,]\s*(\w+)=", query))
    assert grouped | filtered <= labels


def test_the_alerts_are_rules_of_prometheus() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= set(
            re.findall(r"\w+", rule["expr"])
        )


def test_the_files_that_compose_mounts_are_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    mounts = [volume for service in services.values() for volume in service.get("volumes", ())]
    assert mounts
    for mount in mounts:
        assert (DEPLOY / mount.split(":")[0]).exists(), mount


def test_each_hook_is_a_command_that_exists() -> None:
    hooks: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks]
    for hook in hooks:
        command = shlex.split(hook["entry"])[1:]
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*"), *ROOT.glob("docs/examples/ci/*")])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_yaml_with_jobs_of_steps(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert all(job["steps"] for job in workflow["jobs"].values())
    for command in re.findall(r"llm-integrations (\w+) ", path.read_text()):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
