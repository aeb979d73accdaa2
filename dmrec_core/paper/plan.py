"""What the rows of Tables 2 and 3 are: which runs, compared with which, and what is to be said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dmrec_core.data import RecDataset
from dmrec_core.matching import STRATEGIES
from dmrec_core.paper import printed as paper
from dmrec_core.records.memory import free_memory
from dmrec_core.runs.linear import CHOSEN, GRIDS, TEXT_WEIGHTS
from dmrec_core.runs.models import BACKBONES, BASELINES, CARDS, LINEAR
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.sweeps import grid

GRID = (0.2, 0.4, 0.6, 0.8, 1.0)  # of lambda, and of the base's KL weight: both are tuned alike
CLICKS_ONLY, WITH_TEXT = "reads clicks only", "with text"  # what the rows of the linear references are called
LLMREC_PROFILE_WEIGHT = 2.8  # its default, which no preset names


@dataclass(frozen=True)
class Plan:
    """One row before it is run.

    Args:
        key: unique in its table.
        model: its backbone or baseline.
        label: what the row is called beside its model; "" for a baseline.
        options: the settings it may take, at any one seed; of several, the best on the first seed's validation
            becomes the row.
        against: keys of the rows it is compared with.
        paper: the printed numbers by metric.
        notes: what a reader must know.
    """

    key: str
    model: str
    label: str
    options: tuple[RunSpec, ...]
    against: tuple[str, ...] = ()
    paper: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`Mult-VAE DMRec-M`, `KAR`."""
        return f"{CARDS[self.model].name} {self.label}".strip()

    @property
    def reads_text(self) -> bool:
        """Whether its runs read semantic vectors."""
        return self.options[0].uses_language


def plan_table2(
    dataset: str,
    models: Iterable[str] = (*BACKBONES, *LINEAR),
    tune: bool | Sequence[float] = False,
    **changes: object,
) -> list[Plan]:
    """Base, DMRec-G, -C and -M on every backbone; below them the linear references, which read clicks only.

    CVGA's base comes twice: with its KL term divided by the batch size, as the plain CVGA was released, and undivided,
    as DMRec on CVGA was.

    Args:
        dataset: its name.
        models: backbones and linear references.
        tune: values among which the first seed's validation split chooses lambda, True for `GRID`; a base whose KL
            weight is chosen alike is added. Without any, lambda is the published one, or 0.5 where there is none.
        changes: fields of every spec.
    """
    models, values = tuple(models), tuning_grid(tune)
    rows = [row for model in models if model in BACKBONES for row in _backbone_rows(dataset, model, values, changes)]
    return [*rows, *without_vectors(_linear_rows(dataset, models, changes))]


def _linear_rows(dataset: str, models: Iterable[str], changes: Mapping) -> list[Plan]:
    """The linear references among these models as chosen for the data, and with text where validation took it."""
    rows, chosen = [], CHOSEN.get(dataset, {})
    for model in (model for model in models if model in LINEAR):
        spec, deviation = paper_settings(dataset, model, **changes), CARDS[model].deviation
        notes = (deviation,) if deviation else ()
        label = WITH_TEXT if spec.uses_language else CLICKS_ONLY
        tried = math.prod(map(len, GRIDS[model].values()))
        if tried > 1:
            notes += (f"validation chose its settings of {tried}" if model in chosen else "its defaults, not tuned",)
        rows.append(Plan(model, model, label, (spec,), notes=notes))
        if chosen.get(f"{model} text", {}).get("text_weight"):
            added = paper_settings(dataset, model, **changes | {"settings": chosen[f"{model} text"]})
            note = f"the text's weight is the one that validation chose of {len(TEXT_WEIGHTS)}"
            rows.append(Plan(f"{model} text", model, WITH_TEXT, (added,), notes=(note,)))
    return rows


def _backbone_rows(dataset: str, model: str, values: Sequence[float], changes: Mapping) -> list[Plan]:
    base = paper_settings(dataset, model, **changes)
    rows = [Plan(f"{model} base", model, "base", (base,), paper=paper.table2(dataset, model, "base"))]
    options = [base]
    if model == "cvga":
        whole = base.with_(settings={**dict(base.settings), "divide_kl_by_batch": False})
        printed = rows[0].paper
        notes = ("the paper prints one base of CVGA, and does not say which",) if printed else ()
        label = "base, KL term not divided"
        rows.append(Plan("cvga base undivided", model, label, (whole,), ("cvga base",), printed, notes))
        options.append(whole)
    against = tuple(row.key for row in rows)
    if values:
        tuned = tuple(dict.fromkeys([*options, *(s for spec in options for s in grid(spec, kl_weight=values))]))
        rows.append(Plan(f"{model} base tuned", model, "base, tuned", tuned, (f"{model} base",)))
        against = (*against, f"{model} base tuned")
    for strategy, matching in STRATEGIES.items():
        spec = paper_settings(dataset, model, strategy, **changes)
        choices = tuple(grid(spec, lam=values)) if values else (spec,)
        printed = paper.table2(dataset, model, strategy)
        rows.append(Plan(f"{model} {strategy}", model, matching.label, choices, against, printed))
    return rows


