"""What is installed, for a bug report."""

import platform
from importlib.metadata import PackageNotFoundError, version

from sklearn_metabp._kernels import COMPILED


def show_versions() -> None:
    """Print the versions of what matters and whether the compiled core is in use.

    Examples
    --------
    >>> from sklearn_metabp import show_versions
    >>> show_versions()
    python: ...
    core: ...
    sklearn-metabp: ...
    """
    print(f"python: {platform.python_version()} on {platform.machine()}, {platform.system()}")
    print(
        f"core: {'compiled' if COMPILED else 'NumPy twin (no compiler was found at installation)'}"
    )
    for package in ("sklearn-metabp", "scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"):
        try:
            print(f"{package}: {version(package)}")
        except PackageNotFoundError:
            print(f"{package}: not installed as a package")
