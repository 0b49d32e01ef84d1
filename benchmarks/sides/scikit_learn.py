"""scikit-learn's MLPClassifier: a whole fit, its checks and set-up included."""

from sklearn.neural_network import MLPClassifier


def prepare(work):
    def fit():
        model = MLPClassifier(alpha=work.alpha, **work.workload.params())
        model.fit(work.X, work.y)
        return list(zip(model.coefs_, model.intercepts_, strict=True))

    return fit
