"""Builds the compiled kernels: every ``.pyx`` file below ``_kernels`` is a module of its own."""

from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("sklearn_metabp/_kernels")


def headers(source: Path) -> list[str]:
    """Return the headers that a module is compiled again for: all that it could include."""
    packages = {source.parent, *(KERNELS / name for name in ("common", "network", "rules"))}
    return sorted(str(path) for p in packages for path in [*p.glob("*.h"), *p.glob("*.pxd")])


setup(
    ext_modules=[
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            depends=headers(source),
            # No -march=native: the loops are compiled for the vector units found at run time.
            extra_compile_args=[
                "-O3",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-ffp-contract=off",
            ],
            optional=True,  # without a compiler the NumPy fallbacks run
        )
        for source in sorted(KERNELS.rglob("*.pyx"))
    ]
)
