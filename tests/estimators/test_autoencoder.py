"""The autoencoder: copies, codes, scores, counterexamples, and what it shares with the others."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from helpers.callbacks import Notes, StepNotes
from helpers.checkpoints import KillAfter, Killed
from scipy.linalg import subspace_angles
from scipy.sparse import csr_array, random_array
from sklearn.base import clone, is_outlier_detector
from sklearn.datasets import load_breast_cancer, load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropAutoencoder,
    BackpropMLPRegressor,
    Checkpoint,
    ConjugateGradient,
    EarlyStopping,
    LearnedUpdateRule,
    TraceRecorder,
    load_pretrained,
)
from sklearn_metabp.derivatives import input_gradients, jacobian

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows(n=120, n_features=6, seed=0, dtype=np.float64):
    """Return rows near a curved surface of two dimensions, with columns of one scale."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (2, n))
    columns = [a, b, a * b, np.sin(2 * a), a - b, b**2]
    X = np.column_stack([columns[k % 6] for k in range(n_features)])
    return scale(X + 0.02 * rng.standard_normal(X.shape)).astype(dtype)


def network(sizes=(5, 2, 5), **params):
    common = {"activation": "tanh", "update_rule": Adam(0.01), "max_iter": 30, "random_state": 0}
    return BackpropAutoencoder(sizes, **(common | params))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", [(3,), (5, 2, 5), (4, 3)], ids=str)
def test_a_training_is_that_of_a_regressor_of_the_rows(sizes, dtype):
    X = rows(dtype=dtype)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    ours = network(sizes).fit(X, sample_weight=weight)
    params = ours.get_params(deep=False) | {"batch_size": 32}
    del params["contamination"]
    theirs = BackpropMLPRegressor(**params).fit(X, X, sample_weight=weight)
    np.testing.assert_array_equal(ours.params_, theirs.params_)
    np.testing.assert_array_equal(ours.reconstruct(X), theirs.predict(X))
    assert ours.loss_curve_ == theirs.loss_curve_
    assert ours.reconstruct(X).dtype == ours.transform(X).dtype == dtype


@pytest.mark.parametrize("n_codes", [1, 2, 3])
def test_a_linear_layer_spans_the_subspace_of_pca(n_codes):
    """P. Baldi and K. Hornik (1989): of all linear codes, least squares finds that of PCA."""
    X, _ = load_breast_cancer(return_X_y=True)
    X = scale(X)[:, :12]
    model = BackpropAutoencoder(
        (n_codes,), "identity", update_rule=ConjugateGradient(), alpha=0.0, max_iter=5000, tol=1e-8,
        random_state=n_codes,
    ).fit(X)  # fmt: skip
    pca = PCA(n_codes).fit(X)
    for weights in (model.coefs_[0], model.coefs_[1].T):
        assert subspace_angles(weights, pca.components_.T).max() < 1e-3
    lost = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum() / (2 * len(X))
    assert model.loss_ == pytest.approx(lost, rel=1e-6)


def test_the_code_is_the_narrowest_layer_and_the_decoder_the_rest():
    X = rows()
    model = network((5, 2, 5)).fit(X)
    code = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    code = np.tanh(code @ model.coefs_[1] + model.intercepts_[1])
    np.testing.assert_allclose(model.transform(X), code, rtol=1e-12)
    np.testing.assert_allclose(
        model.inverse_transform(model.transform(X)), model.reconstruct(X), rtol=1e-12
    )
    assert list(model.get_feature_names_out()) == ["backpropautoencoder0", "backpropautoencoder1"]
    with pytest.raises(ValueError, match=r"a code has 2 numbers.* got X of shape \(3, 6\)"):
        model.inverse_transform(X[:3])


@pytest.mark.parametrize(
    ("sizes", "layer"), [((3,), 0), ((4, 2, 3), 1), ((2, 2, 2), 1), ((2, 2), 0), ((2, 5, 2), 0)]
)
def test_of_several_narrowest_layers_the_code_is_in_the_middle(sizes, layer):
    assert network(sizes, max_iter=1).fit(rows(30)).code_layer_ == layer


