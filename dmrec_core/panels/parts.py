"""What panels are made of: a control from its range, a row of presets, a question, a status line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import ipywidgets as widgets

from dmrec_core.records.markup import html_text

GREEK = {
    "lam": "λ", "lambda_": "λ", "alpha": "α", "beta": "β", "epsilon": "ε",
    "mu": "μ", "sigma": "σ", "phi": "φ", "varphi": "φ", "logvar": "log σ²",
}  # fmt: skip
FEW, SHORT = 4, 60  # so many options, so many letters in all, still fit side by side
STYLE = """<style>
.dmrec-panel { max-width: 1180px; padding: 2px; }
.dmrec-figure { width: 100%; }
.dmrec-panel .widget-toggle-buttons { flex-wrap: nowrap; margin-right: 14px; }
.dmrec-status .widget-html-content { line-height: 1.4; }
.dmrec-status [data-state=error] { color: var(--jp-error-color1, #b00020); font-weight: 600; white-space: pre-wrap; }
.dmrec-status [data-state=busy] { font-style: italic; }
.dmrec-predict .widget-html-content { line-height: 1.45; }
.dmrec-question { border-left: 4px solid #8a8a8a; padding: 4px 10px; margin: 4px 0; }
.dmrec-top { border-collapse: collapse; line-height: 1.45; }
.dmrec-top caption { text-align: left; font-weight: 600; padding: 2px 0; }
.dmrec-top th { text-align: left; border-bottom: 1px solid #8a8a8a; padding: 1px 12px 1px 0; font-weight: 600; }
.dmrec-top td { padding: 1px 12px 1px 0; }
.dmrec-top .dmrec-hit td { font-weight: 600; color: #1c6b46; background: rgba(37, 138, 92, .10); }
.dmrec-user p { margin: 4px 0; line-height: 1.4; }
.dmrec-answer { border-left: 4px solid #2a7f3f; padding: 4px 10px; margin: 4px 0; }
</style>"""


def label_of(name: str) -> str:
    """A control's label from its name: Greek where the name is a Greek letter's.

    Example:
        >>> label_of("lam"), label_of("mu_q"), label_of("n_groups")
        ('λ', 'μ q', 'n groups')
    """
    return " ".join(GREEK.get(part, part) for part in ([name] if name in GREEK else name.split("_")))


def control(name: str, spec: object, label: str | None = None) -> widgets.ValueWidget:
    """The widget for one control.

    Args:
        name: the argument of `draw` it sets.
        spec: `(min, max, step, start)` for a slider, with whole numbers if all four are; a list of options (the first
            is the start), `(options, start)`, or `[(label, value), ...]` for a picker; True or False for a check box; a
            text for an area to write in, which counts when it is left.
        label: shown before it; by default from the name.

    Raises:
        ValueError: the range is empty, the start is outside of it or is no option.
    """
    label = label_of(name) if label is None else label
    wide = {"style": {"description_width": "initial"}}
    if isinstance(spec, bool):
        layout = widgets.Layout(width="auto", max_width="100%")  # by default a label is cut at 300 pixels
        made = widgets.Checkbox(value=spec, description=label, indent=False, layout=layout)
    elif isinstance(spec, str):
        rows = min(14, max(3, sum(1 + len(line) // 100 for line in spec.splitlines())))
        layout = widgets.Layout(width="100%", height="auto")
        made = widgets.Textarea(spec, description=label, continuous_update=False, rows=rows, layout=layout, **wide)
    elif isinstance(spec, list) or (isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], list)):
        made = _picker(name, *(spec if isinstance(spec, tuple) else (spec, None)), label)
    elif isinstance(spec, tuple) and len(spec) == 4:
        low, high, step, start = spec
        if not (low < high and step > 0 and low <= start <= high):
            raise ValueError(f"control {name}: expected (min, max, step, start) with min <= start <= max; got {spec}")
        whole = all(isinstance(value, int) for value in spec)
        kind = widgets.IntSlider if whole else widgets.FloatSlider
        form = "d" if whole else f".{_decimals(step)}f"
        layout = widgets.Layout(width="min(420px, 100%)")
        made = kind(start, min=low, max=high, step=step, description=label, readout_format=form, layout=layout, **wide)
    else:
        raise ValueError(
            f"control {name}: expected (min, max, step, start), a list of options, a bool or a text; got {spec!r}"
        )
    made.add_class(f"dmrec-{name.replace('_', '-')}")
    return made


def _picker(name: str, options: list, start: object, label: str) -> widgets.ValueWidget:
    if not options:
        raise ValueError(f"control {name}: a picker needs at least one option")
    pairs = [option if isinstance(option, tuple) else (str(option), option) for option in options]
    values = [value for _, value in pairs]
    start = values[0] if start is None else start
    if start not in values:
        raise ValueError(f"control {name}: the start {start!r} is none of the options {values}")
    layout = widgets.Layout(width="max-content", max_width="100%")
    if len(pairs) <= FEW and sum(len(text) for text, _ in pairs) <= SHORT:
        style = {"description_width": "initial", "button_width": "auto"}
        return widgets.ToggleButtons(options=pairs, value=start, description=label, style=style, layout=layout)
    style = {"description_width": "initial"}
    return widgets.Dropdown(options=pairs, value=start, description=label, style=style, layout=layout)


def _decimals(step: float) -> int:
    """As many as the step has: 2 for 0.05."""
    return next((n for n in range(6) if math.isclose(step, round(step, n))), 6)


def really(change: Mapping | None) -> bool:
    """Whether a reader moved something: a slider in the page rounds its start, 1.5 to 1.5000000000000004, by itself."""
    values = [] if change is None else [change["old"], change["new"]]
    floats = values and all(isinstance(value, float) for value in values)
    return not (floats and math.isclose(*values, rel_tol=1e-9, abs_tol=1e-9))


def preset_row(presets: Mapping[str, Mapping[str, object]], choose: Callable[[Mapping], None]) -> widgets.Widget:
    """One button a preset; pressing it calls `choose` with the preset's values."""
    buttons = []
    for name, values in presets.items():
        button = widgets.Button(description=name, tooltip=_in_words(values), layout=widgets.Layout(width="auto"))
        button.on_click(lambda _, values=values: choose(values))
        buttons.append(button)
    row = wrapping(*buttons)
    row.add_class("dmrec-presets")
    return row


def _in_words(values: Mapping[str, object]) -> str:
    return ", ".join(f"{label_of(name)} = {str(value)[:SHORT]}" for name, value in values.items())


class Predict:
    """A question to answer before looking; its answer appears when a control is used for the first time."""

    def __init__(self, predict: str | Sequence[str]) -> None:
        self.question, self.answer = (predict, "") if isinstance(predict, str) else predict
        self.widget = widgets.HTML()
        self.widget.add_class("dmrec-predict")
        self._show(revealed=False)

    def reveal(self) -> None:
        """Show the answer."""
        self._show(revealed=True)

    def _show(self, revealed: bool) -> None:
        hint = "" if revealed or not self.answer else " <em>(the answer appears when you move something)</em>"
        answer = f"<div class='dmrec-answer' role='status'>{self.answer}</div>" if revealed and self.answer else ""
        self.widget.value = (
            f"<div class='dmrec-question'><b>Predict, then look.</b> {self.question}{hint}</div>{answer}"
        )


def folded(predict: str | Sequence[str]) -> str:
    """Question and answer as HTML where nothing moves: the answer behind a fold."""
    question, answer = (predict, "") if isinstance(predict, str) else predict
    fold = f"<details><summary>answer</summary>{answer}</details>" if answer else ""
    return f"<div><b>Predict, then look.</b> {question}{fold}</div>"


class Status:
    """A line that says what the panel is doing; screen readers announce it.

    `data-state` is "idle", "busy", "interpolated", "done", "cancelled" or "error".
    """

    def __init__(self, text: str = "") -> None:
        self.state, self.text = "", ""
        self.widget = widgets.HTML()
        self.widget.add_class("dmrec-status")
        self.show("idle", text)

    def show(self, state: str, text: str, **data: object) -> None:
        """Set state and text; `data` become further `data-...` attributes."""
        self.state, self.text = state, text
        more = "".join(f" data-{name}='{html_text(value)}'" for name, value in data.items())
        self.widget.value = f"<div role='status' data-state='{state}'{more}>{html_text(text)}</div>"

    def failed(self, error: BaseException, what: str = "") -> None:
        """Show an error: what failed, the error's kind and its message."""
        self.show("error", f"{what}{type(error).__name__}: {error}")

    @contextmanager
    def errors_shown(self) -> Iterator[None]:
        """Show an error raised inside: in a widget's callback it would go to a log that nobody reads."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (whatever it is, the reader is told)
            self.failed(error)


def wrapping(*children: widgets.Widget, **layout: str) -> widgets.HBox:
    """Widgets side by side, on as many lines as they need."""
    return widgets.HBox(children, layout=widgets.Layout(**{"flex_flow": "row wrap", "align_items": "center", **layout}))


def box(*children: widgets.Widget, kind: str) -> widgets.VBox:
    """The panel's outer box, with the style sheet that its parts need."""
    panel = widgets.VBox([widgets.HTML(STYLE, layout=widgets.Layout(display="none")), *children])
    panel.add_class("dmrec-panel")
    panel.add_class(f"dmrec-{kind}")
    return panel
