"""Several networks of one fit: the members of an ensemble."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_metabp.estimators._callbacks import MembersListener
from sklearn_metabp.estimators._fit import FitEnd
from sklearn_metabp.estimators._parameters import count_threads
from sklearn_metabp.estimators._rows import FitData
from sklearn_metabp.estimators._threads import side_by_side

# Fitted attributes that belong to one network.
OF_ONE_NETWORK = ("_params", "_params_checksum", "_training_state", "temperature_")
# Seeds are below this number, as those of scikit-learn's ensembles.
_SEEDS = np.iinfo(np.int32).max


def members_of(model: Any) -> list[Any]:
    """Return the networks of a fitted model: its members, or the model itself if it is one.

    ``members_`` never contains the model itself. Otherwise tools that visit the estimators in
    attributes would not end.
    """
    return model.members_ if model._members else [model]


def new_members(estimator: Any) -> list[Any]:
    """Return an estimator with one network and its own seed for every member.

    The seeds are ``check_random_state(random_state).randint(2**31 - 1, size=n_members)``, so an
    larger ensemble begins with the networks of a smaller one.
    """
    seeds = check_random_state(estimator.random_state).randint(_SEEDS, size=estimator.n_members)
    return [clone(estimator).set_params(n_members=1, random_state=int(seed)) for seed in seeds]


def members_to_continue(estimator: Any) -> list[Any]:
    """Return the fitted members, with the estimator's present parameters and their own seeds.

    Raises
    ------
    ValueError
        If their number is not ``n_members``.
    """
    members = members_of(estimator)
    if len(members) != estimator.n_members:
        raise ValueError(
            f"warm_start and partial_fit continue the networks of the last fit. Their number is "
            f"{len(members)}, but n_members={estimator.n_members} now. Set warm_start=False to "
            "start afresh."
        )
    return members


def update_members(estimator: Any, members: Sequence[Any]) -> None:
    """Give the members the parameters and callbacks of their ensemble, but not its seed."""
    for member in members:
        parameters = clone(estimator).get_params(deep=False)
        for name in ("n_members", "random_state"):
            del parameters[name]
        member.set_params(**parameters).set_callbacks(*getattr(estimator, "_skl_callbacks", ()))


def train_members(
    estimator: Any, members: Sequence[Any], data: FitData, *, continues: bool, incremental: bool
) -> list[FitEnd]:
    """Train every member on rows that the estimator has checked. Return the ends of the trainings.

    Every member takes the steps of a fit of one network. With ``n_threads`` they run in parallel,
    unless callbacks or ``verbose`` need one after another. After Ctrl-C no other member begins.
    """
    listener = MembersListener(estimator, "partial_fit" if incremental else "fit", members, data)
    n_threads = count_threads(estimator.n_threads)
    n_workers = min(n_threads, len(members))
    if listener.is_heard or estimator.verbose:
        n_workers = 1
    facts = {name: vars(estimator).get(name) for name in ("n_features_in_", "feature_names_in_")}

    def train_one(number: int) -> FitEnd:
        member = members[number]
        if estimator.verbose:
            print(f"Member {number} of {len(members)}")
        for name, value in facts.items():
            if value is not None:
                setattr(member, name, value)
        member.n_threads = n_threads // n_workers
        try:
            with listener.task_of(member):
                return member._fit_member(data, continues=continues, incremental=incremental)
        except Exception as error:
            error.add_note(
                f"This is member {number} of {len(members)}, with "
                f"random_state={member.random_state}."
            )
            raise
        finally:
            member.n_threads = estimator.n_threads

    ends = side_by_side(train_one, len(members), n_workers, until=lambda end: end.interrupted)
    listener.fit_ends()
    return ends


def fitted_members(members: Sequence[Any]) -> list[Any]:
    """Return the members that have been trained. After Ctrl-C these are not all members."""
    fitted = [member for member in members if member.__sklearn_is_fitted__()]
    return [member for member in fitted if member.n_iter_] or fitted[:1]


def attributes_of_ensemble(members: Sequence[Any], end: FitEnd) -> dict[str, Any]:
    """Return the fitted attributes of an ensemble: those that all members have in common."""
    common = {name: value for name, value in end.attributes.items() if name not in OF_ONE_NETWORK}
    return common | {
        "_members": list(members),
        "n_iter_": max(member.n_iter_ for member in members),
        "t_": sum(member.t_ for member in members),
    }


def message_of_ensemble(ends: Sequence[FitEnd]) -> str | None:
    """Return one text for the warnings of all members, or None: the first of them."""
    numbers = [number for number, end in enumerate(ends) if end.message]
    if not numbers:
        return None
    first = numbers[0]
    return (
        f"{len(numbers)} of {len(ends)} members have a warning. The warning of member {first} is: "
        f"{ends[first].message}"
    )


@contextmanager
def as_before_on_error(members: Sequence[Any]) -> Iterator[None]:
    """Restore the attributes of estimators if an error comes later."""
    before = [dict(vars(member)) for member in members]
    try:
        yield
    except BaseException:
        for member, attributes in zip(members, before, strict=True):
            vars(member).clear()
            vars(member).update(attributes)
        raise
