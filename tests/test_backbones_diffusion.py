"""Diffusion: moments of the way forward, the posterior mean by another route, the way back, and how steps are drawn."""

import math

import pytest
import torch

from dmrec_core.backbones.diffusion import Denoiser, ImportanceSampler, NoiseSchedule, step_features

SETTINGS = [
    {"steps": 5, "scale": 0.5, "noise_min": 0.001, "noise_max": 0.005},
    {"steps": 5, "scale": 0.01, "noise_min": 0.005, "noise_max": 0.01},
    {"steps": 40, "scale": 0.005, "noise_min": 0.005, "noise_max": 0.02},
    {"steps": 4, "scale": 1.0, "noise_min": 0.1, "noise_max": 0.9},
]


def exact_alpha_bar(settings):
    """The schedule as defined, float64: the model keeps its tables in float32."""
    ends = (settings["scale"] * settings[name] for name in ("noise_min", "noise_max"))
    return 1 - torch.linspace(*ends, settings["steps"], dtype=torch.float64)


@pytest.fixture(params=SETTINGS, ids=lambda s: f"T{s['steps']}-scale{s['scale']}")
def settings(request):
    return request.param


def test_the_schedule_by_hand():
    schedule = NoiseSchedule(steps=3, scale=1.0, noise_min=0.1, noise_max=0.3)
    # 1 - alpha_bar: 0.1, 0.2, 0.3; beta_t = 1 - alpha_bar_t / alpha_bar_(t-1)
    assert schedule.alpha_bar.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert schedule.beta.tolist() == pytest.approx([0.1, 1 - 8 / 9, 1 - 7 / 8])
    snr = [0.9 / 0.1, 0.8 / 0.2, 0.7 / 0.3]
    assert schedule.snr.tolist() == pytest.approx(snr)
    assert schedule.loss_weight.tolist() == pytest.approx([1.0, snr[0] - snr[1], snr[1] - snr[2]])
    halved = NoiseSchedule(steps=3, scale=1.0, noise_min=0.1, noise_max=0.3, halved=True)
    assert halved.loss_weight.tolist() == pytest.approx([1.0, (snr[0] - snr[1]) / 2, (snr[1] - snr[2]) / 2])


def test_noise_grows_linearly_and_weights_telescope(settings):
    schedule = NoiseSchedule(**settings)
    torch.testing.assert_close(schedule.noise.square(), (1 - exact_alpha_bar(settings)).float(), rtol=1e-6, atol=0)
    torch.testing.assert_close((1 - schedule.beta.double()).prod().float(), schedule.alpha_bar[-1])
    assert schedule.loss_weight[1:].sum().item() == pytest.approx((schedule.snr[0] - schedule.snr[-1]).item(), rel=1e-5)


