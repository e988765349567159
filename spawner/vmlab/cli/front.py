"""`vmlab front`: prints the configuration of a web server in front of the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vmlab.cli.common import LabOption, err, read_lab
from vmlab.errors import ConfigError
from vmlab.network.web_servers import CONFIGS, WebServer, make_site


def front(
    server: Annotated[WebServer, typer.Argument(help="The web server.")],
    certificate: Annotated[
        Path | None,
        typer.Option(help="PEM file, with all intermediate certificates.", metavar="FILE"),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="PEM file of its private key.", metavar="FILE")
    ] = None,
    lab: LabOption = None,
) -> None:
    """Print the configuration of a web server that lets a class into this lab."""
    if (certificate is None) != (key is None):
        raise ConfigError("--certificate and --key belong together", hint="give both, or none")
    read = read_lab(lab)
    site = make_site(
        read,
        certificate=certificate and certificate.absolute(),
        key=key and key.absolute(),
    )
    typer.echo(CONFIGS[server](site), nl=False)
    if not read.hub.front:
        err().print(
            f'Set [hub] front = ["127.0.0.1"] in {read.file}, or the address from which this web '
            "server connects: otherwise the hub does not trust its X-Forwarded-* headers.",
            style="yellow",
        )
