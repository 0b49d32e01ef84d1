"""The converters of the preprocessor of tables and of the estimators around it."""

from typing import Any

import numpy as np
from skl2onnx._parse import parse_sklearn
from skl2onnx.algebra.onnx_ops import OnnxLabelEncoder
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)
from skl2onnx.common.utils import check_input_and_output_numbers
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.onnx.graph import Graph, Node
from sklearn_metabp.onnx.preprocessing import clip_columns
from sklearn_metabp.preprocessing import CategoryEncoder, RobustSmoothClipper

TABLE_ALIAS = "SklearnMetabpTablePreprocessor"
TABLE_CLASSIFIER_ALIAS = "SklearnMetabpTabularMLPClassifier"
TABLE_REGRESSOR_ALIAS = "SklearnMetabpTabularMLPRegressor"
# Texts for a missing string, unless one of them is a category: the empty string, and the strings
# that runtimes make from NaN, None and pandas.NA.
_MISSING = ("", "nan", "None", "<NA>")
_LABEL_ENCODER_VERSION = 2  # of the domain ai.onnx.ml


def table_types(model: Any) -> list[tuple[str, Any]]:
    """Return the inputs of a converted model for a table, one for each column that it uses.

    Parameters
    ----------
    model : TablePreprocessor, TabularMLPClassifier or TabularMLPRegressor
        Fitted to a data frame whose column names are strings.

    Returns
    -------
    initial_types : list of (str, DataType)
        For ``skl2onnx.to_onnx(model, initial_types=...)``: columns of shape (n_samples, 1). They
        have strings if the categories are strings, else float32. NaN is a missing number, and the
        empty string is a missing category.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_metabp import TablePreprocessor
    >>> from sklearn_metabp.onnx import table_types
    >>> people = pd.DataFrame(
    ...     {"age": [31, 45, 60, 22], "city": ["Ulm", "Bern", "Ulm", "Bern"]}
    ... )
    >>> preprocessor = TablePreprocessor(min_frequency=2).fit(people)
    >>> [(name, type(kind).__name__) for name, kind in table_types(preprocessor)]
    [('age', 'FloatTensorType'), ('city', 'StringTensorType')]
    """
    check_is_fitted(model)
    preprocessor = getattr(model, "preprocessor_", model)
    names = preprocessor.feature_names_in_
    types = {
        position: FloatTensorType([None, 1])
        for position in (*preprocessor.numbers_, *preprocessor.booleans_)
    }
    for position, encoder in zip(preprocessor.categories_, preprocessor.encoders_, strict=True):
        kind = StringTensorType if _has_strings(encoder) else FloatTensorType
        types[position] = kind([None, 1])
    return [(str(names[position]), types[position]) for position in sorted(types)]


def _has_strings(encoder: CategoryEncoder) -> bool:
    are_strings = {isinstance(category, str) for category in encoder.categories}
    if len(are_strings) > 1:
        raise NotImplementedError(
            f"the categories {encoder.categories} are strings and numbers, but an ONNX column has "
            "one type: make them all strings before fit."
        )
    return are_strings != {False}