def test_forward_moments(settings):
    schedule, generator = NoiseSchedule(**settings), torch.Generator().manual_seed(0)
    start = torch.tensor([1.5, -0.5]).expand(200_000, 2)
    for index in {0, settings["steps"] // 2, settings["steps"] - 1}:
        noise = torch.randn(start.shape, generator=generator)
        z = schedule.noised(start, torch.full((len(start),), index), noise)
        kept = schedule.alpha_bar[index].item()
        error = math.sqrt((1 - kept) / len(start))
        assert ((z.mean(0) - math.sqrt(kept) * start[0]).abs() < 4.5 * error).all()
        assert ((z.var(0) / (1 - kept) - 1).abs() < 4.5 * math.sqrt(2 / len(start))).all()


def test_one_jump_is_as_good_as_many_steps(settings):
    """z_t through z_1, ..., z_(t-1), one beta at a time, has the moments of the direct jump."""
    schedule = NoiseSchedule(**settings)
    mean, variance = 1.0, 0.0
    for index, beta in enumerate(schedule.beta.double().tolist()):
        mean, variance = mean * math.sqrt(1 - beta), variance * (1 - beta) + beta
        assert mean == pytest.approx(schedule.signal[index].item(), rel=1e-5)
        assert variance == pytest.approx(schedule.noise[index].item() ** 2, rel=1e-5)


def test_posterior_mean_is_bayes_rule(settings):
    """q(z_(t-1)|z_t, z_0) is q(z_t|z_(t-1)) q(z_(t-1)|z_0) up to a constant: precisions add and weight the means."""
    schedule, alpha_bar = NoiseSchedule(**settings).double(), exact_alpha_bar(settings)
    z_start, z = torch.tensor([[0.7, -1.2]]).double(), torch.tensor([[0.4, 0.3]]).double()
    for index in range(1, settings["steps"]):
        before = alpha_bar[index - 1]
        beta = 1 - alpha_bar[index] / before
        from_later = (1 - beta) / beta  # precision of z_(t-1) told by z_t = sqrt(1-beta) z_(t-1) + noise
        from_start = 1 / (1 - before)
        expected = (from_later * z / (1 - beta).sqrt() + from_start * before.sqrt() * z_start) / (
            from_later + from_start
        )
        torch.testing.assert_close(schedule.previous_mean(z_start, z, index), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(schedule.previous_mean(z_start, z, 0), z_start, rtol=1e-6, atol=1e-6)


def test_an_oracle_denoiser_leads_back_to_the_start(settings):
    schedule = NoiseSchedule(**settings)
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    z = schedule.noised(start, torch.full((3,), settings["steps"] - 1), noise)
    distance = [(z - start).norm().item()]
    for index in reversed(range(settings["steps"])):
        z = schedule.previous_mean(start, z, index)
        distance.append((z - start).norm().item())
    assert distance[-1] < 1e-5 and distance == sorted(distance, reverse=True)


def test_a_schedule_outside_zero_and_one_is_refused():
    for wrong in ({"steps": 0}, {"noise_max": 3.0}, {"noise_min": 0.0}, {"noise_min": 0.01, "noise_max": 0.005}):
        with pytest.raises(ValueError, match="variances that rise inside"):
            NoiseSchedule(**wrong)


def test_sampler_is_uniform_until_every_step_has_been_seen_enough():
    sampler = ImportanceSampler(3, memory=2)
    sampler.remember(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1.0, 1.0, 5.0, 5.0, 3.0]))
    assert sampler.probabilities().tolist() == pytest.approx([1 / 3] * 3)
    drawn = sampler.draw(4, torch.Generator().manual_seed(0))
    assert drawn.ratio.tolist() == pytest.approx([1.0] * 4)
    sampler.remember(torch.tensor([2]), torch.tensor([4.0]))
    size = [1.0, 5.0, math.sqrt((9 + 16) / 2)]
    expected = [0.999 * s / sum(size) + 0.001 / 3 for s in size]
    assert sampler.probabilities().tolist() == pytest.approx(expected, rel=1e-5)
    drawn = sampler.draw(1000, torch.Generator().manual_seed(0))
    assert drawn.ratio.tolist() == pytest.approx([3 * expected[k] for k in drawn.index.tolist()], rel=1e-5)


def test_sampler_forgets_the_oldest_first_as_if_told_one_by_one():
    at_once, singly = ImportanceSampler(2, memory=3), ImportanceSampler(2, memory=3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        index, losses = torch.randint(2, (5,), generator=generator), torch.rand(5, generator=generator)
        at_once.remember(index, losses)
        for i, loss in zip(index, losses, strict=True):
            singly.remember(i[None], loss[None])
    assert torch.equal(at_once.losses, singly.losses) and torch.equal(at_once.seen, singly.seen)
    assert set(at_once.state_dict()) == {"losses", "seen"}, "a resumed run must find them"


def test_importance_weights_do_not_change_the_expected_loss():
    sampler, true = ImportanceSampler(4, memory=1), torch.tensor([0.1, 1.0, 3.0, 0.5])
    sampler.remember(torch.arange(4), true)
    drawn = sampler.draw(200_000, torch.Generator().manual_seed(0))
    estimates = true[drawn.index] / drawn.ratio
    assert abs(estimates.mean() - true.mean()) < 4 * estimates.std() / math.sqrt(len(estimates))
    uniform = true[torch.randint(4, (200_000,), generator=torch.Generator().manual_seed(0))]
    assert estimates.std() < 0.2 * uniform.std(), "drawing in proportion to the loss all but removes its variance"


def test_step_features_by_hand():
    got = step_features(torch.tensor([0, 3]), 4)
    assert got[0].tolist() == [1, 1, 0, 0]
    assert got[1].tolist() == pytest.approx([math.cos(3), math.cos(0.03), math.sin(3), math.sin(0.03)], rel=1e-5)


def test_denoiser_shapes_dropout_and_dependence_on_the_step():
    torch.manual_seed(0)
    denoiser = Denoiser(6, hidden=8)
    assert (denoiser.hidden.in_features, denoiser.output.out_features) == (6 + 10, 6)
    z = torch.ones(1000, 6)
    dropped = denoiser.dropped(z, torch.Generator().manual_seed(0))
    assert set(dropped.unique().tolist()) == {0.0, 2.0} and abs(dropped.mean() - 1) < 4 / math.sqrt(6000)
    at = [denoiser(z[:1], torch.tensor([t])) for t in (0, 4)]
    assert not torch.equal(*at)
