"""Converters to ONNX. An import of this module registers them with skl2onnx.

``skl2onnx.to_onnx`` then converts all estimators and transformers of this package, also inside
pipelines, searches and other estimators that skl2onnx converts. An autoencoder has the outputs
``label`` and ``scores``, like the detectors of skl2onnx, and the options ``score_samples``,
``reconstruct`` and ``residuals`` add outputs. With the option ``transform`` its only output are the
codes. A pipeline with other steps after the autoencoder needs this option. The conversion needs
skl2onnx, which ``pip install "sklearn-metabp[onnx]"`` installs. The result runs in any ONNX
runtime, without this package.

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
>>> print("other labels:", (label != model.predict(X)).sum())
other labels: 0
>>> print(f"largest difference {abs(probabilities - model.predict_proba(X)).max():.4f}")
largest difference 0.0000
"""

from sklearn_metabp.optional_libraries import missing_library

try:
    import skl2onnx
except ModuleNotFoundError as error:
    raise missing_library("skl2onnx", "sklearn_metabp.onnx") from error

from sklearn_metabp.estimators import (
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
)
from sklearn_metabp.onnx.converters import (
    AUTOENCODER_ALIAS,
    AUTOENCODER_OPTIONS,
    CLASSIFIER_ALIAS,
    REGRESSOR_ALIAS,
    RNN_CLASSIFIER_ALIAS,
    RNN_REGRESSOR_ALIAS,
    autoencoder_shapes,
    classifier_shapes,
    convert_autoencoder,
    convert_classifier,
    convert_regressor,
    parse_autoencoder,
    parse_classifier,
    regressor_shapes,
)
from sklearn_metabp.onnx.preprocessing import CLIPPER_ALIAS, clipper_shapes, convert_clipper
from sklearn_metabp.onnx.tables import (
    TABLE_ALIAS,
    TABLE_CLASSIFIER_ALIAS,
    TABLE_REGRESSOR_ALIAS,
    convert_nothing,
    convert_table,
    convert_table_regressor,
    no_shapes,
    parse_table,
    parse_table_classifier,
    parse_table_regressor,
    table_regressor_shapes,
    table_shapes,
    table_types,
)
from sklearn_metabp.preprocessing import RobustSmoothClipper, TablePreprocessor
from sklearn_metabp.tabular import TabularMLPClassifier, TabularMLPRegressor

__all__ = ["table_types"]

_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False, True],
}

for _classifier, _alias in (
    (BackpropMLPClassifier, CLASSIFIER_ALIAS),
    (BackpropRNNClassifier, RNN_CLASSIFIER_ALIAS),
):
    skl2onnx.update_registered_converter(
        _classifier,
        _alias,
        classifier_shapes,
        convert_classifier,
        parser=parse_classifier,
        options=_CLASSIFIER_OPTIONS,
    )
for _regressor, _alias in (
    (BackpropMLPRegressor, REGRESSOR_ALIAS),
    (BackpropRNNRegressor, RNN_REGRESSOR_ALIAS),
):
    skl2onnx.update_registered_converter(_regressor, _alias, regressor_shapes, convert_regressor)
skl2onnx.update_registered_converter(
    BackpropAutoencoder,
    AUTOENCODER_ALIAS,
    autoencoder_shapes,
    convert_autoencoder,
    parser=parse_autoencoder,
    options={name: [False, True] for name in AUTOENCODER_OPTIONS},
)
skl2onnx.update_registered_converter(
    RobustSmoothClipper, CLIPPER_ALIAS, clipper_shapes, convert_clipper
)
skl2onnx.update_registered_converter(
    TablePreprocessor, TABLE_ALIAS, table_shapes, convert_table, parser=parse_table
)
skl2onnx.update_registered_converter(
    TabularMLPClassifier,
    TABLE_CLASSIFIER_ALIAS,
    no_shapes,
    convert_nothing,
    parser=parse_table_classifier,
    options=_CLASSIFIER_OPTIONS,
)
skl2onnx.update_registered_converter(
    TabularMLPRegressor,
    TABLE_REGRESSOR_ALIAS,
    table_regressor_shapes,
    convert_table_regressor,
    parser=parse_table_regressor,
)
