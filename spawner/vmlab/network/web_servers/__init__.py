"""Configurations for web servers in front of a lab. Pure: a site in, text out.

site                           what they all need to know of a lab
nginx, apache, caddy, traefik  one web server each

All of them do the same: redirect plain HTTP, speak TLS for the hub's and all machines' names,
overwrite whatever says where a request comes from, let WebSockets through, hold nothing back
(events of a start, downloads), and set no limits of their own to sizes and times.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from vmlab.network.web_servers.apache import apache_config
from vmlab.network.web_servers.caddy import caddy_config
from vmlab.network.web_servers.nginx import nginx_config
from vmlab.network.web_servers.site import Site, make_site
from vmlab.network.web_servers.traefik import traefik_config

__all__ = ["CONFIGS", "Site", "WebServer", "make_site"]


class WebServer(StrEnum):
    """Web servers that a configuration can be printed for."""

    NGINX = "nginx"
    APACHE = "apache"
    CADDY = "caddy"
    TRAEFIK = "traefik"


CONFIGS: Final[dict[WebServer, Callable[[Site], str]]] = {
    WebServer.NGINX: nginx_config,
    WebServer.APACHE: apache_config,
    WebServer.CADDY: caddy_config,
    WebServer.TRAEFIK: traefik_config,
}
