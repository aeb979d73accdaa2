"""The lambda panel: a slider for lambda that interpolates while it moves and trains when it rests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display

from dmrec_core.analysis.line import Here
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import METRICS
from dmrec_core.figures.live.users import user_card, user_label
from dmrec_core.matching import STRATEGIES, Strategy, strategy_of
from dmrec_core.panels.canvas import Canvas
from dmrec_core.panels.front_end import is_live
from dmrec_core.panels.lambda_scene import LambdaScene, Trainer
from dmrec_core.panels.latest_only import Event, LatestOnly
from dmrec_core.panels.parts import Predict, Status, box, control, really, wrapping
from dmrec_core.panels.still import Still
from dmrec_core.runs.presets import LAMBDA
from dmrec_core.runs.progress import clock
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult
from dmrec_core.training.fit import Progress

SETTLE = 0.35  # seconds a slider rests before a run starts: longer than between two key presses
TELL_EVERY = 0.1  # seconds between two progress reports
PAPERS_EXAMPLE = "amazon"  # whose published lambdas the button takes on data that the paper does not have
QUESTION = (
    "DMRec-M shares one budget: λ of it pulls the posterior to the prior N(0, I), 1 − λ of it matches the posterior "
    "with the language distribution. Where will Recall@20 be best: at 0, at 1 or between? And which other model is it "
    "at λ = 1?"
)
ANSWER = (
    "Look for a broad plateau rather than a peak, and compare its height with the width of the band, which is seed "
    "noise. At λ = 1 nothing matches the two spaces any more, but as published they are still <em>added</em>: that is "
    "GODM and CPDM at λ = 0 and the model “Add” (08), and it is not the base model. Press “no matching” under each "
    "strategy: the numbers agree to the last digit."
)


def lambda_panel(
    dataset_name: str = "toy",
    strategies: Sequence[str | Strategy] = tuple(STRATEGIES),
    *,
    grid_results: Sequence[RunResult] = (),
    dataset: RecDataset | None = None,
    trainer: Trainer | None = None,
    start: Mapping[str, object] = {},
    split: str = "test",
    predict: tuple[str, str] | None = (QUESTION, ANSWER),
) -> LambdaPanel | Still:
    """Show the lambda panel.

    While the slider moves, everything is interpolated between the trained runs of `grid_results` and says so. Once it
    rests, the run at that lambda is trained in a thread (or read from the runs folder, if it was trained before) and
    what is shown is measured. The newest value wins. The start is drawn by the calling cell, so its errors fail the
    cell; without a front end that is all.

    Args:
        dataset_name: a name `load_dataset` knows.
        strategies: those to choose from.
        grid_results: runs over lambda (and seeds), and base runs for the reference line, as `sweep` returns them. The
            settings of the retrained runs are theirs, or `paper_settings` where a strategy has none.
        dataset: the data, if not the one that `dataset_name` loads.
        trainer: how runs are retrained: seed, device, runs folder; by default `Trainer()`.
        start: where controls stand at first, as `{"lam": 0.3, "strategy": "godm"}`: any of lam, strategy, variant,
            metric and user. Lambda is by default that of the settings: the published one, or 0.5 where none is.
        split: the held-out items that the curve is of, "test" or "valid".
        predict: question and answer shown above; None for none.

    Returns:
        The panel, already shown.

    Raises:
        ValueError: `start` names a control that is not there, or a value that it does not offer.
    """
    scene = LambdaScene(dataset_name, strategies, grid_results, split, trainer, dataset)
    values = scene.start(start)
    if is_live():
        panel = LambdaPanel(scene, values, predict)
    else:
        panel = Still(scene.draw_measured, values, predict, scene.tell)
    panel.display()
    return panel


class LambdaPanel:
    """What `lambda_panel` returns to a front end: the figure drawn, the marker `.here`, `.set(lam=0.3)` to move it.

    Args:
        scene: what there is to show.
        start: where the controls stand at first, as `scene.start` gives it.
        predict: question and answer shown above.
        loop: the kernel's event loop, if not the running one.
    """

    def __init__(
        self,
        scene: LambdaScene,
        start: Mapping[str, object],
        predict: tuple[str, str] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.scene = scene
        self.lock, self.quiet = threading.RLock(), False  # callbacks may come on two threads
        self._make_controls(start, predict)
        if scene.find(self.spec) is None and not scene.line.neighbours(self.spec):
            scene.measure(self.spec)  # there is nothing else to show
        self.figure = self._drawn()  # by the calling cell itself: an error is the cell's
        self.canvas = Canvas(self.figure)
        self.worker = LatestOnly(self._work, self._on_event, asyncio.get_running_loop() if loop is None else loop)
        self.widget = self._laid_out()
        self._tables()
        self._offer("train", self.spec not in scene.line.known)
        self._say_where()
        self._listen()

    @property
    def spec(self) -> RunSpec:
        """The run that the controls ask for."""
        return self.scene.spec(self.strategy.value, self.variant.value, self.slider.value, self.warm.value)

    @property
    def here(self) -> Here:
        """The marker: lambda, the metric there, and whether it was measured."""
        return self.scene.line.here(self.spec, self.metric.value)

    def set(self, **values: object) -> None:
        """Move controls from code, as if by hand: lam, strategy, variant, metric, user, warm."""
        by_name = {"lam": self.slider, "strategy": self.strategy, "variant": self.variant}
        by_name |= {"metric": self.metric, "user": self.person, "warm": self.warm}
        with self.lock:
            self.quiet = True
            try:
                for name, value in values.items():
                    by_name[name].value = value
            finally:
                self.quiet = False
            self._picked()

    def display(self) -> None:
        """Show the panel."""
        display(self.widget)

    def _ipython_display_(self) -> None:
        """Nothing: it was shown when it was made."""

    # The controls

    def _make_controls(self, start: Mapping[str, object], predict: tuple[str, str] | None) -> None:
        scene = self.scene
        strategies = [(strategy_of(each).long_name, each) for each in scene.strategies]
        variants = [("published code", "published"), ("paper's equations", "paper")]
        people = [(user_label(scene.dataset, user), user) for user in scene.line.people]
        self.slider = control("lambda", (0.0, 1.0, 0.05, start["lam"]), "λ")
        self.strategy = control("strategy", (strategies, start["strategy"]))
        self.variant = control("variant", (variants, start["variant"]))
        self.metric = control("metric", ([(name, key) for key, name in METRICS.items()], start["metric"]))
        self.person = control("user-picker", (people, start["user"]), "one user")
        self.warm = control("warm", False, "start from the nearest run's weights: another run, and sooner done")
        self.predict = None if predict is None else Predict(predict)
        self.status = Status()
        self.presets = {key: widgets.Button(layout=widgets.Layout(width="auto")) for key in ("none", "paper", "text")}
        self._name_presets()

    def _name_presets(self) -> None:
        """What the buttons do depends on the strategy."""
        strategy, name = self.strategy.value, self.scene.dataset_name
        data = name if name in LAMBDA else PAPERS_EXAMPLE
        nothing = strategy_of(strategy).lam_without_matching
        share = next((each for each in self.scene.strategies if strategy_of(each).is_share), None)
        papers = LAMBDA[data].get(strategy)
        of = "" if data == name else f" on {data}"
        rows = {
            "none": ("no matching", f"λ = {nothing:g}: the spaces are added and nothing pulls them together"),
            "paper": (f"the paper's λ{of}", f"λ = {papers:g}, from the published configuration" if papers else ""),
            "text": ("no prior", "λ = 0: all of the share goes to matching with the language space"),
        }
        for key, (text, tip) in rows.items():
            self.presets[key].description, self.presets[key].tooltip = text, tip
        self.presets["paper"].disabled = papers is None
        self.presets["text"].disabled = share is None
        self._values = {"none": {"lam": nothing}, "paper": {"lam": papers}, "text": {"lam": 0.0, "strategy": share}}

    def _laid_out(self) -> widgets.Widget:
        self.button = widgets.Button(layout=widgets.Layout(width="auto"))
        self.button.add_class("dmrec-cancel")
        self.bar = widgets.FloatProgress(value=0, min=0, max=1, layout=widgets.Layout(width="140px"))
        self.bar.add_class("dmrec-progress")
        self.best, self.card = (widgets.HTML(layout=widgets.Layout(flex="1 1 340px")) for _ in range(2))
        presets = wrapping(*self.presets.values())
        presets.add_class("dmrec-presets")
        return box(
            *([] if self.predict is None else [self.predict.widget]),
            wrapping(self.slider, presets),
            wrapping(self.strategy, self.variant, self.metric, self.warm),
            wrapping(self.bar, self.button, self.status.widget),
            self.canvas.widget,
            self.person,
            wrapping(self.best, self.card, align_items="flex-start"),
            kind="lambda-panel",
        )

    def _listen(self) -> None:
        self.slider.observe(lambda change: self._moved(SETTLE) if really(change) else None, names="value")
        for picker in (self.strategy, self.variant, self.warm):
            picker.observe(lambda _: self._picked(), names="value")
        for picker in (self.metric, self.person):
            picker.observe(lambda _: self._looked(), names="value")
        self.button.on_click(lambda _: self.worker.cancel() or self._moved(0.0))
        for key, button in self.presets.items():
            button.on_click(lambda _, key=key: self.set(**self._values[key]))

    # What happens when something moves

    def _picked(self) -> None:
        if not self.quiet:
            with self.lock:
                self._name_presets()
                self._moved(0.0)

    def _moved(self, settle: float) -> None:
        """Another run is asked for: show what is known of it at once, and train it unless it was trained before."""
        if self.quiet:
            return
        with self.lock, self.status.errors_shown():
            if self.predict is not None:
                self.predict.reveal()
            spec, known = self.spec, self.scene.find(self.spec) is not None
            self._draw()
            if known:
                self.worker.cancel(silently=True)
            else:
                self.worker.submit(spec, settle)  # after the drawing: the rest is counted from what the reader sees
            self._offer("train" if known else "cancel", not known)
            self._say_where()

    def _looked(self) -> None:
        """Another metric or user: nothing to train."""
        if self.quiet:
            return
        with self.lock, self.status.errors_shown():
            self._draw()
            if self.status.state in ("done", "interpolated"):
                self._say_where()

    def _draw(self) -> None:
        self.figure = self._drawn()
        self.canvas.show(self.figure)
        self._tables()

    def _drawn(self) -> go.Figure:
        return self.scene.draw(self.spec, self.metric.value, self.person.value)

    def _tables(self) -> None:
        self.best.value = self.scene.table(self.spec, self.person.value)
        self.card.value = user_card(self.scene.dataset, self.person.value)

    # Training, in the worker thread

    def _work(self, spec: RunSpec, cancelled: Callable[[], bool], progress: Callable[[Progress], None]) -> RunResult:
        last = 0.0

        def report(now: Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= TELL_EVERY:
                last = time.monotonic()
                progress(now)

        result = self.scene.train(spec, progress=report, cancel=cancelled)
        if result.has_weights:
            self.scene.line.snapshot(result)  # loads the model here rather than on the event loop
        return result

    def _on_event(self, event: Event) -> None:
        """On the kernel's event loop."""
        with self.lock, self.status.errors_shown():
            name = f"{strategy_of(event.job.strategy).long_name} at λ = {event.job.lam:.2f}"
            if event.kind == "started":
                self._say("busy", f"training {name} …")
            elif event.kind == "progress":
                now = event.value
                self.bar.value = now.epoch / max(now.epochs, 1)
                left = f"at most {clock(now.seconds_left)} left unless it still improves"
                self._say("busy", f"training {name}: epoch {now.epoch} of {now.epochs}, {left}")
            if event.kind in ("done", "cancelled", "failed"):
                self._offer("train", event.kind != "done")
            if event.kind == "done":
                self.bar.value = 1.0
                self.scene.line.add(event.value)
                self._draw()
                self._say_where()
            elif event.kind == "cancelled":
                self._say("cancelled", f"cancelled {name}; “train” starts it again")
            elif event.kind == "failed":
                self.status.failed(event.value, f"{name} could not be trained: ")

    def _offer(self, what: str, possible: bool) -> None:
        """What the button does now: "cancel" what runs, or "train" what was cancelled or failed."""
        self.button.description, self.button.disabled, self.bar.value = what, not possible, 0.0

    def _say_where(self) -> None:
        metric = self.metric.value
        result, here = self.scene.line.known.get(self.spec), self.here.words(METRICS.get(metric, metric))
        if result is None:
            soon = "it is trained as soon as the slider rests" if self.worker.busy else "press “train” to measure it"
            self._say("interpolated", f"{here}; {soon}")
            return
        took = f"trained in {result.record['seconds']:.1f} s, best epoch {result.record['best_epoch']}"
        self._say("done", f"{here} ({took}, seed {result.spec.seed})")

    def _say(self, state: str, text: str) -> None:
        self.status.show(state, text, **self.worker.counts)
