"""
A network that never saw a fault finds it
=========================================

A classifier needs examples of every class. Of a machine that works, nobody has many examples of its
faults, and none of the faults that it has not had yet.
:class:`~sklearn_metabp.BackpropAutoencoder` trains on healthy spectra alone: it learns to give them
back through a narrow layer. Spectra of another kind come back wrong. This example compares both on
simulated vibrations of a gearbox. The question is that of N. Japkowicz, S. J. Hanson and
M. A. Gluck, who asked it about the gearbox of a helicopter. :doc:`/recognition` has more sets.
"""

# %%
# Vibrations
# ----------
# A pair of gears gives a tone and its overtones. The shaft modulates it a little, and the load
# changes the overtones from row to row. A cracked tooth modulates the tone more, which shows as
# side bands next to it. A worn bearing adds lines of its own. A row is the logarithm of the power
# in 32 bands of frequency.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import BackpropAutoencoder, BackpropMLPClassifier

rng = np.random.default_rng(0)
MESH, SHAFT, BEARING = 81.0, 9.0, 23.0  # cycles in the window


def spectra(n, crack=0.0, wear=0.0):
    """Return spectra of n gearboxes, with a depth of modulation and a height of new lines."""
    t = np.arange(512) / 512

    def wave(frequency):
        return np.sin(2 * np.pi * (frequency * speed * t + rng.uniform(size=(n, 1))))

    load, speed = rng.uniform(0.5, 1, (n, 1)), rng.uniform(0.98, 1.02, (n, 1))
    envelope = 1 + (rng.uniform(0, 0.08, (n, 1)) + crack) * wave(SHAFT)
    signal = sum(load**k / k * envelope * wave(k * MESH) for k in (1, 2, 3))
    signal += wear * (wave(BEARING) + wave(2 * BEARING)) + 0.1 * rng.standard_normal((n, 512))
    power = np.abs(np.fft.rfft(signal * np.hanning(512))[:, 1:]) ** 2
    return np.log10(power.reshape(n, 32, -1).mean(axis=2))


healthy, test = spectra(300), {"healthy": spectra(300)}
cracked = spectra(64, crack=0.25)
test |= {"cracked": spectra(300, crack=0.25), "worn bearing": spectra(300, wear=0.06)}
scaler = StandardScaler().fit(healthy)

# %%
# Recognition or discrimination?
# ------------------------------
# The classifier gets all healthy spectra and some of cracked gears, with weights that make both
# classes count the same. The autoencoder gets the healthy ones alone. Both have one hidden layer of
# 16 neurons. The area under the ROC curve (AUC) is that of new healthy spectra against new cracked
# ones and against worn bearings, which neither of them has seen. One cracked gear is enough for the
# classifier to find others. It does not find worn bearings, however many cracked gears it has seen:
# it learned what a crack looks like, and not what a healthy gearbox looks like.

autoencoder = BackpropAutoencoder((16,), random_state=0).fit(scaler.transform(healthy))
numbers = [1, 2, 4, 8, 16, 32, 64]


def aucs(score):
    """Return the AUC of each fault, by scores of which a high one is healthy."""
    ok = score(scaler.transform(test["healthy"]))
    return {
        fault: roc_auc_score(np.repeat([1, 0], 300), np.append(ok, score(scaler.transform(X))))
        for fault, X in test.items()
        if fault != "healthy"
    }


recognised = aucs(autoencoder.score_samples)
discriminated = []
for n in numbers:
    X = scaler.transform(np.vstack([healthy, cracked[:n]]))
    model = BackpropMLPClassifier(
        (16,), class_weight="balanced", batch_size=32, max_iter=100, n_iter_no_change=100, tol=0,
        alpha=1.0, random_state=0,
    )  # fmt: skip
    model.fit(X, np.repeat([1, 0], [300, n]))
    discriminated.append(aucs(lambda rows, m=model: m.predict_proba(rows)[:, 1]))

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, fault in zip(axes, recognised, strict=True):
    ax.axhline(recognised[fault], color="#0072B2", lw=2.5, label="autoencoder: no fault seen")
    ax.plot(numbers, [auc[fault] for auc in discriminated], "o--", color="#D55E00", lw=2,
            label="classifier")  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks(numbers, [str(n) for n in numbers])
    ax.set_xlabel("cracked gears in the training")
axes[0].set_title("cracked gears, seen in the training")
axes[1].set_title("worn bearings, never seen")
axes[0].set_ylabel("AUC on new spectra")
axes[0].legend(loc="lower right")
figure.tight_layout()

# %%
# Which bands are odd?
# --------------------
# ``residuals`` measures each column in units of its usual error. Its mean over cracked gears is
# large next to the tones of the gears, and that over worn bearings at the lines of the bearing: the
# detector says where to look.

figure, ax = plt.subplots(figsize=(8, 3))
bands = np.arange(32) * 8 + 4.5
for fault, color, line in (("cracked", "#D55E00", "-"), ("worn bearing", "#009E73", "--")):
    sizes = np.abs(autoencoder.residuals(scaler.transform(test[fault]))).mean(axis=0)
    ax.step(bands, sizes, where="mid", color=color, ls=line, lw=2, label=fault)
for k in (1, 2, 3):
    ax.axvline(k * MESH, color="0.7", lw=1, zorder=0)
    ax.text(k * MESH, ax.get_ylim()[1], "gear", ha="center", va="bottom", fontsize=8, color="0.4")
for k in (1, 2):
    ax.text(k * BEARING, ax.get_ylim()[1], "bearing", ha="center", va="bottom", fontsize=8,
            color="#009E73")  # fmt: skip
ax.set_xlabel("frequency, cycles in the window")
ax.set_ylabel("mean size of the residual")
ax.legend()
figure.tight_layout()
plt.show()
