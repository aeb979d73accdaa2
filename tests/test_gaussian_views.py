"""Every draw at its controls' minimum, start and maximum; what it draws is what the core says."""

from __future__ import annotations

import inspect
import math
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from matplotlib.colors import to_hex

from dmrec_core.figures import style
from dmrec_core.figures.kept.matching import matching_figure, matching_numbers
from dmrec_core.figures.live import gaussians as gaussian_views
from dmrec_core.figures.live import matching as matching_views
from dmrec_core.figures.live import spaces as space_views
from dmrec_core.gaussian import DiagonalGaussian, geometric_composite, moment_matched_composite
from dmrec_core.matching import STRATEGIES, composite_divergence, fuse
from dmrec_core.panels import questions
from dmrec_core.records.writer import plain_numbers
from dmrec_core.theory.monte_carlo import composite_divergence_by_sampling
from dmrec_core.theory.one_dimension import (
    GRID,
    composite_curves,
    gaussian,
    gradient_field,
    log_two_tastes,
    mean_slopes,
    posterior_path,
    pull_on_parameters,
    quadrature_kl,
    single_fits,
)

CONTROLS = {**gaussian_views.CONTROLS, **matching_views.CONTROLS}
DRAWS = {draw.__name__: draw for draw in CONTROLS}


def values(spec: tuple) -> list:
    """What a control can be set to at its ends and its start."""
    if isinstance(spec[0], list):
        return [*spec[0], spec[1]]
    low, high, _, start = spec
    return [low, start, high]


def start(spec: tuple):
    return spec[1] if isinstance(spec[0], list) else spec[3]


def settings(draw) -> list[dict]:
    """The start; each control at each of its ends with the others at the start; and all at one end together."""
    at_start = {name: start(spec) for name, spec in CONTROLS[draw].items()}
    one_by_one = [{**at_start, name: v} for name, spec in CONTROLS[draw].items() for v in values(spec)]
    together = [{name: values(spec)[end] for name, spec in CONTROLS[draw].items()} for end in (0, -1)]
    return [at_start, *one_by_one, *together]


def drawn(figure: go.Figure) -> list[np.ndarray]:
    return [
        np.asarray(trace[axis], dtype=float)
        for trace in figure.data
        for axis in ("x", "y", "z")
        if getattr(trace, axis, None) is not None and np.asarray(trace[axis]).dtype.kind in "fi"
    ]


def test_every_draw_has_controls():
    public = {
        name
        for module in (gaussian_views, matching_views)
        for name, thing in vars(module).items()
        if name.startswith("draw_") and callable(thing)
    }
    assert public == set(DRAWS)


@pytest.mark.parametrize("name", DRAWS)
def test_draws_at_every_end_of_every_control(name):
    draw = DRAWS[name]
    kinds = None
    for setting in settings(draw):
        figure = draw(**setting)
        assert figure.layout.title.text, setting
        for numbers in drawn(figure):
            gaps = np.isnan(numbers).mean()  # NaN only lifts the pen between strands
            assert gaps < 0.5 and not np.isinf(numbers).any(), setting
        figure.to_json()  # nothing in it that a browser cannot read
        mine = [trace.type for trace in figure.data]
        kinds = kinds or mine
        assert mine == kinds, "the traces keep their order and kind, so a panel can update them in place"


@pytest.mark.parametrize("name", DRAWS)
def test_controls_start_at_the_defaults(name):
    parameters = inspect.signature(DRAWS[name]).parameters
    assert {key: start(spec) for key, spec in CONTROLS[DRAWS[name]].items()} == {
        key: parameter.default for key, parameter in parameters.items()
    }


@pytest.mark.parametrize("name", DRAWS)
def test_every_control_changes_the_picture(name):
    draw = DRAWS[name]
    at_start = draw().to_json()
    for control, spec in CONTROLS[draw].items():
        others = [v for v in values(spec) if v != start(spec)]
        base = {"strategy": "cpdm"} if control == "alpha" and "strategy" in CONTROLS[draw] else {}
        reference = draw(**base).to_json() if base else at_start
        assert any(draw(**base, **{control: v}).to_json() != reference for v in others), control


PANELS = {
    gaussian_views.draw_transport: questions.TRANSPORT,
    gaussian_views.draw_kl: questions.BOTH_DIRECTIONS,
    gaussian_views.draw_mode_seeking: questions.MODE_SEEKING,
    gaussian_views.draw_composite: questions.COMPOSITE,
    matching_views.draw_gradient_field: questions.GRADIENT_FIELD,
    matching_views.draw_posterior: questions.POSTERIOR,
    matching_views.draw_information: questions.INFORMATION,
    matching_views.draw_who_moves: questions.WHO_MOVES,
    space_views.draw_bound: questions.BOUND,
}


@pytest.mark.parametrize("draw", PANELS, ids=lambda draw: draw.__name__)
def test_presets_are_settings_that_the_sliders_can_reach(draw):
    controls = {**CONTROLS, **space_views.CONTROLS}[draw]
    assert len(PANELS[draw]["predict"]) == 2
    for name, preset in PANELS[draw].get("presets", {}).items():
        draw(**preset)
        for control, value in preset.items():
            low, high, step, _ = controls[control]
            assert low <= value <= high and abs((value - low) / step - round((value - low) / step)) < 1e-6, name


