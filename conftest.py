"""Modules that pytest leaves out where what they need is missing."""

from importlib.util import find_spec

collect_ignore = []
if find_spec("skl2onnx") is None or find_spec("onnxruntime") is None:
    collect_ignore.append("sklearn_metabp/onnx")
if find_spec("skops") is None:
    collect_ignore.append("sklearn_metabp/skops.py")
