"""A recipe without mistakes, for tests to put one into."""

from __future__ import annotations

from vmlab.images.recipe import Recipe, read_recipe
from vmlab.lab.toml_errors import parse_toml

GOOD = """\
[image]
name = "desk"
summary = "a machine"
suite = "trixie"
disk_size_mib = 4096
source_date_epoch = 1767225600
packages = ["systemd"]

[kernel]
package = "linux-image-amd64"
args = "root=/dev/vda rw"
initrd_modules = ["ext4"]

[systemd]
mask = ["man-db.timer"]

[python]
path = "/opt/vmlab"
version = "3.13"

[user]
name = "trainee"
uid = 1000
"""


def parse(text: str, folder: str = "desk") -> Recipe:
    """Return the recipe in this text, as if it stood in this folder's file."""
    return read_recipe(parse_toml(text, f"/project/images/recipes/{folder}/recipe.toml"))
