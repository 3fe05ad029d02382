"""Training rows of this week: valid ones for training, the others set aside, drift reported.

python weekly.py rows.parquet schemas/ out/
"""

from __future__ import annotations

import sys
from pathlib import Path

from llm_integrations.core.drift import BaselineStore
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.registry import connect
from llm_integrations.datasets import detect_drift, save_baseline, validate_dataset

REFERENCE = "training-row@latest"


def main(rows: Path, schemas: Path, out: Path) -> int:
    with connect(schemas) as registry:
        result = validate_dataset(rows, REFERENCE, registry=registry, quarantine=out / "quarantine")
        print(result.report)
        result.valid.to_parquet(out / "valid.parquet")
        if BaselineStore.beside(registry).find(result.report.schema) is None:
            save_baseline(rows, REFERENCE, registry=registry)
            return 0
        drift = detect_drift(rows, REFERENCE, registry=registry)
        drift.write(out / "drift")
        print(drift)
        return int(drift.drifted)


if __name__ == "__main__":
    try:
        sys.exit(main(*map(Path, sys.argv[1:4])))
    except LLMIntegrationsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
