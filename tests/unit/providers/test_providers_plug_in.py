"""The core knows no provider by name: it finds them by entry points, and asks what they can do."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import vmlab
from fakes.plugged_in import look_again
from vmlab.errors import ConfigError
from vmlab.lab.lab import parse_lab
from vmlab.lab.provider_options import GROUP, find_options, installed_providers
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.abilities import machines_ahead
from vmlab.providers.fake import FakeOptions, FakeProvider
from vmlab.providers.settings import ProviderSettings, provider_settings

FILE = Path("/labs/lab.toml")
ROOT = Path(vmlab.__file__).parent

ALLOWED = {
    "qemu-img",  # the tool for disk images, whoever runs machines
    "qemu-utils",  # its package
    "vmlab-qemu",  # an account that hosts have since the first version, and what it owns
    "qemu/docs/interop/qcow2.txt",  # where the format of volumes is described
    "qemu/block/vdi.c",  # likewise
}


def core() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if ROOT / "providers/qemu" not in path.parents]


def test_the_core_names_no_provider():
    found = []
    for path in core():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("qemu ") and path == ROOT / "providers/__init__.py":
                continue  # the index of folders
            words = re.findall(r"[\w./-]*qemu[\w./-]*", line, re.IGNORECASE)
            found += [f"{path}:{number}: {word}" for word in words if word not in ALLOWED]
    assert len(core()) > 100
    assert found == []


def test_every_provider_of_this_package_is_installed_and_can_be_made(tmp_path):
    assert {"fake", "qemu"} <= set(installed_providers())
    for name, kind in installed_providers().items():
        made = make_provider(ProviderSettings(name, tmp_path / name, tmp_path / name))
        assert made.features.name == name
        assert kind.provider.endswith(type(made).__name__)


@pytest.fixture
def as_installed():
    """What is installed is looked for again, by the test and by those after it."""
    look_again()
    yield
    look_again()


def test_an_installation_that_is_older_than_its_files_is_told(as_installed, monkeypatch):
    monkeypatch.setattr("vmlab.lab.provider_options.entry_points", lambda group: [])
    with pytest.raises(ConfigError, match=r"the installed ones \(none\)") as caught:
        installed_providers()
    assert "make lab" in caught.value.hint


def test_a_provider_that_cannot_be_imported_is_named(as_installed, monkeypatch):
    points = [EntryPoint("broken", "no_such_package:Options", GROUP), *entry_points(group=GROUP)]
    monkeypatch.setattr("vmlab.lab.provider_options.entry_points", lambda group: points)
    with pytest.raises(
        ConfigError, match=r"provider 'broken' .* cannot be loaded: No module named"
    ):
        installed_providers()
    assert find_options("fake") is FakeOptions, "what runs can still be ended"


def test_every_option_says_what_it_is_for_and_has_a_default_that_it_allows():
    for kind in installed_providers().values():
        kind.of(())
        for name, trait in kind.class_own_traits().items():
            assert trait.help, name


def test_a_provider_that_nobody_installed_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="'qmu' is not installed; did you mean 'qemu'") as caught:
        find_options("qmu")
    assert "fake" in caught.value.message
    with pytest.raises(ConfigError, match="'docker' is not installed"):
        make_provider(ProviderSettings("docker", FILE, FILE))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[provider.qemu]\npol=2", "lab.toml:2: provider.qemu.pol: unknown key; did you mean 'poo"),
        ("[provider.qemu]\naccelerator='kvn'", "'kvn' is not allowed; did you mean 'kvm'?"),
        ("[provider.qemu]\novercommit=11", "provider.qemu.overcommit: 11 is out of range; allow"),
        ("[provider.qemu]\npool='many'", "'many' is not a whole number; allowed: 0 to 999"),
        ("[provider]\npool=2\n[provider.qemu]\npool=2", "lab.toml:2: provider.pool: it is in"),
        ("[provider.qmu]\npool=1", "provider.qmu: unknown key; did you mean 'qemu'?"),
        ("[provider.fake]\npool=1", "provider.fake.pool: unknown key (no keys are allowed here)"),
        ("[provider]\nname='fake'\n[provider.qemu]\npool=-1", "-1 is out of range"),
        ("[provider]\nqemu=1", "1 is not a section; write [qemu]"),
    ],
)
def test_mistakes_in_a_provider_s_table_are_named_by_the_provider_s_own_description(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_lab(text, FILE)
    assert message in caught.value.message


def options(text: str) -> dict[str, object]:
    return dict(parse_lab(text, FILE).provider.options)


def test_what_older_labs_have_directly_below_provider_still_means_the_same():
    old = '[provider]\nname = "qemu"\naccelerator = "tcg"\npool = 2\novercommit = 1.5\n'
    new = '[provider.qemu]\naccelerator = "tcg"\npool = 2\novercommit = 1.5\n'
    assert options(old) == options(new)
    assert options(old) == {"accelerator": "tcg", "overcommit": 1.5, "pool": 2}
    assert options(old.replace("qemu", "fake")) == {}, "the fake never had any"
    with pytest.raises(ConfigError, match=r"provider\.pool: 'x' is not a whole number"):
        parse_lab("[provider]\npool='x'", FILE)


@pytest.mark.parametrize(("cores", "pool"), [(4, 0), (8, 4), (64, 20)])
def test_how_many_machines_wait_is_by_the_host_unless_the_lab_says_it(
    monkeypatch, tmp_path, cores, pool
):
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(cores)))
    paths = Paths(tmp_path, tmp_path)
    lab = parse_lab("[accounts]\ntrainees = 20", FILE)
    assert machines_ahead(make_provider(provider_settings(lab, paths))) == pool
    lab = parse_lab("[accounts]\ntrainees = 20\n[provider.qemu]\npool = 3", FILE)
    assert machines_ahead(make_provider(provider_settings(lab, paths))) == 3
    assert machines_ahead(FakeProvider(ProviderSettings("fake", tmp_path, tmp_path))) == 0


def test_options_from_elsewhere_are_checked_as_those_of_a_lab():
    kind = find_options("qemu")
    with pytest.raises(ConfigError, match="no option 'pol'; did you mean 'pool'"):
        kind.of((("pol", 1),))
    with pytest.raises(ConfigError, match="overcommit"):
        kind.of((("overcommit", 0.5),))
