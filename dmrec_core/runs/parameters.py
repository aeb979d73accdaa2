"""A notebook's parameters held against the table of ranges, by `notebook.begin` and, before it, by `figures`."""

from __future__ import annotations

from collections.abc import Mapping

from dmrec_core.matching import DEFAULT_STRATEGY, STRATEGIES, VARIANTS, strategy_of
from dmrec_core.records.ranges import checked, known, short, whole
from dmrec_core.training.evaluate import metric_names

NAMES = {"strategy": tuple(STRATEGIES), "variant": VARIANTS, "metric": metric_names()}  # a run measures these alone
MAY_BE_NONE = "patience", "tune"


def check_parameters(given: Mapping[str, object], **sizes: int) -> None:
    """Refuse a parameter outside its range, before anything is loaded or trained.

    Args:
        given: names and values; a name that the table does not know passes.
        sizes: how many there are of what a parameter numbers from 0: `user=600`.

    Raises:
        ValueError: the message names the parameter, its range and the value.

    Example:
        >>> check_parameters({"lam": 0.5, "user": 3}, user=40)
        >>> check_parameters({"user": 99999}, user=40)
        Traceback (most recent call last):
        ValueError: user must be a whole number from 0 to 39; got 99999
    """
    for name, value in given.items():
        if value is None and name in MAY_BE_NONE:
            continue
        if name in NAMES:
            known(name, value, NAMES[name])
        elif name == "tune" and not isinstance(value, bool):
            checked("lambdas", value if isinstance(value, list | tuple) else "")
        else:
            found = checked(name, value, whole(0, sizes[name] - 1) if name in sizes else None)
            if isinstance(found, int) and isinstance(value, float):  # the notebook goes on with what was given
                raise ValueError(f"{name} must be a whole number; got {short(value)}")
        if name in ("lam", "lambdas"):
            highest = strategy_of(DEFAULT_STRATEGY).highest_lam  # notebooks give one lambda to every strategy
            for lam in value if name == "lambdas" else [value]:
                if lam > highest:
                    raise ValueError(f"{name} must be from 0 to {highest:g}; got {short(lam)}")