def test_transport_ends_where_language_is():
    figure = gaussian_views.draw_transport(mean=2.0, std=1.5, time=1.0)
    by_name = {trace.name: np.asarray(trace.y) for trace in figure.data if trace.name}
    np.testing.assert_allclose(by_name["the mass on its way"], by_name["language p (time 1)"], atol=1e-12)


def test_direction_of_the_divergence_decides_between_covering_and_seeking():
    fits = single_fits(5.0)
    assert abs(abs(fits.seeking[0]) - 2.5) < 0.05 and abs(fits.seeking[1] - 0.7) < 0.05  # one mode, as wide as it is
    assert fits.covering[0] == 0 and fits.covering[1] > 2.5
    assert fits.kl_seeking[1] < fits.kl_covering[1] and fits.kl_covering[0] < fits.kl_seeking[0]
    assert abs(single_fits(1.0).seeking[0]) < 0.05  # tastes that overlap: even the seeking fit covers both


def test_fits_are_minima():
    fits = single_fits(4.0, share=0.3)
    target = log_two_tastes(GRID, 4.0, 0.3, 0.7)
    assert math.isclose(np.exp(target).sum() * (GRID[1] - GRID[0]), 1.0, rel_tol=1e-6)

    def backward(mean: float, std: float) -> float:
        own = -0.5 * ((GRID - mean) / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi)
        return quadrature_kl(own, target, GRID[1] - GRID[0])

    mean, std = fits.seeking
    assert all(backward(mean + a, std * b) > fits.kl_seeking[1] for a, b in [(0.1, 1), (-0.1, 1), (0, 1.1), (0, 0.9)])


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8])
def test_composite_curves_are_the_cores(alpha):
    curves = composite_curves(alpha, std=0.6)
    q, p = gaussian(0.0, 1.0), gaussian(curves.separations[12], 0.6)
    for values_, composite in (
        (curves.moment_matched, moment_matched_composite),
        (curves.geometric, geometric_composite),
    ):
        assert math.isclose(values_[12], composite_divergence(q, p, composite(q, p, alpha)).item(), rel_tol=1e-9)
    sampled = composite_divergence_by_sampling(q, p, alpha, 100_000, torch.Generator().manual_seed(0))
    assert abs(sampled.value.item() - curves.mixture[12]) < 4.5 * sampled.standard_error.item()
    ceiling = -math.log(alpha) - math.log1p(-alpha)
    assert curves.mixture.max() < ceiling + 1e-6 < curves.geometric.max()
    # the mixture's closest Gaussian is farther from q and p than the mixture itself
    assert (curves.mixture <= curves.moment_matched + 1e-9).all()


@pytest.mark.parametrize("strategy", ["godm", "cpdm", "mddm"])
@pytest.mark.parametrize("variant", ["paper", "published"])
@pytest.mark.parametrize("moves", ["collaborative", "language"])
def test_field_points_downhill(strategy, variant, moves):
    field = gradient_field(strategy, variant, moves=moves, n=15)
    step = 1e-3
    row, column = 5, 9
    here, logvar = field.means[column], field.logvars[row]

    def loss(mean: float, logvar: float) -> float:
        side = DiagonalGaussian(*torch.tensor([[[mean]], [[logvar]]], dtype=torch.float64))
        other = DiagonalGaussian(*torch.tensor([[[1.5]], [[-1.0]]], dtype=torch.float64))
        q, p = (side, other) if moves == "collaborative" else (other, side)
        return STRATEGIES[strategy].terms(q, p, fuse(q, p, variant), 0.5, variant).total.item()

    slopes = (
        (loss(here + step, logvar) - loss(here - step, logvar)) / (2 * step),
        (loss(here, logvar + step) - loss(here, logvar - step)) / (2 * step),
    )
    np.testing.assert_allclose([-field.down_mean[row, column], -field.down_logvar[row, column]], slopes, atol=1e-5)


def test_field_refuses_an_unknown_side():
    with pytest.raises(ValueError, match="got 'text'"):
        gradient_field("mddm", moves="text")


@pytest.mark.parametrize("strategy", ["cpdm", "mddm"])
def test_language_mean_cancels_as_published_and_not_on_paper(strategy):
    assert abs(pull_on_parameters(strategy, "published", 0.5)["language mean"]) < 1e-12
    assert abs(pull_on_parameters(strategy, "paper", 0.5)["language mean"]) > 0.1


def test_godm_moves_both_means_alike_and_add_moves_nothing():
    pull = pull_on_parameters("godm", "published", 0.5)
    assert math.isclose(pull["language mean"], -pull["collaborative mean"]) and abs(pull["language mean"]) > 0.1
    assert set(pull_on_parameters("add", "published", 0.5).values()) == {0.0}


