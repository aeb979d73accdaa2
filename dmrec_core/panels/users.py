"""The user panel: one user and one lambda, everything about them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display

from dmrec_core.analysis.line import LambdaLine
from dmrec_core.analysis.snapshots import Snapshot
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.users import draw_user, lambda_of, top_table, user_card, user_label
from dmrec_core.panels.canvas import Canvas
from dmrec_core.panels.front_end import is_live
from dmrec_core.panels.parts import Predict, Status, box, control, wrapping
from dmrec_core.panels.still import Still
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
) -> UserPanel | Still:
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
        ValueError: no run with a lambda, runs that differ in more than lambda, or a start that none of them has.
    """
    scene = UserScene(results, dataset, users)
    values = scene.start(start)
    panel = UserPanel(scene, values, predict) if is_live() else Still(scene.draw, values, predict, scene.tell)
    panel.display()
    return panel


class UserScene:
    """One line of runs, and the drawing of a user at any of them. No widget in here."""

    def __init__(self, results: Sequence[RunResult], dataset: RecDataset, users: Sequence[int] | None = None) -> None:
        self.line, self.dataset = LambdaLine(results, dataset, users), dataset
        self.runs = self.line.single()

    def start(self, lam: float | None = None) -> dict[str, object]:
        """The values to begin with: user and lam.

        Raises:
            ValueError: no run has that lambda.
        """
        lams = list(self.runs)
        lam = lams[len(lams) // 2] if lam is None else lam
        if lam not in self.runs:
            raise ValueError(f"start must be a trained lambda, one of {lams}; got {lam}")
        return {"user": self.line.first_person, "lam": lam}

    def snapshots(self, lam: float) -> tuple[Snapshot, Snapshot | None]:
        """The run at a lambda, and the base model's."""
        run = self.runs[lam]
        return self.line.snapshot(run), self.line.base_snapshot(run.spec.seed)

    def draw(self, user: int, lam: float) -> go.Figure:
        """One user's distributions and loss terms at a trained lambda."""
        shown, before = self.snapshots(lam)
        return draw_user(shown, user, self.dataset, before)

    def table(self, user: int, lam: float) -> str:
        """One user's top ten at a trained lambda, as HTML."""
        shown, before = self.snapshots(lam)
        return top_table(self.dataset, shown, user, before)

    def tell(self, user: int, lam: float) -> str:
        """Top ten and what is known of the user, as HTML."""
        return self.table(user, lam) + user_card(self.dataset, user)

    def words(self, user: int, lam: float) -> str:
        """`user 17, 4 items, DMRec-M at λ = 0.40: 1 of 2 test items in the top ten`."""
        shown, _ = self.snapshots(lam)
        found, test = int(shown.hits[shown.row(user)].sum()), self.dataset.test[user].nnz
        return f"{user_label(self.dataset, user)}, {lambda_of(shown.spec)}: {found} of {test} test items in the top ten"


class UserPanel:
    """What `user_panel` returns to a front end: `.figure` is what is drawn, `.set(user=3, lam=0.5)` moves it.

    Args:
        scene: what there is to show.
        start: where the controls stand at first, as `scene.start` gives it.
        predict: question and answer shown above.
    """

    def __init__(self, scene: UserScene, start: Mapping[str, object], predict: tuple[str, str] | None = None) -> None:
        self.scene = scene
        self._make_controls(start, predict)
        self.figure = scene.draw(**self.values)  # by the cell itself: an error is the cell's
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

    @property
    def values(self) -> dict[str, object]:
        """Where the controls stand."""
        return {"user": self.person.value, "lam": self.slider.value}

    def set(self, user: int | None = None, lam: float | None = None) -> None:
        """Move the controls from code."""
        self.person.value = self.person.value if user is None else user
        self.slider.value = self.slider.value if lam is None else lam

    def display(self) -> None:
        """Show the panel."""
        display(self.widget)

    def _ipython_display_(self) -> None:
        """Nothing: it was shown when it was made."""

    def _make_controls(self, start: Mapping[str, object], predict: tuple[str, str] | None) -> None:
        people = [(user_label(self.scene.dataset, user), user) for user in self.scene.line.people]
        self.person = control("user-picker", (people, start["user"]), "user")
        self.slider = widgets.SelectionSlider(
            options=[(f"{lam:.2f}", lam) for lam in self.scene.runs],
            value=start["lam"],
            description="λ",
            style={"description_width": "initial"},
            layout=widgets.Layout(width="min(420px, 100%)"),
        )
        self.slider.add_class("dmrec-lambda")
        self.predict = None if predict is None else Predict(predict)
        self.status = Status()

    def _moved(self, _change: object = None) -> None:
        if self.predict is not None:
            self.predict.reveal()
        with self.status.errors_shown():
            self.figure = self.scene.draw(**self.values)
            self.canvas.show(self.figure)
            self._tables()

    def _tables(self) -> None:
        self.best.value = self.scene.table(**self.values)
        self.card.value = user_card(self.scene.dataset, self.person.value)
        self.status.show("done", self.scene.words(**self.values))
