"""Converters to ONNX. An import of this module registers them with skl2onnx.

``skl2onnx.to_onnx`` then converts both estimators, alone and inside pipelines, searches and
whatever else skl2onnx converts. The conversion needs skl2onnx, which ``pip install
sklearn-metabp[onnx]`` installs. The result runs in any ONNX runtime, without this package.

Examples
--------
>>> import numpy as np
>>> import onnxruntime
>>> import sklearn_metabp.onnx
>>> from skl2onnx import to_onnx
>>> from sklearn.datasets import load_iris
>>> from sklearn_metabp import BackpropMLPClassifier
>>> X, y = load_iris(return_X_y=True)
>>> model = BackpropMLPClassifier(tol=0.01, random_state=0).fit(X, y)
>>> converted = to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
>>> session = onnxruntime.InferenceSession(converted.SerializeToString())
>>> label, probabilities = session.run(None, {"X": X.astype(np.float32)})
>>> bool((label == model.predict(X)).all())
True
>>> bool(np.allclose(probabilities, model.predict_proba(X), atol=1e-5))
True
"""

try:
    import skl2onnx
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Conversion to ONNX needs skl2onnx: pip install sklearn-metabp[onnx].", name="skl2onnx"
    ) from error

from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.onnx.converters import (
    CLASSIFIER_ALIAS,
    REGRESSOR_ALIAS,
    classifier_shapes,
    convert_classifier,
    convert_regressor,
    parse_classifier,
    regressor_shapes,
)

__all__: list[str] = []

skl2onnx.update_registered_converter(
    BackpropMLPClassifier,
    CLASSIFIER_ALIAS,
    classifier_shapes,
    convert_classifier,
    parser=parse_classifier,
    options={
        "zipmap": [True, False, "columns"],
        "output_class_labels": [False, True],
        "nocl": [False, True],
    },
)
skl2onnx.update_registered_converter(
    BackpropMLPRegressor, REGRESSOR_ALIAS, regressor_shapes, convert_regressor
)
