"""
The reason why a training failed
================================

Find out why a training failed, and what to change. A loss curve shows that a training
went wrong. A :class:`~sklearn_metabp.TrainingDoctor` finds the reason in the steps that
it looked at. The network of this example has two hidden layers, and its learning rate
is too high.
"""

# %%
# The training
# ------------

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_metabp import SGD, BackpropMLPClassifier, TrainingDoctor
from sklearn_metabp.plotting import DiagnosisDisplay, figure_style

plt.style.use(figure_style())

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

network = BackpropMLPClassifier(
    (40, 40), batch_size=32, max_iter=30, n_iter_no_change=float("inf"), random_state=0
)


def train(rate):
    """Train with a learning rate under a doctor, which is returned."""
    doctor = TrainingDoctor()
    network.set_params(update_rule=SGD(rate)).set_callbacks(doctor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the doctor says more
        network.fit(X_train, y_train)
    print(f"SGD({rate}): accuracy {network.score(X_test, y_test):.3f}\n")
    print(doctor.diagnosis_)
    return doctor


doctor = train(4.0)

# %%
# :class:`~sklearn_metabp.plotting.DiagnosisDisplay` draws the numbers behind the
# verdict. Steps of more than twice the way to the minimum make the loss rise. Within
# six steps most neurons of both layers have lost their slope, and by step 129 nearly
# all. No gradient reaches them any more, so lower rates later on would not help. A
# dashed line marks where a problem began.

display = DiagnosisDisplay.from_diagnosis(doctor)
display.figure_.suptitle("Steps are too long: the neurons lose their slope")

# %%
# After the advice
# ----------------
#
# The verdict gives the factor by which the rate was too high.

times = doctor.diagnosis_.findings[0].value
doctor = train(round(4.0 / times, 2))

# %%
# The first steps are short of the minimum, the loss falls, and four neurons of five
# keep their slope. Later lengths scatter, because in single batches little is left but
# noise.

# sphinx_gallery_thumbnail_number = 1
display = DiagnosisDisplay.from_diagnosis(doctor)
display.figure_.suptitle(
    "After the advice the loss falls, and most neurons keep their slope"
)
plt.show()
