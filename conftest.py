"""Modules whose doctests cannot be collected, because they import what is not installed."""

from importlib.util import find_spec

_WORKERS = "sklearn_metabp/meta_training/workers"
_NEEDS = {"distributed": f"{_WORKERS}/dask_workers.py", "ray": f"{_WORKERS}/ray_workers.py"}

collect_ignore = [module for name, module in _NEEDS.items() if find_spec(name) is None]
