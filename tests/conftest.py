"""For all tests: fakes are importable, a fixture may know whether its test failed, and more."""

from __future__ import annotations

import gc
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from attacks.promises import all_promises
from attacks.table import MARKER, AttackTable
from reports import SendableReports
from run_times import RunTimes
from shared_folder import SharedFolder
from surroundings import left_as_found

# How long an example takes says how busy the host is, not whether the code is right.
settings.register_profile("busy host", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy host")

IMMEDIATE_CHARACTERS = 4000
UNIT = Path(__file__).parent / "unit"
WITH_MACHINES = [Path(__file__).parent / name for name in ("vm", "chaos", "qemu_provider")]
UNCLOSED = "pytest.PytestUnraisableExceptionWarning"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"rep_{report.when}", report)


class FailuresAtOnce:
    """Says at once why a test failed: a run that is cut off never comes to its summary."""

    def __init__(self, config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter:
            reporter.write_line("")
            reporter.write_sep("-", f"{report.nodeid}: {report.when}, {report.duration:.0f} s")
            reporter.write_line(report.longreprtext[-IMMEDIATE_CHARACTERS:])


def pytest_addoption(parser) -> None:
    parser.addoption("--attack-table", type=Path, help="write the table of attacks to this file")
    parser.addoption("--long", action="store_true", help="also the long plays (make test-long)")


def pytest_configure(config) -> None:
    config.pluginmanager.register(FailuresAtOnce(config))
    config.pluginmanager.register(RunTimes())
    config.pluginmanager.register(SendableReports())
    config.pluginmanager.register(SharedFolder(config), SharedFolder.__name__)
    config.addinivalue_line("markers", MARKER)
    is_worker = hasattr(config, "workerinput")  # of pytest-xdist; the process that began them tells
    if config.option.attack_table and not is_worker:
        config.pluginmanager.register(AttackTable(config.option.attack_table, all_promises()))


def pytest_collection_modifyitems(config, items) -> None:
    """Leave out the long plays, tell what attacks attack, have unit tests close what they open."""
    if not config.option.long:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    for item in items:
        if item.path.is_relative_to(UNIT):
            item.add_marker(pytest.mark.filterwarnings(f"error::{UNCLOSED}"))
        marker = item.get_closest_marker("attack")
        if marker:
            item.user_properties.append(("attack", marker.args))


def pytest_collection_finish() -> None:
    """Leave what is there from now on out of each collection: modules, and the tests themselves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def closed(request):
    """Find what a file's tests left behind before those of the next file are blamed for it."""
    # Files with real machines share a process with no other kind, above all with no property tests.
    is_guarded = not any(map(request.path.is_relative_to, WITH_MACHINES))
    with left_as_found() if is_guarded else nullcontext():
        yield
        gc.collect()


@pytest.fixture
def tried(request):
    """Tell how many requests, inputs or the like an attack tried: `tried(300)`."""
    return lambda n: request.node.user_properties.append(("tried", n))


@pytest.fixture
def failed(request):
    """A function that tells whether the test has failed."""
    return lambda: getattr(request.node, "rep_call", None) is None or request.node.rep_call.failed


@pytest.fixture(scope="session")
def desk_image():
    """The desk image of this host; `make test` builds it first."""
    from vmlab.images.store import ImageStore
    from vmlab.paths import default_paths
    from vmlab.system.worker import ensure_tools_user

    ensure_tools_user()
    return ImageStore(default_paths().images).find("desk")


@pytest.fixture(scope="session")
def shared_folder(request):
    """What all workers of this run share."""
    return request.config.pluginmanager.get_plugin(SharedFolder.__name__)


@pytest.fixture(scope="session")
def processes(shared_folder):
    """The folder in which the provider of tests/process_provider is installed."""
    from fakes.plugged_in import install_processes

    return shared_folder.make_once("elsewhere", install_processes)


@pytest.fixture(scope="session")
def tiny_cache(desk_image, shared_folder):
    """A cache folder with the image `tiny` and a template of it, for all workers of this run."""
    from fakes.tiny_cache import make_cache

    return shared_folder.make_once("tiny", lambda cache: make_cache(cache, desk_image))


@pytest.fixture
def bench_cache(request, tiny_cache):
    """The cache of a bench: the one that is shared, or a copy for a test that changes its own."""
    if not request.node.get_closest_marker("own_cache"):
        yield tiny_cache
        return
    from fakes.tiny_cache import copy_template, own_cache

    with own_cache(tiny_cache) as folder:
        copy_template(tiny_cache, folder)
        yield folder


@pytest.fixture
def start_style(request):
    """How this test's machines are started first: as it usually is, or always by a boot."""
    return "boot" if request.node.get_closest_marker("boots") else "auto"
