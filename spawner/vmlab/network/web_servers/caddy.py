"""A configuration for Caddy, 2.5 or later, which gets certificates by itself when given none."""

from __future__ import annotations

from vmlab.network.web_servers.site import HSTS_SENTENCE, HSTS_VALUE, Site

_CONFIG = """\
# VMLab behind Caddy: save as /etc/caddy/Caddyfile, then: systemctl reload caddy
{comment}{options}
{names} {{
{bind}{tls}    # {hsts_sentence}
    # header Strict-Transport-Security "{hsts_value}"

    # What a browser says about itself must not reach the hub. Caddy itself overwrites
    # X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host.
    reverse_proxy {behind} {{
        header_up X-Real-IP {{remote_host}}
        header_up X-Forwarded-Port {port}
        header_up -X-Scheme
        header_up -Forwarded
        flush_interval -1
    }}
}}
"""
_BY_ITSELF = """\
# Caddy gets a certificate for each of these names by itself, so all of them must have a DNS record
# that leads here, and ports 80 and 443 must be reachable from outside. Print this file again when
# accounts are added in lab.toml.
"""


def caddy_config(site: Site) -> str:
    """Return a Caddyfile."""
    hosts = site.patterns if site.has_files else site.hosts
    names = (f"{host}{site.port_suffix}" for host in hosts)
    return _CONFIG.format(
        comment="" if site.has_files else _BY_ITSELF,
        options="" if site.plain_port == 80 else f"{{\n    http_port {site.plain_port}\n}}\n",
        names=",\n".join(names),
        bind=f"    bind {site.address}\n" if site.address else "",
        tls=f'    tls "{site.certificate}" "{site.key}"\n' if site.has_files else "",
        hsts_sentence=HSTS_SENTENCE,
        hsts_value=HSTS_VALUE,
        behind=site.behind,
        port=site.port,
    )
