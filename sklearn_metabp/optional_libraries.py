"""Libraries that only some functions need, and the error for one that is not installed."""

from importlib.util import find_spec

#: What to install for every library: an extra of this package, or the library itself.
LIBRARIES = {
    "matplotlib": "sklearn-metabp[plot]",
    "skl2onnx": "sklearn-metabp[onnx]",
    "cma": "sklearn-metabp[cma]",
    "tensorboard": "sklearn-metabp[tensorboard]",
    "mlflow": "sklearn-metabp[mlflow]",
    "pandas": "pandas",
}


def require_library(library: str, needed_by: str) -> None:
    """Raise an error that says what to install, if a library is not installed.

    Functions call it before they import the library, or before they compute for a drawing.

    Parameters
    ----------
    library : str
        A name in the table ``LIBRARIES``.
    needed_by : str
        The function or class that needs the library, for the message.

    Raises
    ------
    ImportError
        If the library is not installed.

    Examples
    --------
    >>> from sklearn_metabp.optional_libraries import missing_library
    >>> print(missing_library("matplotlib", "TraceDisplay.plot"))
    TraceDisplay.plot requires matplotlib, which is not installed. Install it by: pip
    install "sklearn-metabp[plot]"
    """
    if find_spec(library) is None:
        raise missing_library(library, needed_by)


def missing_library(library: str, needed_by: str) -> ModuleNotFoundError:
    """Return the error that :func:`require_library` raises."""
    return ModuleNotFoundError(
        f"{needed_by} requires {library}, which is not installed. Install it by: "
        f'pip install "{LIBRARIES[library]}"',
        name=library,
    )