def test_scores_and_residuals_are_in_units_of_the_training_rows():
    X, weight = rows(), np.random.default_rng(1).integers(0, 3, 120)
    model = network().fit(X, sample_weight=weight)
    residuals = model.residuals(X)
    np.testing.assert_allclose(
        residuals * model.residual_scale_, X - model.reconstruct(X), atol=1e-12
    )
    np.testing.assert_allclose(np.average(residuals**2, axis=0, weights=weight), 1)
    np.testing.assert_allclose(model.score_samples(X), -(residuals**2).mean(axis=1))
    assert np.average(model.score_samples(X), weights=weight) == pytest.approx(-1)
    np.testing.assert_array_equal(
        model.decision_function(X), model.score_samples(X) - model.offset_
    )
    np.testing.assert_array_equal(model.predict(X), np.where(model.decision_function(X) < 0, -1, 1))


def test_the_residuals_name_the_odd_column():
    X = rows(300)
    model = network(max_iter=200).fit(X)
    odd = X[:5].copy()
    odd[np.arange(5), np.arange(5)] += 6
    assert (np.abs(model.residuals(odd)).argmax(axis=1) == np.arange(5)).mean() >= 0.8
    assert (model.predict(odd) == -1).all()


def test_no_column_decides_by_its_scale_or_because_it_never_varied():
    X = np.hstack([rows(), np.full((120, 1), 3.0)])
    model = network(max_iter=200, init_output_bias="targets").fit(X)
    assert model.residual_scale_[6] >= 0.01 * np.sqrt(((X - model.reconstruct(X)) ** 2).mean())
    ours, wide = network(max_iter=60).fit(rows()), rows() * [1, 1, 1, 1, 1, 100]
    by_scale = network(max_iter=60).fit(wide)
    assert np.abs(by_scale.residuals(wide)).mean(axis=0).max() < 2
    assert ours.score_samples(rows()).mean() == pytest.approx(by_scale.score_samples(wide).mean())


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_a_share_of_the_training_rows_is_outliers(share):
    X = rows(200)
    model = network(contamination=share).fit(X)
    assert (model.predict(X) == -1).sum() == 200 * share
    assert (model.fit_predict(X) == -1).sum() == 200 * share
    tripled = network(contamination=share, batch_size="full").fit(X, sample_weight=np.full(200, 3))
    assert (tripled.predict(X) == -1).sum() == 200 * share


def test_auto_is_the_fence_of_a_box_plot():
    X = rows()
    model = network().fit(X)
    low, high = np.quantile(-model.score_samples(X), [0.25, 0.75], method="averaged_inverted_cdf")
    assert -model.offset_ == pytest.approx(high + 1.5 * (high - low), rel=1e-6)


def test_rows_of_minus_one_are_mirrored_at_the_centre():
    X = rows()
    y = np.where(np.arange(120) % 3, 1, -1)
    notes = StepNotes()
    model = network(batch_size="full", max_iter=2).set_callbacks(notes).fit(X, y)
    center = X[y > 0].mean(axis=0)
    np.testing.assert_allclose(model.center_, center, atol=1e-15)
    expected = np.where(y[:, None] > 0, X, 2 * center - X)
    np.testing.assert_allclose(notes.steps[0]["targets"], expected, atol=1e-15)
    np.testing.assert_allclose(np.sqrt((model.residuals(X[y > 0]) ** 2).mean(axis=0)), 1)


def test_counterexamples_help():
    """Two blobs that one code gives back: without rows of -1 nothing tells them apart."""
    X, labels = make_blobs(300, 4, centers=[[2, 2, 0, 0], [2, -2, 0, 0]], random_state=3)
    X, y = scale(X), np.where(labels == 0, 1, -1)
    train, test = slice(0, 200), slice(200, None)
    positives = X[train][y[train] > 0]
    alone = network((2,), max_iter=300).fit(positives)
    told = network((2,), max_iter=300).fit(X[train], y[train])
    by = [roc_auc_score(y[test], model.decision_function(X[test])) for model in (alone, told)]
    assert by[1] > max(by[0], 0.95)
    assert (told.predict(X[test]) == y[test]).mean() > 0.9


