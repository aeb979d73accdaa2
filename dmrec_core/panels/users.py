"""The user panel: one user and one lambda, everything about them at once."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython import get_ipython
from IPython.display import HTML, display

from dmrec_core.analysis.snapshots import Snapshot, crowd, take_snapshot, typical_users
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.users import draw_user, lambda_of, top_table, user_card, user_label
from dmrec_core.panels.canvas import Canvas
from dmrec_core.panels.front_end import is_live, show_once
from dmrec_core.panels.parts import Predict, Status, box, control, wrapping
from dmrec_core.runs.store import RunResult

QUESTION = (
    "Pick a user with few items, then one with many. For whom will the language distribution p and the fused posterior "
    "lie close together, and whose top ten will move more when λ changes?"
)
ANSWER = (
    "As published the fused mean is the sum of both means, so q's mean is a correction of p's. For a sparse user that "
    "correction is small: the fused posterior sits on p. On toy their top ten also moves <em>less</em> with λ, which "
    "decides how far q may correct the text: only a long history has much to correct it with."
)


def user_panel(
    results: Sequence[RunResult],
    dataset: RecDataset,
    *,
    users: Sequence[int] | None = None,
    start: float | None = None,
    predict: tuple[str, str] | None = (QUESTION, ANSWER),
) -> UserPanel:
    """Show the user panel: pick a user and a lambda among trained runs; nothing is interpolated or trained.

    Args:
        results: runs of one strategy, variant and seed over lambda; a base run among them is what rankings and loss
            terms are compared with.
        dataset: their data.
        users: whom to choose from; by default twelve with test items, from the shortest history to the longest.
        start: lambda at first; by default the middle one.
        predict: question and answer shown above; None for none.

    Returns:
        The panel, already shown.

    Raises:
        ValueError: no run with a lambda, or runs that differ in more than lambda.
    """
    panel = UserPanel(results, dataset, users, start, predict)
    panel.display()
    return panel


class UserPanel:
    """What `user_panel` returns: `.figure` is what is drawn, `.set(user=3, lam=0.5)` moves it from code."""

    def __init__(
        self,
        results: Sequence[RunResult],
        dataset: RecDataset,
        users: Sequence[int] | None = None,
        start: float | None = None,
        predict: tuple[str, str] | None = None,
        live: bool | None = None,
    ) -> None:
        self.runs = {r.spec.lam: r for r in sorted(results, key=lambda r: r.spec.lam or 0) if r.spec.strategy != "base"}
        if len({result.spec.with_(lam=0.5) for result in self.runs.values()}) != 1:
            raise ValueError("the user panel needs runs of one strategy, variant and seed that differ in lambda only")
        self.live, self.dataset = is_live() if live is None else live, dataset
        base = next((r for r in results if r.spec.strategy == "base" and r.spec.kl_weight == 1), None)
        people = typical_users(dataset) if users is None else list(users)
        self.users = crowd(dataset, people)
        self._snapshots: dict[float, Snapshot] = {}
        self.before = None if base is None else take_snapshot(base, dataset, self.users)
        self._make_controls([int(user) for user in people], start, predict)
        self.figure = self.draw(self.person.value, self.slider.value)  # by the cell itself: an error is the cell's
        if self.live:
            self._go_live()

    def snapshot(self, lam: float) -> Snapshot:
        """The run at a lambda, seen through the crowd; loaded once."""
        if lam not in self._snapshots:
            reference = next(iter(self._snapshots.values()), None)
            self._snapshots[lam] = take_snapshot(self.runs[lam], self.dataset, self.users, reference)
        return self._snapshots[lam]

    def draw(self, user: int, lam: float) -> go.Figure:
        """One user's distributions and loss terms at a trained lambda."""
        return draw_user(self.snapshot(lam), user, self.dataset, self.before)

    def table(self, user: int, lam: float) -> str:
        """One user's top ten at a trained lambda, as HTML."""
        return top_table(self.dataset, self.snapshot(lam), user, self.before)

    def set(self, user: int | None = None, lam: float | None = None) -> None:
        """Move the controls from code."""
        self.person.value = self.person.value if user is None else user
        self.slider.value = self.slider.value if lam is None else lam
        if not self.live:
            self._moved()

    def display(self) -> None:
        """Show the panel; without a front end its figure and its tables."""
        if self.live:
            display(self.widget)
        elif get_ipython() is not None:
            if self.predict:
                display(HTML(self.predict.as_html()))
            show_once(self.figure)
            display(HTML(self.table(self.person.value, self.slider.value) + user_card(self.dataset, self.person.value)))

    def _ipython_display_(self) -> None:
        """Nothing: it was shown when it was made."""

    def _make_controls(self, people: list[int], start: float | None, predict: tuple[str, str] | None) -> None:
        lams = list(self.runs)
        start = lams[len(lams) // 2] if start is None else start
        if start not in self.runs:
            raise ValueError(f"start must be a trained lambda, one of {lams}; got {start}")
        labels = [(user_label(self.dataset, user), user) for user in people]
        self.person = control("user-picker", (labels, people[len(people) // 3]), "user")
        self.slider = widgets.SelectionSlider(
            options=[(f"{lam:.2f}", lam) for lam in lams],
            value=start,
            description="λ",
            style={"description_width": "initial"},
            layout=widgets.Layout(width="min(420px, 100%)"),
        )
        self.slider.add_class("dmrec-lambda")
        self.predict = None if predict is None else Predict(predict)
        self.status = Status()

    def _go_live(self) -> None:
        self.canvas = Canvas(self.figure)
        self.best, self.card = (widgets.HTML(layout=widgets.Layout(flex="1 1 340px")) for _ in range(2))
        for widget in (self.person, self.slider):
            widget.observe(self._moved, names="value")
        self._tables()
        self.widget = box(
            *([] if self.predict is None else [self.predict.widget]),
            wrapping(self.person, self.slider),
            self.status.widget,
            self.canvas.widget,
            wrapping(self.best, self.card, align_items="flex-start"),
            kind="user-panel",
        )

    def _moved(self, _change: object = None) -> None:
        if self.predict is not None:
            self.predict.reveal()
        with self.status.errors_shown():
            self.figure = self.draw(self.person.value, self.slider.value)
            if self.live:
                self.canvas.show(self.figure)
                self._tables()

    def _tables(self) -> None:
        user, lam = self.person.value, self.slider.value
        self.best.value, self.card.value = self.table(user, lam), user_card(self.dataset, user)
        snapshot = self.snapshot(lam)
        found = int(snapshot.hits[snapshot.row(user)].sum())
        test = int(self.dataset.test.indptr[user + 1] - self.dataset.test.indptr[user])
        text = f"{user_label(self.dataset, user)}, {lambda_of(snapshot)}: {found} of {test} test items in the top ten"
        self.status.show("done", text)