def parse_table(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Take all columns as the inputs of one operator."""
    operator = scope.declare_local_operator(TABLE_ALIAS, model)
    operator.inputs = inputs
    kind = DoubleTensorType if model.dtype is np.float64 else FloatTensorType
    operator.outputs.append(scope.declare_local_variable("variable", kind()))
    return operator.outputs


def table_shapes(operator: Any) -> None:
    """Set the shape of the variable."""
    check_input_and_output_numbers(operator, input_count_range=[1, None], output_count_range=1)
    n_columns = len(operator.raw_operator.get_feature_names_out())
    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type.shape = [n_rows, n_columns]


def convert_table(scope: Any, operator: Any, container: Any) -> None:
    """Write the computation of ``transform``."""
    model, inputs = operator.raw_operator, operator.inputs
    doubles = [each for each in inputs if isinstance(each.type, DoubleTensorType)]
    graph = Graph(container.target_opset, (doubles or inputs)[0].type)
    columns = _Columns(graph, model, inputs)
    parts: list[Node] = []
    n_numbers = len(model.numbers_)
    given = [columns.numbers(each) for each in (*model.numbers_, *model.booleans_)]
    if given:
        values = graph.Concat(*given, axis=1)
        is_gap = graph.IsNaN(values)
        filled = graph.Where(is_gap, graph.constant(model.fill_values_), values)
        if n_numbers:
            if not isinstance(model.scaler_, RobustSmoothClipper):
                raise NotImplementedError(
                    f"scaler={model.scaler_!r} has no conversion to ONNX: RobustSmoothClipper has."
                )
            parts.append(clip_columns(graph, model.scaler_, graph.columns(filled, 0, n_numbers)))
        if len(model.gaps_):
            gaps = graph.Gather(graph.cast(is_gap, graph.dtype), model.gaps_, axis=1)
            parts.append(gaps)
        if model.booleans_:
            parts.append(graph.columns(filled, n_numbers, len(given)))
    for position, encoder in zip(model.categories_, model.encoders_, strict=True):
        parts.append(columns.category_columns(position, encoder))
    result = graph.cast(graph.Concat(*parts, axis=1), model.dtype)
    graph.Identity(result, output_names=operator.outputs).add_to(scope, container)


class _Columns:
    """The columns of a table in ONNX: as one input for each, or as the columns of one input."""

    def __init__(self, graph: Graph, model: Any, inputs: list[Any]):
        self._graph, self._inputs = graph, inputs
        self._places: dict[int, int] | None = None
        if len(inputs) == 1 and model.n_features_in_ > 1:
            return
        names = [each.raw_name for each in inputs]
        wanted = getattr(model, "feature_names_in_", None)
        used = (*model.numbers_, *model.booleans_, *model.categories_)
        if wanted is None and len(inputs) != model.n_features_in_:
            raise ValueError(
                f"The table has {model.n_features_in_} columns, but there are {len(inputs)} "
                "inputs: give one for each column, or one for all."
            )
        self._places = {each: each for each in used}
        if wanted is not None:
            missing = [wanted[each] for each in used if wanted[each] not in names]
            if missing:
                raise ValueError(
                    f"There are no inputs for the columns {missing}: see "
                    "sklearn_metabp.onnx.table_types(model)."
                )
            self._places = {each: names.index(wanted[each]) for each in used}

    def _column(self, position: int) -> Node:
        if self._places is None:
            return self._graph.columns(self._inputs[0], position, position + 1)
        return self._inputs[self._places[position]]

    def _has_text(self, position: int) -> bool:
        place = 0 if self._places is None else self._places[position]
        return isinstance(self._inputs[place].type, StringTensorType)

    def numbers(self, position: int) -> Node:
        """Return a column of numbers, (n_samples, 1)."""
        return self._graph.cast(self._column(position), self._graph.dtype)

    def category_columns(self, position: int, encoder: CategoryEncoder) -> Node:
        """Return the output columns of a column of categories."""
        graph = self._graph
        if not self._has_text(position):
            return self._levels_of_numbers(position, encoder)
        keys = {category: place for place, category in enumerate(encoder.categories)}
        if not all(isinstance(category, str) for category in keys):
            raise ValueError(
                f"Column {position} has the categories {encoder.categories}, but a string input: "
                "see sklearn_metabp.onnx.table_types(model)."
            )
        missing = encoder.missing if encoder.missing >= 0 else encoder.infrequent
        keys = dict.fromkeys(_MISSING, missing) | keys
        places = OnnxLabelEncoder(
            self._column(position),
            keys_strings=[key.encode() for key in keys],
            values_int64s=list(keys.values()),
            default_int64=encoder.infrequent,
            op_version=_LABEL_ENCODER_VERSION,
        )
        outputs = np.arange(encoder.n_outputs, dtype=np.int64)[None]
        return graph.cast(graph.Equal(places, outputs), graph.dtype)

    def _levels_of_numbers(self, position: int, encoder: CategoryEncoder) -> Node:
        graph, x = self._graph, self.numbers(position)
        if any(isinstance(category, str) for category in encoder.categories):
            raise ValueError(
                f"Column {position} has the categories {encoder.categories}, but a number input: "
                "see sklearn_metabp.onnx.table_types(model)."
            )
        is_missing = graph.cast(graph.IsNaN(x), graph.dtype)
        one, parts, n_categories = graph.constant(1), [], len(encoder.categories)
        is_other = graph.Sub(one, is_missing)
        if n_categories:
            categories = np.array(encoder.categories, graph.dtype)[None]
            parts.append(graph.cast(graph.Equal(x, categories), graph.dtype))
            known = graph.MatMul(parts[0], np.ones((n_categories, 1), graph.dtype))
            is_other = graph.Sub(is_other, known)
        if 0 <= encoder.missing != encoder.infrequent:
            parts.append(is_missing)
        elif encoder.infrequent >= 0:
            is_other = graph.Add(is_other, is_missing)
        if encoder.infrequent >= 0:
            parts.append(is_other)
        return graph.Concat(*parts, axis=1)


def parse_table_classifier(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Take the preprocessor and the network as two models, one after the other."""
    return _parse_parts(scope, model, inputs, custom_parsers)


def parse_table_regressor(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Take the preprocessor and the network as two models, and the scale of y as an operator."""
    operator = scope.declare_local_operator(TABLE_REGRESSOR_ALIAS, model)
    operator.inputs = _parse_parts(scope, model, inputs, custom_parsers)
    kind = type(operator.inputs[0].type)
    operator.outputs.append(scope.declare_local_variable("variable", kind()))
    return operator.outputs


def _parse_parts(scope: Any, model: Any, inputs: Any, custom_parsers: Any) -> Any:
    options = scope.get_options(model, fail=False)
    if options:
        scope.add_options(id(model.network_), options)
    table = _parse(scope, model.preprocessor_, inputs, custom_parsers)
    return _parse(scope, model.network_, table, custom_parsers)


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any) -> Any:
    outputs = parse_sklearn(scope, model, inputs, custom_parsers=custom_parsers)
    for output in outputs:
        output.init_status(is_leaf=False)
    return outputs


def no_shapes(operator: Any) -> None:
    """Do nothing, because a classifier for tables consists of two converted parts."""


def convert_nothing(scope: Any, operator: Any, container: Any) -> None:
    """Do nothing, as :func:`no_shapes`."""


def table_regressor_shapes(operator: Any) -> None:
    """Set the shape of the variable: that of the outputs of the network."""
    operator.outputs[0].type.shape = list(operator.inputs[0].type.shape)


def convert_table_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Write the computation of y from the outputs of the network."""
    model, (given,) = operator.raw_operator, operator.inputs
    graph = Graph(container.target_opset, given.type)
    y = graph.Mul(given, graph.constant(np.atleast_1d(model.target_scale_)))
    y = graph.Add(y, graph.constant(np.atleast_1d(model.target_mean_)))
    if model.clip_predictions:
        least, largest = (graph.constant(np.atleast_1d(each)) for each in model.target_range_)
        y = graph.Min(graph.Max(y, least), largest)
    graph.Identity(y, output_names=operator.outputs).add_to(scope, container)
