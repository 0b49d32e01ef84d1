"""What pytest leaves out where an extra is missing."""

from importlib.util import find_spec

collect_ignore = []
if find_spec("skl2onnx") is None or find_spec("onnxruntime") is None:
    collect_ignore += ["sklearn_metabp/onnx", "docs/deploying.rst"]
if find_spec("skops") is None:
    collect_ignore += ["sklearn_metabp/skops.py", "docs/deploying.rst"]
