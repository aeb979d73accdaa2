"""The kept figures of Tables 2 and 3, and the pictures of base models and baselines: with and without numbers."""

import numpy as np
import pandas as pd
import pytest

from dmrec_core.figures.kept.baselines import cosines, gates, language_models, pruned, similarity
from dmrec_core.figures.kept.bases import diffusion, probabilities, propagation
from dmrec_core.figures.kept.tables import rows_compared

NOTHING = float("nan")


def table(paper=NOTHING, spread=0.01):
    rows = [("CVGA", "base", "base", 0.30), ("CVGA", "DMRec-M", "mddm", 0.33), ("Mult-VAE", "base", "base", 0.28)]
    columns = ["panel", "name", "mark", "mean"]
    made = pd.DataFrame(rows, columns=columns).assign(metric="recall@20", paper=paper)
    return made.assign(low=made["mean"] - spread, high=made["mean"] + spread)


def points(axis):
    return sorted(float(line.get_xdata()[0]) for line in axis.lines if line.get_marker() in ("o", "D"))


def test_one_panel_a_base_model_and_a_point_where_the_mean_is():
    figure = rows_compared(table())
    assert [axis.get_title() for axis in figure.axes] == ["CVGA", "Mult-VAE"]
    assert points(figure.axes[0]) == [0.30, 0.33]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["base", "DMRec-M"]
    assert figure.axes[0].get_ylim() == (1.5, -0.5)  # the first row on top
    assert not figure.axes[-1].get_legend()


def test_the_papers_number_is_a_star_and_only_where_there_is_one():
    figure = rows_compared(table(paper=[0.31, NOTHING, NOTHING]))
    stars = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "*"]
    assert [float(star.get_xdata()[0]) for star in stars] == [0.31]
    assert figure.axes[-1].get_legend()


def test_one_seed_has_points_without_intervals():
    figure = rows_compared(table(spread=NOTHING))
    figure.canvas.draw()
    assert points(figure.axes[0]) == [0.30, 0.33]


@pytest.mark.parametrize("spread", [2.0, NOTHING])
def test_table_3_has_a_panel_for_gains_over_the_own_base(spread):
    gains = pd.DataFrame(
        {"name": ["KAR", "DMRec-M"], "mark": ["language", "mddm"], "relative": [-3.0, 5.0], "paper": [NOTHING, 4.9]}
    )
    gains = gains.assign(low=gains["relative"] - spread, high=gains["relative"] + spread)
    figure = language_models(table(), gains)
    figure.canvas.draw()
    assert len(figure.axes) == 3 and figure.axes[-1].get_title() == "over its own base"
    drawn = {line.get_marker(): float(line.get_xdata()[0]) for line in figure.axes[-1].lines if line.get_marker() != ""}
    assert drawn["s"] == -3 and drawn["D"] == 5 and drawn["*"] == 4.9
    assert len(language_models(table(), gains.iloc[:0]).axes) == 2  # nothing that reads texts: no such panel


def test_pruning_shows_the_largest_losses_kept_and_the_smallest():
    losses = np.geomspace(0.01, 10, 100)
    figure = pruned(losses, rate=0.71)
    hard, easy = ([patch.get_height() for patch in axis.containers[1]] for axis in figure.axes)
    assert sum(hard) == sum(easy) == 29
    assert np.flatnonzero(hard).min() > np.flatnonzero(easy).max()


def test_probabilities_are_coloured_by_what_the_user_did_and_sorted():
    figure = probabilities({"a": np.array([0.1, 0.6, 0.3])}, clicked=[1], held_out=[2])
    bars = figure.axes[0].containers[0]
    assert [round(bar.get_height()) for bar in bars] == [60, 30, 10]
    assert len({bar.get_facecolor() for bar in bars}) == 3


def test_items_without_mass_are_counted_not_drawn():
    weights = {"a user": (np.array([1, 4]), np.array([0.5, 0.25]))}
    mass = np.array([0.2, 0.0, 0.1, 0.0])
    figure = propagation(weights, np.array([1, 2, 3, 4]), mass, clicked=[0], held_out=[2])
    figure.canvas.draw()
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["any other item (2 get nothing)", "clicked in training", "held out for the test"]


def test_the_other_pictures_draw():
    plane = np.random.default_rng(0).normal(size=(5, 2))
    levels = {"sigma": 0.7, "smallest": 0.6}
    for figure in (
        diffusion(np.array([0.02, 0.05]), levels, plane, plane, plane + 0.1, plane[:3]),
        similarity({"before": np.eye(4), "after": -np.eye(4)}, "rows", "columns"),
        gates({"users": np.full((6, 3), 1 / 3), "items": np.full((4, 3), 1 / 3)}, shared=1),
        cosines({"after": (np.array([0.5, 0.6]), np.array([-0.1, 0.2]))}),
    ):
        figure.canvas.draw()
        assert all(axis.has_data() for axis in figure.axes)
