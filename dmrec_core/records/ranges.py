"""What a setting may be: its type and its range, in one table that specs, notebooks and commands all go through."""

from __future__ import annotations

import difflib
import math
import numbers
import reprlib
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """What values a setting takes.

    Args:
        read: the value as a plain Python one, or None where it is no such value.
        said: the range in words, after "must be".
    """

    read: Callable[[object], object | None]
    said: str


def whole(low: int, high: int = 2**63 - 1) -> Range:
    """A whole number; numpy's and a float without a fraction count, a truth value does not."""

    def read(value: object) -> int | None:
        number = _plain(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or number != number // 1:
            return None
        return int(number) if low <= number <= high else None

    return Range(
        read, f"a whole number, {low} or more" if high == 2**63 - 1 else f"a whole number from {low} to {high}"
    )


def real(low: float = 0.0, high: float = math.inf, *, above: bool = False, below: bool = False) -> Range:
    """A finite number in [low, high]; `above` and `below` leave the bound itself out."""

    def read(value: object) -> float | None:
        number = _plain(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            return None
        inside = (low < number or (low == number and not above)) and (number < high or (number == high and not below))
        return float(number) if inside else None

    upper = "" if high == math.inf else f" and {'below' if below else 'at most'} {high:g}"
    return Range(read, f"a number {'above' if above else 'of at least'} {low:g}{upper}")


def several(of: Range) -> Range:
    """A list of such values, at least one."""

    def read(value: object) -> list | None:
        values = value if isinstance(value, list | tuple | range) else _plain(value)
        found = [of.read(one) for one in values] if isinstance(values, list | tuple | range) else []
        return None if not found or None in found else found

    return Range(read, f"a list of at least one, each {of.said}")


def _one_of(*choices: object) -> Range:
    """One of these values."""
    return Range(lambda value: value if value in choices else None, f"one of {', '.join(map(repr, choices))}")


def _plain(value: object) -> object:
    """numpy's scalars, and arrays or tensors of one number, as Python's own."""
    if isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "item"):
        try:
            return value.item()
        except (ValueError, RuntimeError):  # more than one number
            return value
    return float(value) if isinstance(value, numbers.Real) else value


SHARE = real(0, 1)
WEIGHT = real(0)
POSITIVE = real(0, above=True)
COUNT = whole(1)
SWITCH = Range(lambda value: bool(_plain(value)) if isinstance(_plain(value), bool) else None, "True or False")

RANGES: dict[str, Range] = {
    # a run
    "seed": whole(0),
    "first_seed": whole(0),
    "seeds": COUNT,
    "lam": WEIGHT,
    "kl_weight": WEIGHT,
    "hidden": COUNT,
    "latent": COUNT,
    "dropout": real(0, 1, below=True),
    "aggregate": SWITCH,
    # its training
    "epochs": COUNT,
    "batch_size": COUNT,
    "learning_rate": POSITIVE,
    "weight_decay": WEIGHT,
    "evaluate_every": COUNT,
    "patience": COUNT,
    "precision": _one_of("float32", "bf16"),
    # a model's own
    "divide_kl_by_batch": SWITCH,
    "sample_at_test": SWITCH,
    "diffusion_weight": WEIGHT,
    "steps": COUNT,
    "noise_scale": WEIGHT,
    "noise_min": WEIGHT,
    "noise_max": WEIGHT,
    "reweight": SWITCH,
    "halved": SWITCH,
    "sampling_steps": whole(0),
    "denoiser_hidden": COUNT,
    "denoiser_learning_rate": POSITIVE,
    "bounded": SWITCH,
    "items_at_once": COUNT,
    "draws": COUNT,
    "clusters": COUNT,
    "item_vectors": _one_of("", "lightgcn", "semantic"),
    "layers": whole(0),
    "edge_dropout": real(0, 1, below=True),
    "reg_weight": WEIGHT,
    "contrast_weight": WEIGHT,
    "reconstruction_weight": WEIGHT,
    "temperature": POSITIVE,
    "mask_ratio": SHARE,
    "shared_experts": COUNT,
    "specific_experts": COUNT,
    "expert_hidden": COUNT,
    "project": SWITCH,
    "profile_weight": WEIGHT,
    "attribute_weight": WEIGHT,
    "side_weight": WEIGHT,
    "edge_share": SHARE,
    "prune_rate": real(0, 1, below=True),
    "mask_rate": SHARE,
    "decoder_learning_rate": POSITIVE,
    "pool": whole(2),
    "multiplier": POSITIVE,
    "n_negatives": COUNT,
    "cosine_score": SWITCH,
    "text_weight": WEIGHT,
    "shrinkage": WEIGHT,
    "neighbours": COUNT,
    "l2": POSITIVE,
    "k": COUNT,
    "filter_weight": WEIGHT,
    "unobserved": POSITIVE,
    "reg": POSITIVE,
    "sweeps": COUNT,
    "l2_text": POSITIVE,
    "distillation": WEIGHT,
    # toy's
    "noise": SHARE,
    "n_users": whole(2),
    "n_items": whole(2),
    # asking, measuring, showing
    "concurrency": whole(1, 1024),
    "timeout": POSITIVE,
    "workers": COUNT,
    "threads": COUNT,
    "n": COUNT,
    "n_groups": COUNT,
    "alpha": SHARE,
    # a notebook's
    "users_shown": COUNT,
    "lambdas": several(WEIGHT),
    "noise_shares": several(SHARE),
    "count_on": _one_of("train", "train+test"),
    "quirks": SWITCH,
    "readings": SWITCH,
    "other_embedders": Range(
        lambda value: value if isinstance(value, list) and all(isinstance(one, str) for one in value) else None,
        "a list of embedders' names",
    ),
}


def checked(name: str, value: object, allowed: Range | None = None) -> object:
    """The value of a setting as a plain Python one.

    Args:
        name: a key of `RANGES`; what is not in the table passes as it is.
        value: as given: numpy's scalars are welcome.
        allowed: the range, where only the data say it.

    Raises:
        ValueError: the message names the setting, its range and the value.

    Example:
        >>> import numpy as np
        >>> checked("seed", np.int64(7)), checked("epochs", 150.0)
        (7, 150)
        >>> checked("dropout", 2)
        Traceback (most recent call last):
        ValueError: dropout must be a number of at least 0 and below 1; got 2
    """
    allowed = allowed or RANGES.get(name)
    if allowed is None:
        return value
    found = allowed.read(value)
    if found is None:
        raise ValueError(f"{name} must be {allowed.said}; got {short(value)}")
    return found


def known(name: str, value: str, choices: Collection[str]) -> str:
    """A value that must be one of some names.

    Raises:
        ValueError: the message names the choices, and the nearest.

    Example:
        >>> known("model", "cvgae", ["cvga", "kar"])
        Traceback (most recent call last):
        ValueError: model must be one of 'cvga', 'kar'; got 'cvgae'. Did you mean 'cvga'?
    """
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {short(value)}{hint}")


def _is_huge(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() > 1024  # Python refuses to spell out much longer ones


def _shortened() -> reprlib.Repr:
    cutter = reprlib.Repr()
    cutter.maxlevel, cutter.maxstring, cutter.maxother = 3, 400, 400
    cutter.maxtuple = cutter.maxlist = cutter.maxdict = cutter.maxset = cutter.maxfrozenset = 20
    cutter.repr_int = lambda value, _: "…" if _is_huge(value) else repr(value)
    return cutter


_SHORTENED = _shortened()


def short(value: object, longest: int = 80) -> str:
    """What was given, for a message: its repr, cut; and cut while it is made, however large the value.

    Example:
        >>> short(10**5000), short(["tea"] * 1000, longest=20)
        ('an int of 16610 bits', "['tea', 'tea', 'tea…")
    """
    text = f"an int of {value.bit_length()} bits" if _is_huge(value) else _SHORTENED.repr(value)
    return cut(text, longest)


def cut(value: object, longest: int = 80) -> str:
    """A value as a message quotes it: its text, no longer than this.

    Example:
        >>> cut("tea-01"), cut("x" * 1000, longest=5)
        ('tea-01', 'xxxx…')
    """
    text = str(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
