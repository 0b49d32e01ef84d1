"""
A search for an update rule on a Dask cluster
=============================================

Run a long search on many machines, and lose nothing if one of them fails.

A search by trial and error trains many networks. They run on any backend of joblib.
This script starts a Dask cluster of two processes on this machine. One of them is
killed on the way, and the result is identical nevertheless. The example needs Dask:
``pip install "sklearn-metabp[dask]"``.
"""

# %%
# The search
# ----------
# After three iterations a worker is killed: Dask starts a new one, and lost jobs run
# again.

import importlib.util
import os
import signal

import joblib
import matplotlib.pyplot as plt
import numpy as np

from sklearn_metabp import Adam, BackpropMLPRegressor, LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks
from sklearn_metabp.plotting import figure_style

plt.style.use(figure_style())


def kill_a_worker(fitted, row):
    """End a worker process after the third iteration."""
    if row["iteration"] == 3:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


rule = LearnedUpdateRule(BackpropMLPRegressor((4,), "tanh"), random_state=0)
rule = rule.initialize(normalizer="1", scale=0.01)
search = EvolutionSearch(
    rule,
    SyntheticTasks(0, horizon=(10, 30)),
    objective="fit",
    n_iterations=10,
    n_pairs=4,
    update_rule=Adam(0.05),
    timeout=120,
)

# %%
# On the cluster and in this process
# ----------------------------------
# ``parallel_config`` is all that a script needs. On real machines the client gets the
# address of a scheduler, ``Client("tcp://address:8786")``, and one thread for each
# worker is best. The objective of an iteration is noisy, because every iteration has
# other tasks.

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
    largest = np.abs(on_cluster - search.meta_params_).max()
    print(f"largest difference of the two results: {largest:g}")

    figure, ax = plt.subplots()
    ax.plot(search.history_["iteration"], search.history_["objective"], "o-")
    ax.set(xlabel="iteration", ylabel="objective: log of training losses")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title("The rule becomes better on the cluster, although a worker died")
    plt.show()
