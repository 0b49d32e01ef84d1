"""Jobs on processes that die, hang and vanish: all results, in order, or an error with a name."""

from itertools import pairwise

import joblib
import pytest
from helpers.clusters import CLUSTERS, STARTS, dask_cluster, needs_dask
from helpers.jobs import (
    die,
    hang,
    jobs_of,
    raise_error,
    raise_timeout,
    signal_once,
    span,
    square,
)

from sklearn_metabp.meta_training import ClusterLostError, LostJobError
from sklearn_metabp.meta_training.workers import Job, run, run_jobs
from sklearn_metabp.meta_training.workers.jobs import DIED, Done, Workers, late

SQUARES = [number**2 for number in range(8)]
# What distributed and Ray warn about while their processes end is not about this package.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request):
    """Each backend with two processes, which have run jobs before."""
    with STARTS[request.param]() as client:
        assert run_jobs(jobs_of(square, 8)) == SQUARES
        yield client


class Scripted(Workers):
    """Workers that end jobs as a script says: a list of waves, each a dict by number."""

    n_tries_alone = 2

    def __init__(self, *waves):
        self.waves, self.given = list(waves), []

    def run(self, jobs, timeout):
        self.given.append(([number for number, _ in jobs], timeout))
        yield from self.waves.pop(0).items()


def scripted(monkeypatch, *waves):
    workers = Scripted(*waves)
    monkeypatch.setattr(run, "_find_workers", lambda n_jobs: workers)
    return workers


def test_a_lost_job_runs_again_alone_and_the_others_go_on(monkeypatch):
    # The first wave breaks with jobs 1 and 2 begun; nothing is said about 3.
    waves = {0: Done("a"), 1: DIED, 2: DIED}, {3: Done("d")}, {0: Done("b")}, {0: Done("c")}
    workers = scripted(monkeypatch, *waves)
    assert run_jobs(jobs_of(square, 4)) == ["a", "b", "c", "d"]
    assert workers.given == [([0, 1, 2, 3], None), ([3], None), ([0], None), ([0], None)]


def test_processes_have_started_when_a_job_runs_again_with_a_timeout(monkeypatch):
    workers = scripted(monkeypatch, {0: late(3)}, {0: Done(None), 1: DIED}, {0: Done("a")})
    assert run_jobs(jobs_of(square, 1), timeout=3) == ["a"]
    assert workers.given == [([0], 3), (list(range(16)), 120), ([0], 3)]


def test_a_job_is_blamed_when_it_was_lost_alone(monkeypatch):
    waves = {0: DIED, 1: DIED}, {0: DIED}, {0: Done("a")}, {0: DIED}, {0: late(5)}
    workers = scripted(monkeypatch, *waves)
    with pytest.raises(LostJobError, match=r"^job 1 was given up.*did not end within 5 seconds"):
        run_jobs(jobs_of(square, 2))
    assert len(workers.given) == 5


@pytest.mark.parametrize("backend", ["sequential", "threading", "multiprocessing"])
def test_results_are_in_the_order_of_the_jobs(backend):
    with joblib.parallel_config(backend):
        assert run_jobs(jobs_of(square, 8), n_jobs=2, timeout=60) == SQUARES
        assert run_jobs([], n_jobs=2) == []
        with pytest.raises(TimeoutError, match="of the job"):
            run_jobs(jobs_of(raise_timeout, 2), n_jobs=2)


@pytest.mark.parametrize(
    ("backend", "n_jobs"),
    [("sequential", 2), ("threading", 2), ("loky", 1), ("loky", None), ("multiprocessing", 1)],
)
@pytest.mark.filterwarnings("error")
def test_nobody_warns_of_a_timeout_that_does_not_apply(backend, n_jobs):
    with joblib.parallel_config(backend):
        assert run_jobs(jobs_of(square, 2), n_jobs=n_jobs, timeout=0.001) == [0, 1]


def test_results_of_processes_are_in_the_order_of_the_jobs(cluster):
    assert run_jobs(jobs_of(square, 8)) == run_jobs(jobs_of(square, 8), timeout=60) == SQUARES
    assert run_jobs([]) == []


def test_an_error_of_a_job_is_raised(cluster):
    with pytest.raises(ValueError, match="three"):
        run_jobs(jobs_of(raise_error, 8))
    with pytest.raises(TimeoutError, match="of the job"):
        run_jobs(jobs_of(raise_timeout, 2), timeout=60)


def test_no_more_jobs_run_at_once_than_asked_for(cluster):
    spans = sorted(run_jobs(jobs_of(span, 5), n_jobs=1))
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_job_whose_process_is_killed_runs_again(cluster, tmp_path):
    jobs = jobs_of(signal_once, 8, "SIGKILL", str(tmp_path / "done"))
    assert run_jobs(jobs) == SQUARES
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_a_job_whose_process_stops_runs_again_in_another(cluster, tmp_path):
    jobs = jobs_of(signal_once, 8, "SIGSTOP", str(tmp_path / "done"))
    assert run_jobs(jobs, timeout=8) == SQUARES
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_a_job_that_hangs_is_named(cluster):
    with pytest.raises(LostJobError, match=r"^job 0 was given up.*did not end within 2 seconds"):
        run_jobs(jobs_of(hang, 1), timeout=2)
    assert run_jobs(jobs_of(square, 8)) == SQUARES


@pytest.mark.slow
def test_a_job_that_always_dies_is_named(cluster):
    with pytest.raises(LostJobError, match=r"^job 0 was given up.*its worker process ended"):
        run_jobs(jobs_of(die, 4))
    assert run_jobs(jobs_of(square, 8)) == SQUARES


@needs_dask
def test_a_cluster_without_workers_is_an_error(monkeypatch):
    from sklearn_metabp.meta_training.workers import dask_workers

    monkeypatch.setattr(dask_workers, "_RESTART_SECONDS", 0.0)
    monkeypatch.setattr(dask_workers, "_CHECK_SECONDS", 0.2)
    with (
        dask_cluster(n_workers=0, max_seconds_without=1),
        pytest.raises(ClusterLostError, match=r"no worker for \d seconds, with 2 jobs"),
    ):
        run_jobs([Job("one", square, (1,)), Job("two", square, (2,))])
