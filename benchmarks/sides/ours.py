"""Our estimator: a whole fit, its checks and set-up included."""

from sklearn_metabp import BackpropMLPClassifier


def prepare(work):
    def fit():
        model = BackpropMLPClassifier(alpha=work.alpha, **work.workload.params())
        model.fit(work.X, work.y)
        return list(zip(model.coefs_, model.intercepts_, strict=True))

    return fit
