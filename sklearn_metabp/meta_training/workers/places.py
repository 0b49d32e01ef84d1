"""The number of jobs that a cluster is given at the same time."""

# An adaptive cluster grows by the number of jobs that wait.
_MIN_PLACES = 64


def count_places(n_jobs: int | None, n_cores: int, timeout: float | None) -> int:
    """Return how many jobs to give to a cluster at the same time.

    Parameters
    ----------
    n_jobs : int or None
        The requested number; negative or None for that of the cluster.
    n_cores : int
        Number of jobs that the cluster runs at the same time.
    timeout : float or None
        The limit in time of a job, if there is one.
    """
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    if timeout is not None:
        return max(n_cores, 1)  # a job that waits must not count as one that hangs
    return max(2 * n_cores, _MIN_PLACES)
