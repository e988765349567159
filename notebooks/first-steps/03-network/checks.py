"""Checks of "The network": address and gateway, what answers, a small TCP server."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from lab import Outcome, failed, passed, step
from lab.look import addresses, answers, ask, gateway, listeners

PORT = 5000
CLOSED_PORT = 22  # of the gateway: the host's own sshd, which no machine may reach


@step("address")
def address(own: object, next_hop: object) -> Outcome:
    """Compare with the kernel's addresses and default route."""
    given, given_hop = str(own).strip(), str(next_hop).strip()
    real, real_hop = addresses(), gateway()
    if given.startswith("127."):
        return failed(
            f"`{given}` is the loopback: every machine has it, and it leads nowhere else. Take the "
            "address of the network card in `!ip -br addr`.",
            f"`{given}` est la boucle locale : toute machine l'a, et elle ne mène nulle part. "
            "Prenez l'adresse de la carte réseau dans `!ip -br addr`.",
        )
    if given.partition("/")[0] in real and "/" in given:
        return failed(
            f"`/{given.partition('/')[2]}` is the size of the network. Give the address alone.",
            f"`/{given.partition('/')[2]}` est la taille du réseau. Donnez l'adresse seule.",
        )
    if given == real_hop and given_hop in real:
        return failed(
            "The two are swapped: the gateway is the one behind `via`.",
            "Les deux sont inversées : la passerelle est celle qui suit `via`.",
        )
    if given not in real:
        return failed(
            f"No network card of this machine has the address `{given[:60]}`: `!ip -br addr`.",
            f"Aucune carte de cette machine n'a l'adresse `{given[:60]}` : `!ip -br addr`.",
        )
    if given_hop != real_hop:
        return failed(
            "Your address is right. The gateway is the one behind `default via` in `!ip route`.",
            "Votre adresse est juste. La passerelle est celle qui suit `default via` dans "
            "`!ip route`.",
        )
    return passed(
        f"You are `{given}`; everything beyond your own network goes through `{given_hop}`.",
        f"Vous êtes `{given}` ; tout ce qui sort de votre réseau passe par `{given_hop}`.",
    )


@step("reach", deadline_s=60)
def reach(function: object) -> Outcome:
    """Call the trainee's function on addresses whose answer is known."""
    if not callable(function):
        return failed(
            'Give the function itself, without brackets: `check("reach", is_open)`.',
            'Donnez la fonction elle-même, sans parenthèses : `check("reach", is_open)`.',
        )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if problem := _try(function, "127.0.0.1", port, expected=True):
            return problem
    # Nobody listens there any more.
    if problem := _try(function, "127.0.0.1", port, expected=False):
        return problem
    hub = urlsplit(os.environ.get("JUPYTERHUB_API_URL", ""))
    if hub.hostname and hub.port:
        there = answers(hub.hostname, hub.port)
        if problem := _try(function, hub.hostname, hub.port, expected=there):
            return problem
    if gateway():
        there = answers(gateway(), CLOSED_PORT)
        if problem := _try(function, gateway(), CLOSED_PORT, expected=there):
            return problem
    return passed(
        "Your function tells open from closed. Through the gateway only the hub answers: that is "
        "how your neighbours and the host are kept apart from your machine.",
        "Votre fonction distingue ouvert et fermé. Par la passerelle, seul le hub répond : c'est "
        "ainsi que vos voisins et l'hôte sont séparés de votre machine.",
    )


def _try(
    function: Callable[..., object], host: str, port: int, *, expected: bool
) -> Outcome | None:
    """Return the hint for a wrong answer of the trainee's function, or None."""
    call = f'is_open("{host}", {port})'
    try:
        answer = function(host, port)
    except Exception as error:  # noqa: BLE001 - the trainee's own function may raise anything
        what = type(error).__name__
        return failed(
            f"`{call}` raised `{what}`. A closed port is an `OSError` in Python: catch it and "
            "return `False`.",
            f"`{call}` a levé `{what}`. En Python, un port fermé est une `OSError` : attrapez-la "
            "et renvoyez `False`.",
        )
    if answer is None:
        return failed(
            f"`{call}` returned nothing. It needs `return True` and `return False`.",
            f"`{call}` ne renvoie rien. Il faut `return True` et `return False`.",
        )
    if bool(answer) is expected:
        return None
    if expected:
        return failed(
            f"`{call}` said no, yet somebody listens there. Connect with "
            "`socket.create_connection((host, port), timeout=2)`.",
            f"`{call}` dit non, pourtant quelqu'un écoute. Connectez-vous avec "
            "`socket.create_connection((host, port), timeout=2)`.",
        )
    return failed(
        f"`{call}` said yes, but nobody answers there. Does it really use `host` and `port`?",
        f"`{call}` dit oui, mais personne n'y répond. Utilise-t-elle vraiment `host` et `port` ?",
    )


@step("server")
def server() -> Outcome:
    """Talk to the server, twice, over the machine's own address."""
    mine = [entry for entry in listeners() if entry.port == PORT]
    if not mine:
        return failed(
            f"Nobody listens on port {PORT}: `!ss -ltn` shows who does. Did the cell with the "
            "server run, and did it end without an error?",
            f"Personne n'écoute sur le port {PORT} : `!ss -ltn` montre qui écoute. La cellule du "
            "serveur a-t-elle tourné sans erreur ?",
        )
    if not any(entry.is_open_to_others for entry in mine):
        return failed(
            f"It listens on `{mine[0].address}` only, so nobody outside gets in. `0.0.0.0` means "
            "all addresses.",
            f"Il n'écoute que sur `{mine[0].address}` : personne ne peut entrer de l'extérieur. "
            "`0.0.0.0` veut dire toutes les adresses.",
        )
    host = (addresses() or ["127.0.0.1"])[0]
    first = ask(host, PORT, b"ping\n")
    if first is None:
        return failed(
            f"`{host}:{PORT}` refuses the connection.",
            f"`{host}:{PORT}` refuse la connexion.",
        )
    if not first:
        return failed(
            "It takes the connection but says nothing. Send the bytes `pong\\n`.",
            "Il accepte la connexion mais ne dit rien. Envoyez les octets `pong\\n`.",
        )
    if first != b"pong\n":
        return failed(
            f"To `ping\\n` it answered {first[:40]!r}, not `pong\\n` (a line ends with `\\n`).",
            f"À `ping\\n` il répond {first[:40]!r}, pas `pong\\n` (une ligne finit par `\\n`).",
        )
    if ask(host, PORT, b"ping\n") != b"pong\n":
        return failed(
            "It answered once and then no more. A server goes on: put `accept()` into a loop.",
            "Il a répondu une fois, puis plus rien. Un serveur continue : mettez `accept()` dans "
            "une boucle.",
        )
    return passed(
        f"Your server answers on `{host}:{PORT}`, again and again.",
        f"Votre serveur répond sur `{host}:{PORT}`, encore et encore.",
    )
