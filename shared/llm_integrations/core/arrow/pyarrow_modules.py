"""pyarrow's modules, behind one check for the extra; type checkers see them as Any.

pyarrow ships no types, and builds ``pyarrow.compute`` at import time, so no checker can follow it.
"""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.extras import require_extra

require_extra("arrow", "pyarrow", "numpy")

import pyarrow as _pa  # noqa: E402, ICN001 - the line above names the pip command; `pa` is below
import pyarrow.compute as _pc  # noqa: E402
import pyarrow.types as _types  # noqa: E402

__all__ = ["pa", "pc", "types"]

pa: Final[Any] = _pa
pc: Final[Any] = _pc
types: Final[Any] = _types
