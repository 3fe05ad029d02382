"""evidently, as it comes, on the cases of drift; by itself, since it needs an older pandas.

``python -m benchmarks.drift_peer rows alarms detections`` prints a dict as JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.drift_cases import KINDS, drifted, undrifted


def found(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The columns that evidently's preset calls drifted, each by its default test."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    run = Report([DataDriftPreset()]).run(pd.DataFrame(after), pd.DataFrame(before))
    columns = set()
    for metric in run.dict()["metrics"]:
        config = metric["config"]
        if "column" in config:
            by_chance = config["method"].endswith("p_value")
            value, limit = float(metric["value"]), config["threshold"]
            if value < limit if by_chance else value >= limit:
                columns.add(config["column"])
    return columns


def main(rows: int, alarms: int, detections: int) -> None:
    warnings.simplefilter("ignore")
    runs = [
        found(*(undrifted(np.random.default_rng([seed, side]), rows) for side in (1, 2)))
        for seed in range(alarms)
    ]
    kinds: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for seed in range(detections):
        before, after = drifted(seed, rows)
        # It has no test for lists, and would end at them.
        flat = [name for name, values in before.items() if not isinstance(values[0], list)]
        kinds.update(found({n: before[n] for n in flat}, {n: after[n] for n in flat}))
    print(json.dumps({"alarms": sum(map(bool, runs)), "kinds": kinds}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