@pytest.mark.parametrize(
    "y",
    [np.arange(120) % 2, np.arange(120) % 3 - 1, ["a", "b"] * 60, np.ones(120), np.eye(120)[:, :2]],
    ids=["0 and 1", "three classes", "strings", "ones", "columns"],
)
def test_any_other_y_is_ignored(y):
    X = rows()
    np.testing.assert_array_equal(network().fit(X, y).params_, network().fit(X).params_)


def test_y_of_minus_one_alone_is_refused():
    with pytest.raises(ValueError, match="no row is left to reproduce"):
        network().fit(rows(20), -np.ones(20))


def test_y_of_another_length_and_weights_of_zero_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        network().fit(rows(20), np.ones(19))
    y = np.where(np.arange(20) % 2, 1, -1)
    with pytest.raises(ValueError, match="0 for every row to recognise"):
        network().fit(rows(20), y, sample_weight=y < 0)


def test_a_warning_of_nothing_learned_speaks_of_the_columns():
    X = np.random.default_rng(0).standard_normal((200, 8))
    with pytest.warns(ConvergenceWarning, match="the columns of X have nothing in common, there"):
        network((1,), alpha=1e3, max_iter=5).fit(X)


def test_frames_and_names_of_codes():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=list("abcdef"))
    model = network().set_output(transform="pandas").fit(frame)
    assert list(model.transform(frame).columns) == list(model.get_feature_names_out())
    assert list(model.feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_train_as_dense_ones(dtype):
    X = random_array((90, 12), density=0.3, rng=np.random.default_rng(0), format="csr")
    X = csr_array(X.astype(dtype))
    sparse, dense = network().fit(X), network().fit(X.toarray())
    tolerance = {np.float64: 1e-9, np.float32: 1e-3}[dtype]
    np.testing.assert_allclose(sparse.params_, dense.params_, rtol=tolerance, atol=tolerance)
    for method in ("transform", "reconstruct", "residuals", "score_samples"):
        found, expected = (getattr(m, method)(x) for m, x in ((sparse, X), (dense, X.toarray())))
        np.testing.assert_allclose(found, expected, rtol=1e2 * tolerance, atol=1e2 * tolerance)
    with pytest.raises(ValueError, match=r"mirror image of a sparse row is not sparse"):
        network().fit(X, np.where(np.arange(90) % 2, 1, -1))


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson"])
def test_other_losses_take_sparse_rows_too(loss):
    X = random_array((60, 8), density=0.3, rng=np.random.default_rng(0), format="csr")
    model = network(loss=loss, init_output_bias="targets", max_iter=5).fit(csr_array(X))
    dense = network(loss=loss, init_output_bias="targets", max_iter=5).fit(X.toarray())
    np.testing.assert_allclose(model.params_, dense.params_, rtol=1e-9, atol=1e-9)


def test_a_pipeline_with_class_labels_classifies_codes():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(
        StandardScaler(),
        BackpropAutoencoder((20,), "tanh", update_rule=Adam(0.01), max_iter=20, random_state=0),
        LogisticRegression(max_iter=500),
    )
    assert model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.85


def test_a_search_scores_by_signs_or_by_the_copies():
    X, labels = make_blobs(200, 5, centers=2, random_state=3)
    y = np.where(labels == 0, 1, -1)
    assert is_outlier_detector(network())
    scores = cross_val_score(network((2,), max_iter=100), scale(X), y, scoring="roc_auc", cv=3)
    assert scores.min() > 0.9
    search = GridSearchCV(network(max_iter=100), {"hidden_layer_sizes": [(1,), (3,)]}, cv=3)
    search.fit(rows())
    assert search.best_params_ == {"hidden_layer_sizes": (3,)}
    best, X = search.best_estimator_, rows(seed=5)
    lost = ((X - best.reconstruct(X)) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
    assert best.score(X) == pytest.approx(1 - lost)


def test_validation_rows_need_no_signs_and_may_have_them():
    X = rows()
    model = network(early_stopping=True, max_iter=40).fit(X[:90], X_val=X[90:])
    assert model.best_validation_score_ == pytest.approx(model.score(X[90:]))
    y = np.where(np.arange(120) % 4, 1, -1)
    by_signs = network(early_stopping=True, scoring="roc_auc", max_iter=20).fit(X, y)
    assert 0 <= by_signs.best_validation_score_ <= 1
    given = network(early_stopping=True, scoring="roc_auc", max_iter=20)
    given.fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert given.best_validation_score_ == pytest.approx(
        roc_auc_score(y[90:], given.decision_function(X[90:]))
    )
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        network().fit(X, y_val=y)


def test_sparse_rows_are_validated_as_dense_ones():
    X = random_array((90, 12), density=0.3, rng=np.random.default_rng(0), format="csr")
    common = {"early_stopping": True, "max_iter": 15}
    sparse, dense = (network(**common).fit(x) for x in (csr_array(X), X.toarray()))
    np.testing.assert_allclose(sparse.validation_scores_, dense.validation_scores_, rtol=1e-9)
    np.testing.assert_allclose(
        sparse.validation_loss_curve_, dense.validation_loss_curve_, rtol=1e-9
    )


def test_derivatives_go_through_the_copies():
    X, y = rows(), np.where(np.arange(120) % 4, 1, -1)
    model, h = network().fit(X, y), 1e-6
    found = jacobian(model, X[:3])
    for column in range(6):
        ahead, behind = X[:3].copy(), X[:3].copy()
        ahead[:, column] += h
        behind[:, column] -= h
        expected = (model.reconstruct(ahead) - model.reconstruct(behind)) / (2 * h)
        np.testing.assert_allclose(found[:, :, column], expected, atol=1e-8)
    of_loss = input_gradients(model, X, y)  # with the targets of a training
    targets = np.where(y[:, None] > 0, X, 2 * model.center_ - X)
    expected = np.einsum("noi,no->ni", jacobian(model, X), model.reconstruct(X) - targets)
    np.testing.assert_allclose(of_loss, expected, atol=1e-10)


def test_calls_go_on_as_one_fit():
    X, y = rows(), np.where(np.arange(120) % 4, 1, -1)
    whole, parts = network(max_iter=8).fit(X, y), network(max_iter=8)
    for _ in range(8):
        parts.partial_fit(X, y)
    warm = network(max_iter=4, warm_start=True).fit(X, y).fit(X, y)
    for model in (parts, warm):
        np.testing.assert_array_equal(model.params_, whole.params_)
        np.testing.assert_array_equal(model.residual_scale_, whole.residual_scale_)
        assert model.offset_ == whole.offset_
    parts.partial_fit(X[:50])
    np.testing.assert_array_equal(parts.center_, whole.center_)
    assert not hasattr(network(update_rule="lbfgs"), "partial_fit")


def test_a_killed_training_goes_on(tmp_path):
    X = rows()
    whole = network(max_iter=12).fit(X)
    with pytest.raises(Killed):
        network(max_iter=12).set_callbacks(Checkpoint(tmp_path), KillAfter(5)).fit(X)
    resumed = network(max_iter=12).set_callbacks(Checkpoint(tmp_path)).fit(X)
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.offset_ == whole.offset_


def test_traces_teach_rules_that_train_it():
    X = rows()
    recorder = TraceRecorder()
    network(update_rule=SGD(0.1)).set_callbacks(recorder).fit(X)
    rule = LearnedUpdateRule(random_state=0).fit(recorder.trace_)
    learned = network(update_rule=rule, max_iter=60).fit(X)
    pretrained = network(update_rule=load_pretrained(), max_iter=60).fit(X)
    start = network(max_iter=1, update_rule=SGD(1e-9)).fit(X)
    for model in (learned, pretrained):
        assert model.loss_ < 0.8 * start.loss_


def test_callbacks_see_a_fitted_detector():
    X, notes = rows(), Notes()
    model = network(max_iter=3).set_callbacks(notes, EarlyStopping("loss")).fit(X)
    seen = [(fitted, given) for fitted, given, y in notes.fitted if fitted is not None]
    assert len(seen) == 4
    for fitted, given in seen:
        assert set(fitted.predict(given)) <= {-1, 1}
    np.testing.assert_array_equal(seen[-1][0].decision_function(X), model.decision_function(X))


def test_noise_and_dropout_denoise():
    """A wide code copies its input; with noise it has to use what the columns have in common."""
    X, fresh = rows(300, 12, seed=1), rows(300, 12, seed=2)
    rng = np.random.default_rng(3)
    noisy = fresh + 0.5 * rng.standard_normal(fresh.shape)
    common = {"sizes": (24,), "max_iter": 300, "update_rule": Adam(0.005)}
    plain, denoising = network(**common).fit(X), network(**common, input_noise=0.5).fit(X)
    left = [((model.reconstruct(noisy) - fresh) ** 2).mean() for model in (plain, denoising)]
    assert left[1] < 0.7 * left[0]


def test_pickles_and_clones():
    X = rows()
    model = network().fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(clone(model).fit(X).params_, model.params_)
    model.coefs_[0][...] = 0
    assert np.ptp(model.transform(X), axis=0).max() == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_sizes": ()}, "an autoencoder needs a hidden layer"),
        ({"contamination": 0.0}, "'contamination' parameter"),
        ({"contamination": 0.6}, "'contamination' parameter"),
        ({"contamination": "few"}, "'contamination' parameter"),
        ({"loss": "log_loss"}, "'loss' parameter"),
        ({"loss": "poisson"}, "X must not be negative"),
    ],
)
def test_impossible_parameters_are_refused(params, message):
    model = network().set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(rows(20))
    assert not hasattr(model, "params_")


