"""The widgets' models, without a browser, on a real histogrammer."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from narval.actors.energy_frames import pack_energies
from narval.actors.histogrammer import Histogrammer
from narval.client import SubSystemStatus
from narval.control.log_record import LogRecord
from narval.errors import NarvalError
from narval.events import FrameType
from narval.mfm import Event, pack_event
from narval.notebook.control import ACTIONS, RunControl
from narval.notebook.pictures import TopologyPicture, show_topology
from narval.notebook.spectra import LiveSpectra
from narval.notebook.words import Language
from narval.plugins.plugin import Run
from narval.states import Action, State, allowed_actions, make_transitions, next_state
from narval.topology.model import Actor, LogLevel, OutputBuffer, Role, Topology
from narval.topology.write import format_topology


class Desk:
    """A sub-system of one histogrammer, in this process: what is asked goes straight to it."""

    name = "tandem"

    def __init__(self, tmp_path):
        self.histogrammer = Histogrammer()
        self.histogrammer.initialise()
        self.histogrammer.start(Run(1, tmp_path))
        self.asked = []

    def fill(self, kev, detector=0):
        ticks = np.arange(len(kev))
        data = pack_energies(ticks, np.asarray(kev, float), detector=detector, first_number=0)
        self.histogrammer.consume(memoryview(data))

    def ask(self, actor, what, **with_):
        assert actor == "spectra"
        self.asked.append(what)
        return json.loads(json.dumps(self.histogrammer.ask(what, with_)))


TOPOLOGY = Topology(
    (Actor("a", Role.PRODUCER, "h", "prod", outputs=(OutputBuffer("data", 100, "fifo"),)),)
)


def make_status(state=State.INITIAL, actors=(), under_way=None, error=None, run_number=None):
    allowed = allowed_actions(state, make_transitions())
    return SubSystemStatus(
        "tandem", state, under_way, allowed, error, run_number, "tandem.xml", actors
    )


@dataclass
class Coordinator:
    """The state machine alone, with what it was asked for."""

    now: SubSystemStatus
    name: str = "tandem"
    fails: str = ""
    lines: tuple[LogRecord, ...] = ()

    def act(self, action):
        if self.fails:
            raise NarvalError(self.fails)
        state = next_state(self.now.state, Action(action), make_transitions())
        self.now = make_status(state, self.now.actors, run_number=self.now.run_number)

    def status(self):
        if self.fails == "gone":
            raise NarvalError("the coordinator does not answer")
        return self.now

    def log(self, last=100):
        return self.lines[-last:]

    def topology(self):
        return format_topology(TOPOLOGY)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def spectra(desk):
    widget = LiveSpectra(desk, "spectra", language=Language.EN, live=False)
    yield widget
    widget.close()


def peak(generator, count=3000):
    return np.concatenate(
        (generator.normal(1332.5, 0.85, count), generator.uniform(1300, 1365, 900))
    )


def test_before_the_first_event_there_is_a_sentence(spectra):
    spectra.refresh()
    assert "There is no spectrum yet" in spectra.children[-1].value
    assert spectra.fit_now() is None


def test_a_spectrum_is_shown_and_follows(desk, spectra):
    desk.fill([100.2] * 3)
    spectra.refresh()
    line = spectra.children[1].marks[0]
    assert (line.y[200], line.y.sum()) == (3, 3)
    desk.fill([100.2])
    spectra.refresh()
    assert line.y[200] == 4
    assert (
        "detector_0: 4 entries, 0 outside; highest bin 4 at energy (keV) 100.2"
        in spectra.children[2].value
    )


def test_the_trainee_chooses_spectrum_rebin_and_scale(desk, spectra):
    desk.fill([100.2, 100.7], detector=0)
    desk.fill([200.2], detector=4)
    spectra.refresh()
    assert spectra.name.options == ("detector_0", "detector_4", "energy_time")
    spectra.name.value = "detector_4"
    assert spectra.spectrum.counts[400] == 1
    spectra.rebin.value = 4
    assert spectra.spectrum.axes[0].bins == 1024
    spectra.logarithmic.value = True
    assert spectra.children[1].marks[0].y.min() == pytest.approx(np.log10(0.5))
    desk.fill([1.0], detector=2)
    spectra.refresh()
    assert spectra.name.value == "detector_4"  # a new spectrum does not change the choice


def test_two_dimensions_are_shown_as_colours(desk, spectra):
    desk.fill([100.0])
    spectra.refresh()
    spectra.name.value = "energy_time"
    (colours,) = spectra.children[1].marks
    assert colours.color.shape == (256, 240)
    assert colours.color[12, 0] == 1
    assert spectra.fit_now() is None


def test_a_peak_is_fitted_between_the_limits_and_told(desk, spectra):
    desk.fill(peak(np.random.default_rng(3)))
    spectra.refresh()
    spectra.low.value, spectra.high.value = 1315, 1350
    fit = spectra.fit_now()
    assert abs(fit.centroid.value - 1332.5) < 5 * fit.centroid.error
    told = spectra.children[-1].value
    assert 'role="status"' in told
    for wanted in ("Centroid", str(fit.centroid), "FWHM", str(fit.fwhm), "Area", str(fit.area)):
        assert wanted in told
    curve = spectra.children[1].marks[1]
    assert curve.y.max() == pytest.approx(fit.curve(np.array([1332.5]), 0.5)[0], rel=0.02)
    desk.fill(peak(np.random.default_rng(4)))
    spectra.refresh()  # the fit follows, and is not read aloud each time
    assert spectra.fit.area.value == pytest.approx(2 * fit.area.value, rel=0.1)
    assert str(spectra.fit.area) in spectra.children[-1].value
    assert "status" not in spectra.children[-1].value
    spectra.rebin.value = 2  # the fit was of other bins
    assert spectra.fit is None


def test_a_range_dragged_over_the_picture_sets_the_limits_and_zooms(desk, spectra):
    desk.fill([1.0])
    spectra.refresh()
    figure = spectra.children[1]
    figure.interaction.selected = np.array([10.004, 20.0])
    assert (spectra.low.value, spectra.high.value) == (10.0, 20.0)
    spectra.zoom.value = True
    scale = figure.marks[0].scales["x"]
    assert (scale.min, scale.max) == (10.0, 20.0)
    spectra.zoom.value = False
    assert (scale.min, scale.max) == (None, None)


def test_where_there_is_no_fit_the_reason_is_a_sentence_in_french(desk):
    desk.fill([100.0] * 3)
    widget = LiveSpectra(desk, "spectra", language=Language.FR, live=False)
    widget.refresh()
    widget.low.value, widget.high.value = 0, 500
    assert widget.fit_now() is None
    assert "Il n&#x27;y a que 3 coups" in widget.children[-1].value
    widget.close()


def test_what_is_shown_is_a_hist_for_ones_own_work(desk, spectra):
    with pytest.raises(NarvalError, match="There is no spectrum yet"):
        spectra.to_hist()
    desk.fill([100.2] * 3 + [700.0])
    spectra.refresh()
    own = spectra.to_hist()
    assert own.sum() == 4
    assert own[100j:101j].sum() == 3  # by energy, as hist's users write it
    assert own.axes[0].label == "energy (keV)"


def test_clear_empties_the_histogrammer(desk, spectra):
    desk.fill([1.0])
    spectra.refresh()
    spectra.clear.click()
    assert desk.histogrammer.ask("names", {}) == []
    assert "There is no spectrum yet" in spectra.children[-1].value


def test_an_error_is_one_sentence(desk, spectra, monkeypatch):
    desk.fill([1.0])
    spectra.refresh()
    desk.histogrammer.consume(memoryview(pack_event(Event(FrameType.BUILT, 0, 0, b""))))
    monkeypatch.setattr(desk, "ask", lambda *_, **__: desk.histogrammer.ask("gain", {}))
    spectra.rebin.value = 2
    assert "That did not work: a histogrammer knows no" in spectra.children[2].value


def test_what_has_not_changed_is_not_sent(desk, spectra):
    desk.fill([1.0])
    spectra.refresh()
    sent = []
    spectra.children[1].marks[0].observe(lambda change: sent.append(change["name"]), ["x", "y"])
    spectra.refresh()
    assert sent == []
    desk.fill([1.0])
    spectra.refresh()
    assert sent == ["y"]


def test_every_control_has_a_name_and_help(spectra):
    controls = [*spectra.children[0].children, *spectra._fit_row.children]
    assert all(control.description and control.tooltip for control in controls)


@pytest.mark.parametrize("state", State)
def test_exactly_the_buttons_that_the_state_allows_can_be_pressed(state):
    control = RunControl(Coordinator(now=make_status(state)), language=Language.EN, live=False)
    control.refresh()
    pressable = {action for action in ACTIONS if not control.buttons[action].disabled}
    assert pressable == set(allowed_actions(state, make_transitions())) - {Action.LAUNCH}
    assert f"<strong>{state}</strong>" in control.state.value
    control.close()


def test_pressing_a_button_asks_for_the_action_and_shows_the_new_state():
    coordinator = Coordinator(now=make_status(State.STOPPED, run_number=4))
    control = RunControl(coordinator, language=Language.FR, live=False)
    control.refresh()
    control.buttons[Action.START].click()
    assert coordinator.now.state is State.RUNNING
    assert "start\u202f: fait." in control.answer.value
    assert "Run\u202f: 4" in control.state.value
    assert not control.buttons[Action.STOP].disabled
    control.close()


def test_a_refused_action_is_one_sentence_and_the_buttons_come_back():
    coordinator = Coordinator(now=make_status(State.STOPPED), fails="writer: the disk is full")
    control = RunControl(coordinator, language=Language.EN, live=False)
    control.refresh()
    control.buttons[Action.START].click()
    assert "That did not work: writer: the disk is full" in control.answer.value
    assert not control.buttons[Action.START].disabled
    control.close()


def test_while_an_action_is_under_way_nothing_can_be_pressed():
    coordinator = Coordinator(now=make_status(State.STOPPED, under_way="start"))
    control = RunControl(coordinator, language=Language.EN, live=False)
    control.refresh()
    assert all(button.disabled for button in control.buttons.values())
    assert "start is under way" in control.state.value
    control.close()


def test_a_coordinator_that_is_gone_is_told_and_nothing_can_be_pressed():
    coordinator = Coordinator(now=make_status(State.STOPPED))
    control = RunControl(coordinator, language=Language.EN, live=False)
    control.refresh()
    coordinator.fails = "gone"
    control.buttons[Action.START].click()
    assert "the coordinator does not answer" in control.state.value
    assert all(button.disabled for button in control.buttons.values())
    control.close()


def test_dead_actors_rates_and_the_log_are_shown():
    actors = (
        {"name": "a", "state": "Running", "bytes_per_s_out": 5e5, "buffers": []},
        {"name": "b", "state": "Error", "error": "killed by SIGSEGV in process_block"},
    )
    line = LogRecord("2026-01-02T03:04:05Z", LogLevel.ERROR, "tandem", "b", "h", "it died")
    coordinator = Coordinator(
        now=make_status(State.ERROR, actors, error="b: killed"), lines=(line,)
    )
    control = RunControl(coordinator, language=Language.EN, live=False)
    control.refresh()
    assert "b has failed: killed by SIGSEGV in process_block" in control.alarms.value
    assert "500 kB/s" in control.actors.value
    assert "03:04:05 error b: it died" in control.log_lines.value
    control.close()


def test_the_picture_shows_states_and_rates():
    running = {"name": "a", "state": "Running", "bytes_per_s_out": 2e6}
    coordinator = Coordinator(now=make_status(State.RUNNING, (running,)))
    picture = TopologyPicture(coordinator, language=Language.EN, live=False)
    picture.refresh()
    assert "▶ Running · out 2 MB/s" in picture.picture.value
    coordinator.now = make_status(State.INITIAL)
    picture.refresh()
    assert picture.picture.value == ""
    assert "configure the sub-system" in picture.answer.value
    picture.close()


def test_a_topology_is_shown_without_a_sub_system(tmp_path):
    (tmp_path / "t.xml").write_text(format_topology(TOPOLOGY))
    assert "<svg" in show_topology(tmp_path / "t.xml").value
