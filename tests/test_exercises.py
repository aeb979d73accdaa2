"""Every exercise takes its right answer, refuses a wrong one, and its worked solution is the right answer."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from dmrec_core import gaussian, language, notebook
from dmrec_core.exercises import EXERCISES

TEMPLATE = language.TEMPLATES["items"]


def _draw(heads, epsilon):
    mu, logvar = heads.chunk(2, -1)
    return mu + (0.5 * logvar).exp() * epsilon


def _first_end(sizes, groups):
    ends = np.unique(sizes)
    held = np.array([sizes[sizes <= end].sum() for end in ends])
    return ends[held >= sizes.sum() / groups][0]


def _noisy(w, g, rho):
    b = (1 - rho) * w + rho * np.linalg.norm(w) * g / np.linalg.norm(g)
    return b * np.linalg.norm(w) / np.linalg.norm(b)


JUDGED = {  # the right answer, and one a reader may give
    "00.1": (0.25, 0.05),
    "00.2": ("language", "collaborative"),
    "01.1": (0.5, 0.75),
    "01.2": (0.0204, 0.02),
    "01.3": (dataclasses.replace(TEMPLATE, user_words=30, history_items=4), TEMPLATE),
    "02.1": (_draw, lambda heads, epsilon: heads[:, :3] + heads[:, 3:].exp() * epsilon),
    "02.2": (0.5, 1.0),
    "02.3": ((0.8, 0.2**0.5), (1.0, 0.5)),
    "03.1": (9, 8),
    "03.2": (lambda x, W, w: x @ W + w, lambda x, W, w: x @ W / x.sum(1, keepdim=True) + w),
    "03.3": (1.429, 0.7),
    "04.1": (10.0, 18.0),
    "04.2": (1.846, 1.5),
    "04.3": (
        lambda q, p, lam: lam * gaussian.kl_to_standard_normal(q) + (1 - lam) * gaussian.kl(q, p),
        lambda q, p, lam: gaussian.kl_to_standard_normal(q) + lam * gaussian.kl(q, p),
    ),
    "04b.1": ((0.0, math.exp(-11)), (0.0, 0.01)),
    "04b.2": (0.707, 1.0),
    "04b.3": (0.805, 0.0),
    "05.1": (11.736, 3.912),
    "05.2": (lambda users, batch_size: -(-users // batch_size), lambda users, batch_size: users // batch_size),
    "05.3": ("none of them", "varphi"),
    "06.1": (3, 2),
    "06.2": (_first_end, lambda sizes, groups: np.quantile(sizes, 1 / groups)),
    "06.3": ("first", "second"),
    "07.1": ((0.01, False), (0.01, True)),
    "07.2": (0.8, 0.4),
    "07.3": (lambda means: (means.var(0) < 0.01).sum(), lambda means: (means.std(0) < 0.01).sum()),
    "08.1": (0.8, 0.25),
    "08.2": (1.25, 1.0),
    "08.3": ("w/o PMN", "Add"),
    "09.1": (0, 1),
    "09.2": ({"mddm", "cpdm"}, {"mddm"}),
    "10.1": (0.1, 0.01),
    "10.2": (0.05, 0.0025),
    "10.3": ("CVGA", "Mult-VAE"),
    "11.1": (2.0794, 3.0),
    "11.2": ("AlphaRec", "AlphaRec*"),
    "12.1": (0.833, 0.5),
    "12.2": ("shuffled", "random"),
    "12.3": (_noisy, lambda w, g, rho: (1 - rho) * w + rho * g),
    "13.1": (19.560, 3.912),
    "13.2": (0.0, 1.0),
    "13.3": (-18.4, -17.0),
}


def test_every_exercise_is_judged_here():
    assert JUDGED.keys() == EXERCISES.keys()


@pytest.mark.parametrize("name", EXERCISES)
def test_the_right_answer_is_taken_and_a_wrong_one_is_not(name, capsys):
    right, wrong = JUDGED[name]
    notebook.check(name, right)
    notebook.check(name, wrong)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Exercise")]
    assert said[0] == f"Exercise {name}: right."
    assert said[1].startswith(f"Exercise {name}: not yet. {EXERCISES[name].hint}") and "notebook.solution" in said[1]


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_has_a_hint_that_is_not_the_way_and_a_way(name):
    exercise = EXERCISES[name]
    assert exercise.hint and len(exercise.solution) > 10 and exercise.solution not in exercise.hint
    assert notebook.solution(name).data == f"**{name}** {exercise.solution}"


def test_an_exercise_that_nobody_wrote_is_the_authors_error():
    with pytest.raises(ValueError, match=r"no exercise is called '04\.9'; there is 00\.1, "):
        notebook.check("04.9", 1)
