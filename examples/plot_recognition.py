"""
A network that never saw a fault finds it
=========================================

Detect faults of a machine without examples of faults.

A classifier needs examples of every class. A machine that works gives few examples of
its faults, and none of the faults that it has not had yet.
:class:`~sklearn_metabp.BackpropAutoencoder` trains on healthy spectra alone: it learns
to give them back through a narrow layer. Spectra of another kind come back wrong. This
example compares both on simulated vibrations of a gearbox. N. Japkowicz, S. J. Hanson
and M. A. Gluck compared them on the gearbox of a helicopter. :doc:`/recognition` has
more data sets.
"""

# %%
# Vibrations
# ----------
# A pair of gears gives a tone and its overtones. The shaft modulates it a little, and
# the load changes the overtones from row to row. A cracked tooth modulates the tone
# more, which shows as side bands next to it. A worn bearing adds lines of its own. A
# row is the logarithm of the power in 32 bands of frequency.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import BackpropAutoencoder, BackpropMLPClassifier
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())

rng = np.random.default_rng(0)
MESH, SHAFT, BEARING = 81.0, 9.0, 23.0  # cycles in the window


def spectra(n, crack=0.0, wear=0.0):
    """Return spectra of n gearboxes, more modulated or with new lines."""
    t = np.arange(512) / 512

    def wave(frequency):
        return np.sin(2 * np.pi * (frequency * speed * t + rng.uniform(size=(n, 1))))

    load, speed = rng.uniform(0.5, 1, (n, 1)), rng.uniform(0.98, 1.02, (n, 1))
    envelope = 1 + (rng.uniform(0, 0.08, (n, 1)) + crack) * wave(SHAFT)
    signal = sum(load**k / k * envelope * wave(k * MESH) for k in (1, 2, 3))
    signal += wear * (wave(BEARING) + wave(2 * BEARING)) + 0.1 * rng.standard_normal(
        (n, 512)
    )
    power = np.abs(np.fft.rfft(signal * np.hanning(512))[:, 1:]) ** 2
    return np.log10(power.reshape(n, 32, -1).mean(axis=2))


healthy, test = spectra(300), {"healthy": spectra(300)}
cracked = spectra(64, crack=0.25)
test |= {"cracked": spectra(300, crack=0.25), "worn bearing": spectra(300, wear=0.06)}
scaler = StandardScaler().fit(healthy)

# %%
# Recognition or discrimination?
# ------------------------------
# The classifier gets all healthy spectra and some of cracked gears, with weights that
# make both classes count the same. The autoencoder gets the healthy ones alone. Both
# have one hidden layer of 16 neurons. The area under the ROC curve (AUC) is that of new
# healthy spectra against new cracked ones and against worn bearings, which neither of
# them has seen. One cracked gear is enough for the classifier to find others. It does
# not find worn bearings, however many cracked gears it has seen: it learned what a
# crack looks like, and not what a healthy gearbox looks like.

autoencoder = BackpropAutoencoder((16,), random_state=0).fit(scaler.transform(healthy))
numbers = [1, 2, 4, 8, 16, 32, 64]


def aucs(score):
    """Return the AUC of each fault, by scores of which a high one is healthy."""
    ok = score(scaler.transform(test["healthy"]))
    return {
        fault: roc_auc_score(
            np.repeat([1, 0], 300), np.append(ok, score(scaler.transform(X)))
        )
        for fault, X in test.items()
        if fault != "healthy"
    }


recognised = aucs(autoencoder.score_samples)
discriminated = []
for n in numbers:
    X = scaler.transform(np.vstack([healthy, cracked[:n]]))
    model = BackpropMLPClassifier(
        (16,),
        class_weight="balanced",
        alpha=1.0,
        batch_size=32,
        max_iter=100,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    model.fit(X, np.repeat([1, 0], [300, n]))
    discriminated.append(aucs(lambda rows, m=model: m.predict_proba(rows)[:, 1]))

figure, axes = plt.subplots(1, 2, figsize=(8.4, 4), sharey=True)
for ax, fault in zip(axes, recognised, strict=True):
    ax.axhline(
        recognised[fault], color="C0", linewidth=2.5, label="autoencoder: saw no fault"
    )
    of_classifier = [auc[fault] for auc in discriminated]
    ax.plot(
        numbers, of_classifier, "o--", color="C1", label="classifier: saw cracked gears"
    )
    ax.set_xscale("log", base=2)
    ax.set_xticks(numbers, [str(n) for n in numbers])
    ax.set_xlabel("cracked gears in the training of the classifier")
axes[0].set(title="Cracked gears: both find them", ylabel="AUC on new spectra")
axes[1].set(title="Worn bearings: only the autoencoder finds them")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %%
# Which bands are odd?
# --------------------
# ``residuals`` measures each column in units of its usual error. Its mean over cracked
# gears is large next to the tones of the gears, and that over worn bearings at the
# lines of the bearing: the residuals show where to look.

figure, ax = plt.subplots(figsize=(7, 3.9))
bands = np.arange(32) * 8 + 4.5
for fault, look in {"cracked": ("C1", "-"), "worn bearing": ("C2", "--")}.items():
    sizes = np.abs(autoencoder.residuals(scaler.transform(test[fault]))).mean(axis=0)
    ax.step(bands, sizes, where="mid", color=look[0], linestyle=look[1], label=fault)
tones = {"gear": [MESH, 2 * MESH, 3 * MESH], "bearing": [BEARING, 2 * BEARING]}
for name, frequencies in tones.items():
    for frequency in frequencies:
        ax.axvline(frequency, color="0.8", linewidth=1, linestyle="-", zorder=0)
        place = {
            "xycoords": ("data", "axes fraction"),
            "rotation": 90,
            "va": "top",
            "ha": "right",
        }
        ax.annotate(name, (frequency, 0.98), color="0.4", fontsize="small", **place)
ax.set(xlabel="frequency, cycles in the window", ylabel="mean size of the residual")
ax.set(ylim=(0.5, 4.6))  # room for the names of the tones
ax.set_title("Residuals are large at the tones of the part that fails")
figure.legend(loc="outside lower center", ncols=2)
plt.show()
