"""evidently, as it comes, on the cases of drift; by itself, since it needs an older pandas.

``python -m benchmarks.drift_peer rows alarms detections`` prints a dict as JSON.
"""

# pyright: reportMissingImports=false
# Only the benchmark installs evidently, beside everything else.

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.drift_cases import KINDS, drifted, undrifted


def found(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The columns that evidently calls drifted, each by the test that its preset chooses."""
    import pandas as pd
    from evidently.core.datasets import infer_column_type
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    columns = set()
    for name in before:
        reference, current = (pd.Series(side[name]).dropna() for side in (before, after))
        kind = infer_column_type(reference)
        # Its test for texts trains a classifier thousands of times, for minutes on each column.
        if kind in (ColumnType.Numerical, ColumnType.Categorical):
            test = get_stattest(reference, current, kind, None)
            if test(reference, current, kind, None).drifted:
                columns.add(name)
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