def plan_table3(
    dataset: str,
    models: Iterable[str] = (*BASELINES, *LINEAR),
    tune: bool | Sequence[float] = False,
    **changes: object,
) -> list[Plan]:
    """The language-enhanced baselines, LightGCN, the linear references, and DMRec-M on Mult-VAE compared with each.

    Args:
        dataset: its name.
        models: baselines and linear references; these are solved at the settings chosen for the data, tuned or not.
        tune: values among which the first seed's validation split chooses DMRec-M's lambda, True for `GRID`; of each
            other model the setting its card calls tuned is chosen alike among as many.
        changes: fields of every spec.
    """
    rows, values, models = [], tuning_grid(tune), tuple(models)
    for model in (model for model in models if model in BASELINES):
        spec, printed = paper_settings(dataset, model, **changes), paper.table3(dataset, model)
        notes = [CARDS[model].deviation] if CARDS[model].deviation else []
        notes += [f"the printed number: {paper.PROVENANCE[model]}"] if printed else []
        options = _around(spec, len(values)) if values else (spec,)
        rows.append(Plan(model, model, "", options, paper=printed, notes=tuple(notes)))
    rows += _linear_rows(dataset, models, changes)
    ours = _backbone_rows(dataset, "mult-vae", values, changes)[-1]
    printed = paper.table3(dataset, "mult-vae")
    notes = (f"the printed number: {paper.PROVENANCE['mult-vae']}",) if printed else ()
    against = tuple(row.key for row in rows)
    return [*rows, replace(ours, against=against, paper=printed, notes=notes)]


def tuning_grid(tune: bool | Sequence[float]) -> tuple[float, ...]:
    """What `tune` asks for: `GRID`, values of one's own, or nothing.

    Example:
        >>> tuning_grid(True), tuning_grid([0.5, 1]), tuning_grid(False)
        ((0.2, 0.4, 0.6, 0.8, 1.0), (0.5, 1.0), ())
    """
    return GRID if tune is True else tuple(map(float, tune or ()))


def trained_with(
    plans: Sequence[Plan], precision: str = "float32", epochs: int | None = None, patience: int | None = None
) -> list[Plan]:
    """The same rows, trained otherwise than each model's preset says.

    Args:
        plans: rows of a table.
        precision: of matrix products.
        epochs: at most.
        patience: evaluations without a gain before a run stops, for every model alike; each model's own if None. Some
            releases stop after five, others after twenty, and a slow model is cut short by five.
    """

    def changed(spec: RunSpec) -> RunSpec:
        own = spec.train
        train = replace(own, precision=precision, epochs=min(epochs or own.epochs, own.epochs),
                        patience=own.patience if patience is None else patience)  # fmt: skip
        return spec.with_(train=train)

    return [replace(plan, options=tuple(map(changed, plan.options))) for plan in plans]


def has_text(dataset: RecDataset) -> bool:
    """Whether semantic vectors can be had: the data brings some, or texts to make them from."""
    return not (dataset.language is None and dataset.titles is None and dataset.profiles is None)


def without_vectors(plans: Sequence[Plan]) -> list[Plan]:
    """The rows that read no semantic vectors: what can be run on data without texts.

    Example:
        >>> [plan.name for plan in without_vectors(plan_table2("amazon", ["mult-vae"]))]
        ['Mult-VAE base']
    """
    return [plan for plan in plans if not plan.reads_text]


def that_fit(plans: Sequence[Plan], data: RecDataset) -> list[Plan]:
    """The rows without those of models whose item-item matrices do not fit into the memory that is free.

    Example:
        >>> from dmrec_core.data import toy_dataset
        >>> plans = plan_table2("toy")
        >>> that_fit(plans, toy_dataset()) == plans
        True
    """
    one, free = 4 * data.n_items**2, free_memory()
    fitting = [plan for plan in plans if CARDS[plan.model].squares * one <= free]
    keys = {plan.key for plan in fitting}
    return [replace(plan, against=tuple(key for key in plan.against if key in keys)) for plan in fitting]


def tuned_setting(spec: RunSpec) -> tuple[str, float]:
    """What is tuned of a model without lambda, and its value in this spec.

    Example:
        >>> tuned_setting(paper_settings("amazon", "rlmrec-c"))
        ('contrast_weight', 0.01)
    """
    name = spec.card.tuned
    return name, dict(spec.settings).get(name, LLMREC_PROFILE_WEIGHT)


def _around(spec: RunSpec, n: int) -> tuple[RunSpec, ...]:
    """The spec with its tuned setting at n powers of two times the published value: of five, from 1/4 to 4."""
    name, value = tuned_setting(spec)
    factors = [2.0 ** (k - n // 2) for k in range(n)]
    # at factor 1 the spec itself: the same run as without tuning, even where the preset does not name the setting
    return tuple(spec if f == 1 else spec.with_(settings={**dict(spec.settings), name: f * value}) for f in factors)
