"""A configuration for the Apache HTTP server, 2.4.47 or later."""

from __future__ import annotations

from vmlab.network.web_servers.site import HSTS_SENTENCE, HSTS_VALUE, Site

_CONFIG = """\
# VMLab behind Apache: save as /etc/apache2/sites-available/vmlab.conf, then:
#   a2enmod ssl proxy proxy_http proxy_wstunnel headers rewrite
#   a2ensite vmlab && apachectl configtest && systemctl reload apache2
{listen_comment}
<VirtualHost {address}:{plain_port}>
{names}
    RewriteEngine on
    RewriteRule ^ https://%{{SERVER_NAME}}{port_suffix}%{{REQUEST_URI}} [redirect=301,last,noescape]
</VirtualHost>

<VirtualHost {address}:{port}>
{names}
    SSLEngine on
{files_comment}    SSLCertificateFile    "{certificate}"
    SSLCertificateKeyFile "{key}"
    SSLProtocol           -all +TLSv1.2 +TLSv1.3

    # {hsts_sentence}
    # Header always set Strict-Transport-Security "{hsts_value}"

    # The hub and the machines have limits of their own.
    LimitRequestBody 0
    <IfModule reqtimeout_module>
        RequestReadTimeout body=0
    </IfModule>
    AllowEncodedSlashes nodecode

    # Overwritten: what a browser says about itself must not reach the hub.
    ProxyAddHeaders off
    RequestHeader set X-Real-IP "expr=%{{REMOTE_ADDR}}"
    RequestHeader set X-Forwarded-For "expr=%{{REMOTE_ADDR}}"
    RequestHeader set X-Forwarded-Proto https
    RequestHeader set X-Forwarded-Host "expr=%{{HTTP_HOST}}"
    RequestHeader set X-Forwarded-Port {port}
    RequestHeader unset X-Scheme
    RequestHeader unset Forwarded

    # WebSockets, and a day of silence for terminals in which nobody types.
    ProxyRequests off
    ProxyPreserveHost on
    ProxyPass / http://{behind}/ upgrade=websocket flushpackets=on nocanon timeout=86400
</VirtualHost>
"""


def apache_config(site: Site) -> str:
    """Return a file for /etc/apache2/sites-available."""
    comment = site.files_comment
    first, *others = site.patterns
    return _CONFIG.format(
        listen_comment=""
        if site.port == 443
        else f"# and in /etc/apache2/ports.conf: Listen {site.port} https\n",
        address=site.address or "*",
        names="\n".join(
            [f"    ServerName {first}", *(f"    ServerAlias {other}" for other in others)]
        ),
        plain_port=site.plain_port,
        port=site.port,
        port_suffix=site.port_suffix,
        files_comment=f"    # {comment}\n" if comment else "",
        certificate=site.certificate,
        key=site.key,
        hsts_sentence=HSTS_SENTENCE,
        hsts_value=HSTS_VALUE,
        behind=site.behind,
    )
