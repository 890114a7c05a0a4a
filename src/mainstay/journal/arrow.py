"""The one place where pyarrow enters the package.

pyarrow ships without type information, so its objects are named here once as what they are to a
type checker: anything. `Table` and the like say in a signature what a value is to a reader.
"""

from typing import Any, TypeAlias, cast

# It is imported whole, and cast below, because it comes without types.
import pyarrow  # noqa: ICN001  # pyright: ignore[reportMissingTypeStubs]  # because there are none
import pyarrow.compute  # pyright: ignore[reportMissingTypeStubs]  # because there are none
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]  # because there are none

pa = cast("Any", pyarrow)
pc = cast("Any", pyarrow.compute)
pq = cast("Any", pyarrow.parquet)

ArrowArray: TypeAlias = Any
ArrowTable: TypeAlias = Any
ArrowType: TypeAlias = Any
