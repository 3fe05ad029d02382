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
from llm_integrations.core.validation import compile_validator

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


_TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
COMPOSE = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "properties": {
        "services": {
            "type": "object",
            "patternProperties": {
                "^[a-zA-Z0-9._-]+$": {
                    "type": "object",
                    "required": ["image"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {"type": "string", "pattern": "^[a-z0-9./-]+:[A-Za-z0-9._-]+$"},
                        "depends_on": _TEXTS,
                        "entrypoint": _TEXTS,
                        "environment": {
                            "type": "object",
                            "additionalProperties": {"type": ["string", "number", "null"]},
                        },
                        "ports": {**_TEXTS, "items": {"pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
                        "volumes": {**_TEXTS, "items": {"pattern": "^\\./[^:]+:/[^:]+:ro$"}},
                    },
                }
            },
            "additionalProperties": False,
        }
    },
}
"""What we use of the Compose specification, in its types (``environment`` holds no boolean),
and what we want besides: versions of images, ports of this machine alone, mounts only read."""


def test_the_compose_file_is_one_of_the_specification() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert compile_validator(COMPOSE).validate(compose).errors == ()
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
    taken = [port.split(":")[1] for service in services.values() for port in service["ports"]]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", {"ANONYMOUS": True}),
        ("ports", ["9090:9090"]),
        ("volume", ["./a:/a:ro"]),
        ("image", "grafana/grafana"),
        ("depends_on", "registry"),
    ],
)
def test_a_service_that_compose_would_refuse_is_noticed(name: str, value: Any) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    compose["services"]["grafana"][name] = value
    assert not compile_validator(COMPOSE).validate(compose)


def test_the_provisioning_of_grafana_names_what_compose_mounts_and_starts() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    folder = DEPLOY / "grafana-provisioning"
    sources = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())
    boards = yaml.safe_load((folder / "dashboards/llm-integrations.yaml").read_text())
    assert sources["apiVersion"] == boards["apiVersion"] == 1
    for source in sources["datasources"]:
        assert {"name", "type", "url"} <= source.keys()
        assert re.fullmatch(r"http://(\w+):\d+", source["url"])[1] in compose  # type: ignore[index]
    mounts = str(compose["grafana"]["volumes"])
    for provider in boards["providers"]:
        assert provider["options"]["path"] in mounts


def manifests() -> dict[str, Any]:
    """What the pages show of Kubernetes, by page and number."""
    found: dict[str, Any] = {}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for text in re.findall(
            r"^```yaml[^\n]*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL
        ):
            for document in yaml.safe_load_all(text) if "apiVersion:" in text else ():
                found[f"{page.stem} {len(found)}"] = document
    return found


_MANIFESTS = manifests()


@pytest.mark.parametrize("name", _MANIFESTS)
def test_a_manifest_has_the_fields_that_kubernetes_asks_for(name: str) -> None:
    manifest = _MANIFESTS[name]
    assert {"apiVersion", "kind", "metadata", "spec"} <= manifest.keys()
    assert re.fullmatch("[a-z0-9]([a-z0-9.-]*[a-z0-9])?", manifest["metadata"]["name"])
    spec = manifest["spec"]
    if manifest["kind"] == "CronJob":
        assert manifest["apiVersion"] == "batch/v1"
        assert len(spec["schedule"].split()) == 5
        spec = spec["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    jobs = ("CronJob", "Job")
    assert (
        pod.get("restartPolicy", "Always")
        in (("Never", "OnFailure"), ("Always",))[manifest["kind"] not in jobs]
    )
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    for container in pod["containers"]:
        assert {"name", "image"} <= container.keys()
        assert isinstance(container.get("command", []), list)
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
        words = [*container.get("command", ()), *container.get("args", ())]
        assert all(isinstance(word, str) for word in words)
        if words[:1] == ["llm-integrations"]:
            assert CliRunner().invoke(app, [words[1], "--help"]).exit_code == 0


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
