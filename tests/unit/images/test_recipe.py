"""Recipes: every mistake is named with its line; the hash follows content and nothing else."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from fakes.recipes import GOOD, parse
from vmlab.errors import ConfigError
from vmlab.images.bootstrap import Payload, make_payload
from vmlab.images.recipe import hash_recipe, load_recipe
from vmlab.images.wheels import parse_lock

PROJECT = Path(__file__).parents[3]


def test_good_recipe():
    recipe = parse(GOOD)
    assert recipe.packages == ("systemd",)
    assert recipe.units.mask == ("man-db.timer",)
    assert recipe.python.agent is True
    assert recipe.lock == Path("/project/images/recipes/desk/requirements.lock")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('suite = "trixie"', 'suit = "trixie"', 4, ["suit", "did you mean 'suite'"]),
        ('suite = "trixie"', 'suite = "Trixie 13"', 4, ["suite", "Trixie 13"]),
        ("disk_size_mib = 4096", "disk_size_mib = 10", 5, ["disk_size_mib", "10", "2048"]),
        ("disk_size_mib = 4096", 'disk_size_mib = "big"', 5, ["disk_size_mib", "big"]),
        ('packages = ["systemd"]', 'packages = ["a b; rm -rf /"]', 7, ["a b; rm"]),
        ('packages = ["systemd"]', 'packages = ["git", "git"]', 7, ["'git'", "twice"]),
        ('name = "desk"', 'name = "other"', 2, ["other", "the folder's name"]),
        ("uid = 1000", "uid = 0", 23, ["uid", "1000"]),
        ('mask = ["man-db.timer"]', 'mask = ["man-db"]', 15, ["man-db", "ssh.service"]),
        ("[systemd]", "[system]", 14, ["system", "did you mean 'systemd'"]),
    ],
)
def test_mistake_is_named_with_its_line(old, new, line, words):
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(old, new))
    assert f"recipe.toml:{line}:" in caught.value.message
    for word in words:
        assert word in caught.value.message


def test_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"image.suite: missing"):
        parse(GOOD.replace('suite = "trixie"\n', ""))


def test_all_mistakes_at_once():
    text = GOOD.replace("uid = 1000", "uid = -1").replace("4096", "4")
    with pytest.raises(ConfigError, match="2 mistakes"):
        parse(text)


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match=r"'dsk'; did you mean 'desk'\?"):
        load_recipe("dsk", PROJECT)


def test_folder_without_recipes(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_recipe("desk", tmp_path)
    assert "VMLAB_PROJECT" in caught.value.hint


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "images" / "recipes" / "desk"
    (folder / "files" / "etc").mkdir(parents=True)
    (folder / "recipe.toml").write_text(GOOD)
    (folder / "requirements.lock").write_text("")
    (folder / "files" / "etc" / "motd").write_text("hello")
    guest = tmp_path / "images" / "guest" / "src"
    guest.mkdir(parents=True)
    (guest / "agent.py").write_text("pass")
    protocol = tmp_path / "protocol" / "src"
    protocol.mkdir(parents=True)
    (protocol / "seed.py").write_text("pass")
    return tmp_path


def project_hash(project):
    return hash_recipe(load_recipe("desk", project), project)


@pytest.mark.parametrize(
    "change",
    [
        "images/recipes/desk/recipe.toml",
        "images/recipes/desk/requirements.lock",
        "images/recipes/desk/files/etc/motd",
        "images/guest/src/agent.py",
        "images/guest/src/new.py",
        "protocol/src/seed.py",
    ],
)
def test_hash_follows_every_source(project, change):
    before = project_hash(project)
    path = project / change
    path.write_text((path.read_text() if path.exists() else "") + "# changed\n")
    assert project_hash(project) != before


def test_hash_follows_names_modes_and_links(project):
    seen = {project_hash(project)}
    motd = project / "images/recipes/desk/files/etc/motd"
    motd.chmod(0o755)
    seen.add(project_hash(project))
    motd = motd.rename(motd.with_name("issue"))
    seen.add(project_hash(project))
    motd.unlink()
    motd.symlink_to("hello")
    seen.add(project_hash(project))
    assert len(seen) == 4


def test_hash_follows_local_packages_that_the_recipe_installs(project):
    stack = project / "images" / "narval" / "src"
    stack.mkdir(parents=True)
    (stack / "narval.py").write_text("pass")
    without = project_hash(project)
    recipe = project / "images" / "recipes" / "desk" / "recipe.toml"
    recipe.write_text(GOOD.replace('version = "3.13"', 'version = "3.13"\nlocal = ["narval"]'))
    seen = {without, project_hash(project)}
    (stack / "narval.py").write_text("changed")
    seen.add(project_hash(project))
    assert len(seen) == 3


@pytest.mark.parametrize(
    "leftover", ["src/__pycache__/agent.pyc", "tests/test_agent.py", "src/x.egg-info/PKG-INFO"]
)
def test_hash_ignores_what_is_no_source(project, leftover):
    before = project_hash(project)
    path = project / "images" / "guest" / leftover
    path.parent.mkdir(parents=True)
    path.write_text("something")
    assert project_hash(project) == before


def test_hash_does_not_depend_on_the_place(project, tmp_path):
    before = project_hash(project)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in ("images", "protocol"):
        (project / folder).rename(elsewhere / folder)
    assert project_hash(elsewhere) == before


def test_desk_recipe_and_its_lock():
    recipe = load_recipe("desk", PROJECT)
    pins = {pin.name: pin for pin in parse_lock(recipe.lock, recipe.lock.read_text())}
    assert pins["jupyterhub"].version.startswith("6.1.")
    assert {"jupyterlab", "ipywidgets", "ipykernel", "jupyterlab-language-pack-fr-fr"} <= set(pins)
    assert not {"lark", "rfc3987-syntax"} & set(pins)
    assert not any(word in recipe.lock.read_text() for word in ("://", "--index", "--find-links"))
    assert {"ssh.service", "ssh.socket"} <= set(recipe.units.disable)


@pytest.fixture
def second(project):
    """A second recipe, which begins with the files of the first."""
    folder = project / "images" / "recipes" / "server"
    (folder / "files" / "etc").mkdir(parents=True)
    text = GOOD.replace('name = "desk"', 'name = "server"\nfiles_of = "desk"')
    (folder / "recipe.toml").write_text(text)
    (folder / "requirements.lock").write_text("")
    (folder / "files" / "etc" / "motd").write_text("its own")
    return folder


def test_a_recipe_begins_with_the_files_of_another(project, second):
    recipe = load_recipe("server", project)
    assert recipe.trees == (project / "images/recipes/desk/files", second / "files")
    (project / "images/recipes/desk/files/etc/issue").write_text("of the desk")
    job, target = Payload((), (), ()), project / "payload.tar"
    make_payload(recipe, {}, job, target)
    with tarfile.open(target) as tar:
        found = {name: tar.extractfile(name).read() for name in ("etc/motd", "etc/issue")}
        assert tar.getnames().count("etc/motd") == 1
    assert found == {"etc/motd": b"its own", "etc/issue": b"of the desk"}


def test_the_hash_follows_the_files_of_the_other(project, second):
    before = hash_recipe(load_recipe("server", project), project)
    (project / "images/recipes/desk/files/etc/motd").write_text("changed")
    assert hash_recipe(load_recipe("server", project), project) != before


def test_the_other_recipe_must_be_there(project, second):
    path = second / "recipe.toml"
    path.write_text(path.read_text().replace('files_of = "desk"', 'files_of = "dsk"'))
    with pytest.raises(ConfigError, match="no recipe 'dsk'; did you mean 'desk'"):
        load_recipe("server", project)


def test_the_recipes_of_this_checkout_can_be_read():
    server = load_recipe("server", PROJECT)
    assert server.trees[0] == load_recipe("desk", PROJECT).trees[-1]
