"""A configuration for nginx, 1.18 or later."""

from __future__ import annotations

from vmlab.network.web_servers.site import HSTS_SENTENCE, HSTS_VALUE, Site

_CONFIG = """\
# VMLab behind nginx: save as /etc/nginx/conf.d/vmlab.conf, then: nginx -t && systemctl reload nginx

map $http_upgrade $vmlab_connection {{
    default upgrade;  # WebSockets
    ''      '';
}}

server {{
{plain_listen}
    server_name {names};
    return 301 https://$host{port_suffix}$request_uri;
}}

server {{
{listen}
    server_name {names};
{files_comment}    ssl_certificate     "{certificate}";
    ssl_certificate_key "{key}";
    ssl_protocols       TLSv1.2 TLSv1.3;
    ssl_session_cache   shared:vmlab:1m;

    # {hsts_sentence}
    # add_header Strict-Transport-Security "{hsts_value}" always;

    client_max_body_size 0;  # the hub and the machines have limits of their own

    location / {{
        proxy_pass http://{behind};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $vmlab_connection;

        # Overwritten: what a browser says about itself must not reach the hub.
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Port $server_port;
        proxy_set_header X-Scheme '';
        proxy_set_header Forwarded '';

        # Progress of a start, downloads of a disk, terminals in which nobody types.
        proxy_buffering off;
        proxy_request_buffering off;
        proxy_read_timeout 1d;
        proxy_send_timeout 1d;
    }}
}}
"""


def nginx_config(site: Site) -> str:
    """Return a file for /etc/nginx/conf.d."""
    comment = site.files_comment
    return _CONFIG.format(
        plain_listen=_listen(site, site.plain_port),
        listen=_listen(site, site.port, " ssl"),
        names=" ".join(site.patterns),
        port_suffix=site.port_suffix,
        files_comment=f"    # {comment}\n" if comment else "",
        certificate=site.certificate,
        key=site.key,
        hsts_sentence=HSTS_SENTENCE,
        hsts_value=HSTS_VALUE,
        behind=site.behind,
    )


def _listen(site: Site, port: int, words: str = "") -> str:
    if site.address:
        return f"    listen {site.address}:{port}{words};"
    return f"    listen {port}{words};\n    listen [::]:{port}{words};  # not without IPv6"
