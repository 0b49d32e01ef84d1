"""Builds the compiled kernels: every ``.pyx`` file below ``_kernels`` is a module of its own."""

from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("sklearn_metabp/_kernels")
HEADERS = sorted(str(path) for pattern in ("*.h", "*.pxd") for path in KERNELS.rglob(pattern))

setup(
    ext_modules=[
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            depends=HEADERS,
            # No -march=native: the loops are compiled for the vector units found at run time.
            extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math"],
            optional=True,  # without a compiler the NumPy fallbacks run
        )
        for source in sorted(KERNELS.rglob("*.pyx"))
    ]
)
