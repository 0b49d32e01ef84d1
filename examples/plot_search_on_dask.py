"""
A search for an update rule on a Dask cluster
=============================================

A search by trial and error trains many networks. They run on any backend of joblib: here on the
workers of a Dask cluster, which may be many machines. This script starts a cluster of two processes
on this machine. One of them is killed on the way, and the result has the same bits nevertheless.

It needs Dask: ``pip install "sklearn-metabp[dask]"``.
"""

# %%
# A cluster
# ---------
# On real machines the client gets the address of a scheduler: ``Client("tcp://address:8786")``. One
# thread a worker is best.

import importlib.util
import os
import signal

import joblib
import matplotlib.pyplot as plt
import numpy as np

from sklearn_metabp import Adam, BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks

# %%
# The search
# ----------
# After five iterations a worker is killed: Dask starts a new one, and lost jobs run again.


def kill_a_worker(fitted, row):
    """End a worker process after the fifth iteration."""
    if row["iteration"] == 5:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
rule = rule.initialize(normalizer="1", scale=0.01)
search = EvolutionSearch(
    rule,
    SyntheticTasks(0, horizon=(20, 60)),
    objective="fit",
    n_iterations=20,
    n_pairs=8,
    update_rule=Adam(0.05),
    timeout=120,
)

# %%
# On the cluster and in this process
# ----------------------------------
# ``parallel_config`` is all that a script needs. On real machines the client gets the address of a
# scheduler: ``Client("tcp://address:8786")``. The objective of an iteration is noisy, because every
# iteration has other tasks.

if importlib.util.find_spec("distributed") is None:
    print("This example needs Dask: pip install 'sklearn-metabp[dask]'")
elif __name__ == "__main__":  # worker processes import this script
    import dask
    from dask.distributed import Client

    # A busy machine may need longer than 15 seconds to start a worker again.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "120s"})
    with (
        Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client,
        joblib.parallel_config("dask"),
    ):
        on_cluster = search.set_params(callback=kill_a_worker).fit().meta_params_
    search.set_params(callback=None).fit()
    print("same bits:", np.array_equal(on_cluster, search.meta_params_))

    plt.plot(search.history_["iteration"], search.history_["objective"], "o-")
    plt.xlabel("iteration")
    plt.ylabel("objective: log of training losses")
    plt.show()
