"""How fast does a recurrent network train, beside PyTorch?

Both sides do the same work on one thread: the same sequences in the same batches from the same
start, forward, backward and a step of Adam for every batch. The losses of the last epoch are
printed, because they must be equal. The sides run in turns in one process, and the ratio is the
median of the ratios of their processor times.

    python benchmarks/recurrent_speed.py            # about a minute
    python benchmarks/recurrent_speed.py --turns 3 --only 8x20

A GRU of 8 or 64 neurons runs as ``torch.nn.GRU``, an Elman layer as ``torch.nn.RNN``.
"""

import argparse
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import warnings  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from sklearn_metabp import Adam, BackpropRNNRegressor  # noqa: E402

# Neurons, time steps, features, sequences of a batch, batches of an epoch.
SIZES = {"8x20": (8, 20, 2, 32, 8), "64x50": (64, 50, 8, 32, 4)}
RATE = 0.003


def ours(X, y, cell, n_states, batch_size, n_epochs):
    """Return a fitted model and the processor time of the fit."""
    model = BackpropRNNRegressor(
        n_states,
        cell,
        update_rule=Adam(RATE),
        alpha=0.0,
        batch_size=batch_size,
        shuffle=False,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    start = time.process_time()
    model.fit(X, y)
    return model, time.process_time() - start


def theirs(X, y, cell, n_states, batch_size, n_epochs):
    """Return the mean loss of the last epoch, and the processor time of the training."""
    start_of = BackpropRNNRegressor(
        n_states, cell, update_rule=Adam(1e-30), max_iter=1, random_state=0
    ).fit(X, y)
    W, R, V = (torch.tensor(one.T.copy()) for one in start_of.coefs_)
    theta, *phi, bias = (torch.tensor(one.copy()) for one in start_of.intercepts_)
    kind = torch.nn.RNN if cell == "elman" else torch.nn.GRU
    net = kind(X.shape[2], n_states, batch_first=True, dtype=W.dtype)
    out = torch.nn.Linear(n_states, 1, dtype=W.dtype)
    own = {
        net.weight_ih_l0: W,
        net.weight_hh_l0: R,
        net.bias_ih_l0: theta,
        net.bias_hh_l0: phi[0] if phi else torch.zeros_like(theta),
        out.weight: V,
        out.bias: bias,
    }
    with torch.no_grad():
        for parameter, value in own.items():
            parameter.copy_(value)
    if not phi:  # the second biases of torch.nn.RNN do nothing, and Adam would count them twice
        net.bias_hh_l0.requires_grad_(False)
    optimizer = torch.optim.Adam(
        [one for one in own if one.requires_grad], lr=RATE, eps=1e-8, foreach=True
    )
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    start = time.process_time()
    for _ in range(n_epochs):
        total = 0.0
        for at in range(0, len(X), batch_size):
            optimizer.zero_grad()
            states, _ = net(inputs[at : at + batch_size])
            errors = out(states[:, -1]) - targets[at : at + batch_size]
            loss = 0.5 * (errors**2).mean()
            loss.backward()
            optimizer.step()
            total += loss.item() * batch_size
    return total / len(X), time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--only", choices=SIZES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(
        "cell   size   dtype    ours ms/step  torch ms/step  torch/ours  losses of the last epoch"
    )
    for size, (n_states, n_timesteps, n_features, batch, n_batches) in SIZES.items():
        if options.only not in (None, size):
            continue
        for cell in ("elman", "gru"):
            for dtype in (np.float32, np.float64):
                rng = np.random.default_rng(0)
                X = rng.normal(size=(batch * n_batches, n_timesteps, n_features)).astype(dtype)
                y = X[:, :, 0].mean(axis=1)
                arguments = X, y, cell, n_states, batch, 3
                times = []
                for _ in range(options.turns):
                    model, mine = ours(*arguments)
                    loss, other = theirs(*arguments)
                    times.append((mine, other))
                mine, other = 1e3 * np.median(times, axis=0) / (3 * n_batches)
                ratio = np.median([b / a for a, b in times])
                print(
                    f"{cell:<6} {size:<6} {np.dtype(dtype).name:<8} {mine:12.3f} {other:14.3f} "
                    f"{ratio:11.1f}  {model.loss_:.6f} {loss:.6f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
