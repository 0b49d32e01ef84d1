"""Builds the compiled kernels: every ``.pyx`` file below ``_kernels`` is a module of its own."""

import re
import sys
import tomllib
from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("sklearn_metabp/_kernels")
# No -march=native: the loops are compiled for the vector units found at run time. -g0: without the
# debug information that Python's own flags ask for, a wheel is a fifth as large.
UNIX_FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]


def headers(source: Path) -> list[str]:
    """Return the headers that a module is compiled again for: all that it could include."""
    packages = {source.parent, *(KERNELS / name for name in ("common", "network", "rules"))}
    return sorted(str(path) for p in packages for path in [*p.glob("*.h"), *p.glob("*.pxd")])


def long_description() -> str:
    """Return README.md with whole addresses: a package index shows it without the repository."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = f"{project['urls']['Source']}/blob/v{project['version']}/"
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({home}\1)", text)
    return text.replace(".png)", ".png?raw=true)")


setup(
    long_description=long_description(),
    long_description_content_type="text/markdown",
    ext_modules=[
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            depends=headers(source),
            extra_compile_args=[] if sys.platform == "win32" else UNIX_FLAGS,
            optional=True,  # without a compiler the NumPy fallbacks run
        )
        for source in sorted(KERNELS.rglob("*.pyx"))
    ],
)
