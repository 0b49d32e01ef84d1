"""Spectra of the vibrations of a simulated gearbox, healthy or with one of five faults.

Two pairs of gears mesh, each with a tone and its overtones, modulated a little by the turning of
the shaft. Load and speed vary. The faults are those of textbooks on vibration: a cracked tooth on
either gear modulates its mesh tone, which gives side bands at the distance of the shaft's
frequency; a bearing adds lines and their overtones; misalignment raises the second overtone;
imbalance adds a line at the shaft's frequency.
"""

import numpy as np

FAULTS = ("crack on gear 1", "crack on gear 2", "bearing", "misalignment", "imbalance")
_SAMPLES = 1024
_MESHES, _SHAFTS = (97.0, 163.0), (7.0, 11.0)  # cycles in the window
_OVERTONES = np.array([1.0, 0.5, 0.3])
_BANDS = 64


def vibrations(n: int, fault: str | None, seed: int, severity: float = 0.12) -> np.ndarray:
    """Return spectra of n gearboxes, (n, 64): logarithms of the power in bands of frequency.

    Parameters
    ----------
    n : int
    fault : str or None
        A name in ``FAULTS``; None is a healthy gearbox.
    seed : int
    severity : float, default=0.12
        Size of a fault, in amplitudes of a mesh tone. Every row has half of it to one and a half.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(_SAMPLES) / _SAMPLES
    load, speed = rng.uniform(0.5, 1.0, (n, 1)), rng.uniform(0.97, 1.03, (n, 1))
    size = severity * rng.uniform(0.5, 1.5, (n, 1)) if fault else np.zeros((n, 1))
    signal = 0.08 * rng.standard_normal((n, _SAMPLES))

    def wave(frequency: float) -> np.ndarray:
        turns = frequency * speed * t + rng.uniform(0, 1, (n, 1))
        return np.sin(2 * np.pi * turns)

    for gear, (mesh, shaft) in enumerate(zip(_MESHES, _SHAFTS, strict=True)):
        depth = rng.uniform(0.0, 0.06, (n, 1))
        depth = depth + 5 * size if fault == f"crack on gear {gear + 1}" else depth
        envelope = 1 + depth * wave(shaft)
        for overtone, height in enumerate(_OVERTONES, start=1):
            height = height * load**overtone  # a heavier load bends the teeth: other overtones
            if fault == "misalignment" and overtone == 2:
                height = height + 2 * size
            signal += height * envelope * wave(overtone * mesh)
    if fault == "bearing":
        for overtone in (1, 2, 3, 4):
            signal += size * wave(overtone * 31.7)
    if fault == "imbalance":
        signal += 2 * size * wave(_SHAFTS[0])
    power = np.abs(np.fft.rfft(signal * np.hanning(_SAMPLES))[:, 1:]) ** 2
    return np.log10(power.reshape(n, _BANDS, -1).mean(axis=2))
