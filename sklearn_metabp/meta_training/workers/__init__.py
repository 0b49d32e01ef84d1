"""Jobs on workers: processes of this machine, or of a Dask or Ray cluster."""

from sklearn_metabp.meta_training.workers.jobs import ClusterLostError, Job, LostJobError
from sklearn_metabp.meta_training.workers.run import run_jobs

__all__ = ["ClusterLostError", "Job", "LostJobError", "run_jobs"]