def test_a_mirror_image_that_the_loss_does_not_allow_is_named():
    X = np.abs(rows(20))
    X[0] = 10 * X.max()
    y = np.where(np.arange(20) == 0, -1, 1)
    with pytest.raises(ValueError, match="the mirror image of a row of y = -1 must not be"):
        network(loss="poisson").fit(X, y)


def test_a_sparse_matrix_of_zeros_is_given_back():
    X = csr_array((20, 4))
    with pytest.warns(ConvergenceWarning):
        model = network((2,), max_iter=2).fit(X)
    assert model.score_samples(X).shape == (20,)


def test_gradients_go_through_copies_and_mirror_images():
    """The loss by its definition, against central differences."""
    X, y = rows(15), np.where(np.arange(15) % 3, 1, -1)
    notes = StepNotes()
    model = network((2,), batch_size="full", max_iter=1, alpha=0.0).set_callbacks(notes).fit(X, y)
    step, sizes = notes.steps[0], model.layout_.layer_sizes
    targets = np.where(y[:, None] > 0, X, 2 * X[y > 0].mean(axis=0) - X)

    def loss(params):
        x, start = X, 0
        starts = [a * b for a, b in pairwise(sizes)]
        biases = sum(starts)
        for layer, (a, b) in enumerate(pairwise(sizes)):
            x = x @ params[start : start + a * b].reshape(a, b) + params[biases : biases + b]
            start, biases = start + a * b, biases + b
            x = np.tanh(x) if layer == 0 else x
        return ((x - targets) ** 2).sum() / (2 * len(X))

    found = np.array(
        [
            (loss(step["params"] + h) - loss(step["params"] - h)) / 2e-6
            for h in 1e-6 * np.eye(len(step["params"]))
        ]
    )
    np.testing.assert_allclose(step["gradients"], found, atol=1e-8)
