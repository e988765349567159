"""A dynamic configuration for traefik 3, as a file in TOML."""

from __future__ import annotations

import json
import re

from vmlab.network.web_servers.site import HSTS_SENTENCE, Site

_CONFIG = """\
# VMLab behind traefik 3: save as vmlab.toml in the folder of its file provider. The static
# configuration needs, besides that provider:
#
#   [entryPoints.web]
#   address = "{address}:{plain_port}"
#   [entryPoints.web.http.redirections.entryPoint]
#   to = "websecure"
#   scheme = "https"
#   [entryPoints.websecure]
#   address = "{address}:{port}"
#   [entryPoints.websecure.transport.respondingTimeouts]
#   readTimeout = 0    # a course of 64 MiB may take long
#
# Leave forwardedHeaders as it is, without trustedIPs: traefik then overwrites X-Forwarded-*.

[http.routers.vmlab]
entryPoints = ["websecure"]
rule = {rule}
service = "vmlab"
middlewares = ["vmlab"]
[http.routers.vmlab.tls]

[http.services.vmlab.loadBalancer]
passHostHeader = true
[[http.services.vmlab.loadBalancer.servers]]
url = "http://{behind}"
[http.services.vmlab.loadBalancer.responseForwarding]
flushInterval = "-1ms"    # events of a start are sent on at once

[http.middlewares.vmlab.headers]
# {hsts_sentence}
# stsSeconds = 31536000
# stsIncludeSubdomains = true
[http.middlewares.vmlab.headers.customRequestHeaders]
X-Scheme = ""    # empty: removed
Forwarded = ""

[[tls.certificates]]
{files_comment}certFile = {certificate}
keyFile = {key}
"""


def traefik_config(site: Site) -> str:
    """Return a file for traefik's file provider."""
    comment = site.files_comment
    return _CONFIG.format(
        address=site.address,
        plain_port=site.plain_port,
        port=site.port,
        rule=json.dumps(" || ".join(_matcher(pattern) for pattern in site.patterns)),
        behind=site.behind,
        hsts_sentence=HSTS_SENTENCE,
        files_comment=f"# {comment}\n" if comment else "",
        certificate=json.dumps(str(site.certificate)),
        key=json.dumps(str(site.key)),
    )


def _matcher(pattern: str) -> str:
    if not pattern.startswith("*."):
        return f"Host(`{pattern}`)"
    return f"HostRegexp(`^[a-z0-9-]+{re.escape(pattern[1:])}$`)"
