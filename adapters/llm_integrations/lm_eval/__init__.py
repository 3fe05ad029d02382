"""lm-evaluation-harness: benchmarks that know which schemas they were written for."""

from __future__ import annotations

from llm_integrations.core.extras import require_extra

require_extra("lm-eval", "lm_eval")

from llm_integrations.core.errors import InvalidEvaluation  # noqa: E402
from llm_integrations.core.pins import (  # noqa: E402 - the check is first
    BenchmarkPins,
    EvaluationFrameworkIntegration,
)
from llm_integrations.lm_eval.comparison import ResultsComparison, compare_results  # noqa: E402
from llm_integrations.lm_eval.files import FileCheck, check_results  # noqa: E402
from llm_integrations.lm_eval.inputs import stored_inputs  # noqa: E402
from llm_integrations.lm_eval.run import evaluate_with_schemas  # noqa: E402
from llm_integrations.lm_eval.summary import TaskSummary  # noqa: E402

__all__ = [
    "BenchmarkPins",
    "EvaluationFrameworkIntegration",
    "FileCheck",
    "InvalidEvaluation",
    "ResultsComparison",
    "TaskSummary",
    "check_results",
    "compare_results",
    "evaluate_with_schemas",
    "stored_inputs",
]
