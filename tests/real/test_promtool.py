"""What stands in deploy/, read by Prometheus's own promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.needs import needs

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMTOOL = str(ROOT / ".venv-promtool/usr/bin/promtool")

pytestmark = [pytest.mark.real, needs("install-promtool", programs=(PROMTOOL,))]


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules_of_alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", DEPLOY / "prometheus.yml")
    assert "1 rule files found" in said
    assert f"{len(rules_of_alerts())} rules found" in said


def test_an_alert_fires_on_what_it_is_for_and_on_nothing_less(tmp_path: Path) -> None:
    """One answer of ten is invalid for one subject, one of a hundred for another."""
    judged = "llm_integrations_validation_total"
    failed = "llm_integrations_validation_failures_total"
    series = {
        judged + '{subject="bad",side="response",outcome="valid"}': "0+90x60",
        judged + '{subject="bad",side="response",outcome="invalid"}': "0+10x60",
        failed + '{subject="bad",side="response"}': "0+10x60",
        judged + '{subject="good",side="response",outcome="valid"}': "0+99x60",
        judged + '{subject="good",side="response",outcome="invalid"}': "0+1x60",
        failed + '{subject="good",side="response"}': "0+1x60",
        'llm_integrations_circuit_breaker_state{target="a"}': "2x60",
        'llm_integrations_circuit_breaker_state{target="b"}': "1x60",
    }
    violations = {"subject": "bad", "side": "response"}
    expected = {"SchemaViolationsRise": violations, "RegistryCircuitOpen": {"target": "a"}}
    rules = rules_of_alerts()
    silent = {rule["alert"] for rule in rules} - expected.keys()
    for rule in rules:  # promtool compares annotations too, whose text is not the point here
        del rule["annotations"]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "llm-integrations", "rules": rules}]})
    )
    cases = [
        {
            "eval_time": "30m",
            "alertname": name,
            "exp_alerts": [{"exp_labels": {"severity": "warning", **expected[name]}}]
            if name in expected
            else [],
        }
        for name in (*expected, *sorted(silent))
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": cases,
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    promtool("test", "rules", file)