@pytest.mark.parametrize("items", [0, 2, 50])
def test_posterior_path_is_the_closed_form_where_there_is_one(items):
    lam, text, width = posterior_path().lams, 2.0, 0.7
    precision = items + lam + (1 - lam) / width**2
    mddm = posterior_path("mddm", "paper", items)
    np.testing.assert_allclose(mddm.mean, (-items + (1 - lam) * text / width**2) / precision, atol=1e-6)
    np.testing.assert_allclose(mddm.std, precision**-0.5, rtol=1e-6)
    godm = posterior_path("godm", "paper", items)
    n = items + 1 + 2 * lam
    np.testing.assert_allclose(godm.mean, (-items + 2 * lam * text) / n, atol=1e-6)
    np.testing.assert_allclose(godm.std, (lam * width + np.sqrt((lam * width) ** 2 + n)) / n, rtol=1e-6)


def test_static_figure_draws_what_it_records():
    numbers = matching_numbers()
    figure = matching_figure(numbers)
    plain_numbers(numbers)  # finite, and in JSON's types
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[0] == "(a) Moving mass: W2² = 9.25"
    assert [title[4:] for title in titles if "DMRec-M" in title] == [
        "published: DMRec-M pulls q",
        "paper: DMRec-M pulls q",
    ]
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[2].lines}
    np.testing.assert_array_equal(lines["mixture"], numbers["composite"]["mixture"])


def test_slopes_far_away_vanish_stay_or_grow():
    near, far = np.array([0.01]), np.array([30.0])
    slopes = {name: (at_near[0], at_far[0]) for (name, at_near), at_far in zip(
        mean_slopes(near).items(), mean_slopes(far).values(), strict=True)}  # fmt: skip
    assert math.isclose(slopes["GODM, Eq. 9 (paper)"][1], 60.0)
    assert math.isclose(slopes["GODM, its root (published)"][1], 1.0, rel_tol=1e-6)
    assert slopes["CPDM, moments (paper)"][1] < 0.1
    assert math.isclose(slopes["CPDM, geometric (published)"][1], 15.0)
    assert math.isclose(slopes["MDDM, Eq. 15 (paper)"][1], 30.0)
    assert abs(slopes["CPDM, the mixture itself"][1]) < 1e-9
    assert all(near_slope > 0 for near_slope, _ in slopes.values())


def test_slope_of_the_mixture_is_its_curves():
    step = 1e-3
    curve = [composite_curves(0.5, std=0.6, furthest=4.0 + k * step, points=2).mixture[-1] for k in (-1, 1)]
    # composite_curves moves the second mean, mean_slopes the first: the same up to the sign of the distance
    assert math.isclose((curve[1] - curve[0]) / (2 * step), mean_slopes(np.array([4.0]), 0.6)[
        "CPDM, the mixture itself"][0], rel_tol=1e-3)  # fmt: skip


def luminance(color: str) -> float:
    """L* of a colour, 0 to 100: what is left of it in grey."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16


MEANINGS = ("COLLABORATIVE", "LANGUAGE", "MATCHED", "NEUTRAL", "REFERENCE", "OTHER", "ALARM", "BELOW", "ABOVE")
DEUTERANOPIA = np.array(  # what is left of linear RGB without the green cones (Machado, Oliveira and Fernandes, 2009)
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
EVERYTHING = np.eye(3)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def apart(one: str, other: str, seen_as: np.ndarray = EVERYTHING) -> float:
    """How different two colours look, as a distance in L*a*b*: 2 can just be seen."""

    def lab(color: str) -> np.ndarray:
        channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        x, y, z = np.cbrt(TO_XYZ @ np.clip(seen_as @ linear, 1e-3, 1) / TO_XYZ.sum(1))
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    return float(np.linalg.norm(lab(one) - lab(other)))


def test_no_two_meanings_share_a_colour():
    colors = {name: getattr(style, name) for name in MEANINGS}
    known = {name for name, value in vars(style).items() if isinstance(value, str) and value.startswith("#")}
    assert known == set(colors), "a new colour is held against the others"
    near = {pair: apart(*map(colors.get, pair)) for pair in combinations(colors, 2)}
    assert min(near.values()) > 25, min(near, key=near.get)
    assert apart(style.COLLABORATIVE, style.COLLABORATIVE) == 0


def test_below_and_above_zero_differ_for_everybody_and_belong_to_no_space():
    assert apart(style.BELOW, style.ABOVE, DEUTERANOPIA) > 50
    assert [to_hex(style.DIVERGING(end)).upper() for end in (0.0, 1.0)] == [style.BELOW, style.ABOVE]


def test_the_three_meanings_differ_in_grey():
    greys = sorted(luminance(color) for color in (style.COLLABORATIVE, style.LANGUAGE, style.MATCHED))
    assert greys[1] - greys[0] > 15 and greys[2] - greys[1] > 15


def test_strategies_differ_without_colour():
    greys = sorted(luminance(style.MARKS[name].color) for name in STRATEGIES)
    assert greys[1] - greys[0] > 13 and greys[2] - greys[1] > 13
    marks = [style.MARKS[name] for name in ("base", "godm", "cpdm", "mddm", "add")]
    assert len({mark.marker for mark in marks}) == len(marks) == len({mark.symbol for mark in marks})
