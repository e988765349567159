"""Spectra of a histogrammer, live, with a fit of a peak."""

from __future__ import annotations

from html import escape
from threading import RLock
from typing import Any, Protocol

import ipywidgets
import numpy as np

from narval.errors import NarvalError
from narval.notebook.fit import FitError, PeakFit, fit_peak
from narval.notebook.html import make_sentence, make_table
from narval.notebook.live import Live, one_sentence
from narval.notebook.plots import LinePlot, MatrixPlot
from narval.notebook.words import Language, find_language, phrase
from narval.spectra import Spectrum

_REBINS = (1, 2, 4, 8, 16, 32)


class Asked(Protocol):
    """What is asked of a sub-system: `narval.client` has it."""

    def ask(self, actor: str, what: str, **with_: Any) -> Any:
        """Return what the actor answers."""
        ...


class LiveSpectra(ipywidgets.VBox):  # type: ignore[misc]
    """Shows one spectrum of a histogrammer and follows it while the acquisition runs.

    Args:
        actor: the histogrammer's name in the topology.
        period_s: from one look to the next.
        live: whether it begins to follow at once; else `refresh` looks once.
    """

    def __init__(
        self,
        sub_system: Asked,
        actor: str,
        *,
        language: Language | None = None,
        period_s: float = 1.0,
        live: bool = True,
    ) -> None:
        self._sub_system, self._actor = sub_system, actor
        self._language = language or find_language()
        self._lock = RLock()  # what is shown changes by the thread that follows, and by the trainee
        self._settling = False  # the list of spectra changes, and not by the trainee
        self.spectrum: Spectrum | None = None
        self.fit: PeakFit | None = None
        self._make_controls(live=live)
        self._line = LinePlot(self._language, self._set_range)
        self._matrix = MatrixPlot(self._language)
        self._summary, self._result = ipywidgets.HTML(), ipywidgets.HTML()
        self._say("no_spectrum")
        self._choose_row = ipywidgets.HBox(
            [self.name, self.rebin, self.logarithmic, self.following, self.clear]
        )
        self._fit_row = ipywidgets.HBox([self.low, self.high, self.fit_button, self.zoom])
        for row in (self._choose_row, self._fit_row):
            row.layout.flex_flow = "row wrap"
        self._arranged: tuple[ipywidgets.Widget, ...] = (self._choose_row, self._summary)
        super().__init__(self._arranged)
        self._live = Live(self.refresh, self._tell_failure, period_s)
        self._connect()
        if live:
            self._live.start()

    def refresh(self) -> None:
        """Look once and show what is there.

        Raises:
            NarvalError: the histogrammer cannot be asked.
        """
        names = list(self._sub_system.ask(self._actor, "names"))
        with self._lock:
            self._offer(names)
            name, factor = self.name.value, self.rebin.value
        if name is None:
            self._forget()
            return
        found = self._sub_system.ask(self._actor, "spectra", names=[name], rebin=factor)
        with self._lock:
            if (name, factor) == (self.name.value, self.rebin.value):  # else: asked for once more
                self.spectrum = Spectrum.from_json(found[name])
                if self.fit is not None:
                    self._fit()
                self._show()

    def fit_now(self) -> PeakFit | None:
        """Fit the peak between the limits, show it and return it; None: the reason is shown.

        The fit then follows the spectrum.
        """
        with self._lock:
            if self.spectrum is None or len(self.spectrum.axes) != 1:
                return None
            self._fit()
            self._result.value = f'<div role="status">{self._result.value}</div>'
            self._show()
            return self.fit

    def to_hist(self) -> Any:
        """Return what is shown as a `hist.Hist`, for work of one's own.

        Raises:
            NarvalError: nothing is shown yet.
        """
        from narval.notebook.hists import to_hist  # noqa: PLC0415 - takes a while to import

        if self.spectrum is None:
            raise NarvalError(self._phrase("no_spectrum"))
        return to_hist(self.spectrum)

    def close(self) -> None:
        """Stop following; and no longer be shown."""
        self._live.stop()
        super().close()

    def _make_controls(self, *, live: bool) -> None:
        say = self._phrase
        style = {"description_width": "initial"}
        self.name = ipywidgets.Dropdown(
            description=say("spectrum"), tooltip=say("spectrum_help"), style=style
        )
        self.rebin = ipywidgets.Dropdown(
            options=_REBINS, description=say("rebin"), tooltip=say("rebin_help"), style=style,
            layout={"width": "150px"},
        )  # fmt: skip
        self.logarithmic = ipywidgets.Checkbox(
            description=say("log_scale"), tooltip=say("log_scale_help"), indent=False,
            layout={"width": "auto"},
        )  # fmt: skip
        self.following = ipywidgets.ToggleButton(
            value=live, description=say("live"), tooltip=say("live_help")
        )
        self.clear = ipywidgets.Button(description=say("clear"), tooltip=say("clear_help"))
        self.low, self.high = (
            ipywidgets.FloatText(
                description=say(word), tooltip=say("range_help"), style=style,
                layout={"width": "150px"},
            )
            for word in ("from", "to")
        )  # fmt: skip
        self.fit_button = ipywidgets.Button(description=say("fit"), tooltip=say("fit_help"))
        self.zoom = ipywidgets.ToggleButton(description=say("zoom"), tooltip=say("zoom_help"))

    def _connect(self) -> None:
        for each in (self.name, self.rebin):
            each.observe(lambda _: self._look_again(), "value")
        self.logarithmic.observe(lambda _: self._show(), "value")
        self.following.observe(lambda _: self._follow(), "value")
        for control in (self.zoom, self.low, self.high):
            control.observe(lambda _: self._zoom(), "value")
        self.clear.on_click(lambda _: self._clear())
        self.fit_button.on_click(lambda _: self.fit_now())

    def _follow(self) -> None:
        if self.following.value:
            self._live.start()
        else:
            self._live.stop()

    def _offer(self, names: list[str]) -> None:
        """Let the trainee choose among these; the one that is shown stays chosen."""
        if list(self.name.options) == names:
            return
        kept = self.name.value if self.name.value in names else None
        self._settling = True
        self.name.options = names
        self.name.value = kept or (names[0] if names else None)
        self._settling = False

    def _look_again(self) -> None:
        if self._settling:
            return
        with self._lock:
            self.fit = None
            self._result.value = ""
        self._live.once()

    def _clear(self) -> None:
        try:
            self._sub_system.ask(self._actor, "clear")
        except (NarvalError, OSError) as error:
            self._tell_failure(one_sentence(error))
        else:
            self._look_again()

    def _set_range(self, low: float, high: float) -> None:
        self.low.value, self.high.value = round(low, 2), round(high, 2)

    def _zoom(self) -> None:
        low, high = sorted((self.low.value, self.high.value))
        wanted = self.zoom.value and low < high
        self._line.zoom(low if wanted else None, high if wanted else None)

    def _fit(self) -> None:
        assert self.spectrum is not None, "whoever calls has looked"  # noqa: S101
        axis, counts = self.spectrum.axes[0], self.spectrum.counts
        try:
            self.fit = fit_peak(axis, counts, self.low.value, self.high.value)
        except FitError as error:
            self.fit = None
            reason = self._phrase(error.problem, **error.facts)
            self._result.value = f"<div>{escape(reason)}</div>"
        else:
            self._result.value = self._table(self.fit)

    def _show(self) -> None:
        with self._lock:
            if self.spectrum is None:
                return
            if len(self.spectrum.axes) == 1:
                self._line.show(self.spectrum, self.fit, logarithmic=self.logarithmic.value)
                self._arrange(self._line.figure, self._summary, self._fit_row, self._result)
            else:
                self._matrix.show(self.spectrum, logarithmic=self.logarithmic.value)
                self._arrange(self._matrix.figure, self._summary)
            self._summary.value = f"<div>{escape(self._describe(self.spectrum))}</div>"

    def _forget(self) -> None:
        with self._lock:
            self.spectrum = self.fit = None
            self._arrange(self._summary)
            self._say("no_spectrum")

    def _arrange(self, *below: ipywidgets.Widget) -> None:
        wanted = (self._choose_row, *below)
        if wanted != self._arranged:
            self.children = self._arranged = wanted

    def _describe(self, spectrum: Spectrum) -> str:
        """Return the spectrum in words, for those who do not see it."""
        top = np.unravel_index(int(spectrum.counts.argmax()), spectrum.counts.shape)
        place = ", ".join(
            f"{axis.label} {axis.centres()[index]:.1f}"
            for axis, index in zip(spectrum.axes, top, strict=True)
        )
        return self._phrase(
            "entries", name=spectrum.name, entries=spectrum.entries, outside=spectrum.outside,
            counts=int(spectrum.counts[top]), place=place,
        )  # fmt: skip

    def _table(self, fit: PeakFit) -> str:
        facts = (
            ("centroid", fit.centroid),
            ("fwhm", fit.fwhm),
            ("area", fit.area),
            ("fit_quality", f"{fit.chi2_per_dof:.2f}"),
        )
        rows = [(self._phrase(word), value) for word, value in facts]
        return make_table("", (), rows)

    def _tell_failure(self, sentence: str) -> None:
        with self._lock:
            self._say("failed", error=sentence)

    def _say(self, name: str, /, **facts: object) -> None:
        self._summary.value = make_sentence(self._phrase(name, **facts))

    def _phrase(self, name: str, /, **facts: object) -> str:
        return phrase(name, self._language, **facts)
