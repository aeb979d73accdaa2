"""An edited prompt, followed to the neighbours: pure functions at their extremes, and the panel that shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmrec_core.data import toy_dataset
from dmrec_core.figures.live.prompts import draw_neighbours, marked, tell_edit
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.item_space import item_space
from dmrec_core.language.prompts import Prompt
from dmrec_core.language.templates import TEMPLATES
from dmrec_core.panels import explore

TEMPLATE = TEMPLATES["items"]
TITLE_ONLY = {"fields": {"title": "what it is called"}, "feedback_without": None}


@pytest.fixture(scope="module")
def data():
    return toy_dataset(n_users=60, n_items=50)


@pytest.fixture(scope="module")
def original(data):
    return item_space(data, TEMPLATE)


def test_the_stand_in_keeps_to_the_limit_on_words_and_reads_nothing_else_of_the_message(data, original):
    asked_otherwise = replace(TEMPLATE, item_system=TEMPLATE.item_system + "\nAnswer in verse.")
    assert item_space(data, asked_otherwise).profiles == original.profiles
    for words in (1, 10):
        short = item_space(data, replace(TEMPLATE, item_words=words)).profiles
        assert max(len(profile.split()) for profile in short) == words
    assert ExtractiveProfiler().answer([Prompt("", '{"title": "Tea pot", "d": "A b. C d."}', 3, "")])[0].summary == (
        "Tea pot: A"
    )


def test_what_is_told_decides_profile_vector_and_neighbours(data, original):
    titles = item_space(data, replace(TEMPLATE, **TITLE_ONLY))
    assert titles.profiles == data.titles
    assert original.vectors.shape[0] == data.n_items and (titles.prompts[0].user != original.prompts[0].user)
    before, after = (set(space.nearest(0)[0].tolist()) for space in (original, titles))
    assert 0 not in before and before != after


@pytest.mark.parametrize("item", [0, 25, 49])
@pytest.mark.parametrize("changes", [{}, {"item_words": 1}, {"item_words": 200}, TITLE_ONLY, {"item_system": "$thing"}])
def test_drawings_at_every_extreme(data, original, item, changes):
    after = item_space(data, replace(TEMPLATE, **changes))
    figure = draw_neighbours(data.titles, item, original, after)
    assert [trace.name for trace in figure.data] == ["before", "after"]
    assert all(len(trace.x) == 6 and np.isfinite(trace.x).all() for trace in figure.data)
    told = tell_edit(item, original, after)
    assert "extractive (no language model)" in told
    assert ("<em>unchanged</em>" in told) == (original.prompts[item].system == after.prompts[item].system)


def test_rows_of_equal_titles_stay_apart(data, original):
    alike = ["Coffee"] * data.n_items
    figure = draw_neighbours(alike, 0, original, original)
    assert len(set(figure.data[0].y)) == 6 and "6 of 6 neighbours stay" in figure.layout.title.text


def test_texts_are_shown_as_text_never_as_markup(data):
    hostile = replace(data, titles=("<script>alert(1)</script>",) * data.n_items)
    space = item_space(hostile, TEMPLATE)
    assert "<script>" not in tell_edit(0, space, space)
    assert marked("a <b>", "a <i>") == "a <del>&lt;b&gt;</del><ins>&lt;i&gt;</ins>"


def test_an_area_to_write_in_and_a_text_below_the_figure(data, original, monkeypatch):
    def space(system):
        return item_space(data, replace(TEMPLATE, item_system=system))

    def draw(system):
        return draw_neighbours(data.titles, 0, original, space(system))

    monkeypatch.setenv("DMREC_HEADLESS", "0")
    panel = explore(draw, tell=lambda system: tell_edit(0, original, space(system)), system=TEMPLATE.item_system)
    assert "<em>unchanged</em>" in panel.told.value
    panel.controls["system"].value = "Describe this $thing in $words words."
    assert "Describe" in panel.told.value and panel.status.state != "error"
    panel.controls["system"].value = "Describe this $nonsense."
    assert panel.status.state == "error" and "'nonsense' is not a placeholder" in panel.status.text
    panel.controls["system"].value = TEMPLATE.item_system
    assert panel.status.state == "idle" and "<em>unchanged</em>" in panel.told.value
