"""The two implementations of the kernels."""

import pytest

from sklearn_metabp import _kernels

compiled_only = pytest.mark.skipif(
    not _kernels.COMPILED,
    reason="the compiled kernels were not built: there is nothing to hold to the twin",
)
