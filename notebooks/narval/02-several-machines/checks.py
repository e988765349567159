"""Checks of "An acquisition over several machines": they ask its coordinator."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from lab import Outcome, failed, passed
from lab.acquisition import (
    NotYetError,
    actor_of,
    check,
    expect_flow,
    expect_running,
    find_sub_system,
    number_of,
    wait_until,
    why_absent,
)
from narval.client import Access, SyncSubSystem, list_sub_systems, wait_for
from narval.config import Port, config_folder, parse_address
from narval.control.central_log import NAME as CENTRAL_LOG
from narval.control.registration import look_up
from narval.errors import NarvalError
from narval.runs import RunRecord, list_runs
from narval.shell.client import ShellClient
from narval.states import State
from narval.topology.model import Topology, is_loopback
from narval.topology.read import read_topology

FARM = "farm"
WHERE = "desk"
NODES = ("node1", "node2", "node3")
PLACES = {
    "left": "node1",
    "right": "node2",
    "builder": "node3",
    "files": "node3",
    "spectra": "desk",
}
SOURCES = {
    "left": [],
    "right": [],
    "builder": ["left", "right"],
    "files": ["builder"],
    "spectra": ["builder"],
}
SSH_S = 40.0  # of emulated machines
MEASURED_S = 3.0
NOTICED_S = 20.0  # until a coordinator knows of a death elsewhere


@check("machines")
def machines(address: object) -> Outcome:
    """Ask each node by SSH for what a coordinator starts there, and compare the address."""
    asking = {node: _ask(node, "command -v narval_actor") for node in NODES}
    for node, process in asking.items():
        try:
            said = process.communicate(timeout=SSH_S)[0].strip()
        except subprocess.TimeoutExpired:
            process.kill()
            said = "no answer"
        if process.returncode:
            last = said.splitlines()[-1] if said else f"status {process.returncode}"
            return failed(
                f"`ssh {node}` does not do what a coordinator needs: `{last}`. Does the machine "
                "run (the home page shows it)?",
                f"`ssh {node}` ne fait pas ce qu'il faut à un coordinateur : `{last}`. La machine "
                "tourne-t-elle (la page d'accueil le montre) ?",
            )
    found = socket.gethostbyname("node3")
    if str(address).strip().strip("'\"`") != found:
        return failed(
            f"All three nodes answer. But `node3` has not the address `{str(address)[:40]}`: "
            "`getent hosts node3` tells it.",
            f"Les trois nœuds répondent. Mais `node3` n'a pas l'adresse `{str(address)[:40]}` : "
            "`getent hosts node3` la donne.",
        )
    return passed(
        f"All three nodes answer, and `node3` is {found}.",
        f"Les trois nœuds répondent, et `node3` est {found}.",
    )


@check("services")
def services() -> Outcome:
    """See that the services answer where the nodes can reach them."""
    if os.environ.get("NARVAL_NAMING_SERVICE") != WHERE:
        return failed(
            "Run the first cell of this notebook: it tells where the services are.",
            "Exécutez la première cellule de ce notebook : elle dit où sont les services.",
        )
    access = Access.default()
    try:
        wait_for(list_sub_systems(access))
    except NarvalError as error:
        raise why_absent("narval_naming_service", error) from error
    try:
        log = wait_for(look_up(access.naming, access.secret, CENTRAL_LOG))
    except NarvalError as error:
        raise why_absent("central_log", error) from error
    if is_loopback(log.host):
        return failed(
            f"`central_log` listens on {log.host}: no node reaches that. End it, and start it "
            "again with `--host desk`.",
            f"`central_log` écoute sur {log.host} : aucun nœud ne l'atteint. Arrêtez-le et "
            "relancez-le avec `--host desk`.",
        )
    try:
        shell = ShellClient(parse_address(WHERE, Port.SHELL), access.secret)
        reply = shell.ask("get sub_systems")
    except NarvalError as error:
        raise why_absent("aws_shell", error) from error
    if reply is None or not reply.is_ok:
        return failed(
            "`aws_shell` runs, but asks another naming service: end it, and start it again here.",
            "`aws_shell` tourne mais consulte un autre service de noms : relancez-le ici.",
        )
    return passed(
        "All three answer on `desk`, where the nodes reach them.",
        "Tous trois répondent sur `desk`, où les nœuds les atteignent.",
    )


@check("topology")
def topology() -> Outcome:
    """Look at the topology that was written."""
    try:
        written = read_topology(Path("farm.xml"))
    except OSError as error:
        raise NotYetError(
            "There is no `farm.xml` here yet: run the cell that writes it.",
            "Il n'y a pas encore de `farm.xml` : exécutez la cellule qui l'écrit.",
        ) from error
    except NarvalError as error:
        line = str(error).splitlines()[0]
        raise NotYetError(
            f"`{line}`. Correct this line, run the cell again.",
            f"`{line}`. Corrigez cette ligne, exécutez à nouveau la cellule.",
        ) from error
    _expect_farm(written)
    return passed(
        "Five actors on four machines; data leave them through `eth1`.",
        "Cinq acteurs sur quatre machines ; les données en sortent par `eth1`.",
    )


@check("run")
def run(events_per_s: object) -> Outcome:
    """Measure how many events are built in a second, and compare."""
    farm = _farm()
    status = expect_running(farm)
    astray = [a for a in status.actors if PLACES.get(a["name"]) != a["hostname"]]
    if astray or len(status.actors) != len(PLACES):
        where = ", ".join(f"{a['name']} on {a['hostname']}" for a in status.actors)
        return failed(
            f'`farm` runs with other actors or machines: {where}. `rewind("farm")`, then all from '
            "configure on with `farm.xml`.",
            f'`farm` tourne avec d\'autres acteurs ou machines : {where}. `rewind("farm")`, puis '
            "tout à partir de configure avec `farm.xml`.",
        )
    if not wait_until(lambda: _built(farm)):
        return failed(
            "It runs, but `builder` has built no event yet: do both detectors give data? Look at "
            "their `blocks_out`, and at the log.",
            "Il tourne, mais `builder` n'a encore construit aucun événement : les deux détecteurs "
            "donnent-ils des données ? Regardez leurs `blocks_out`, et le journal.",
        )
    began, before = time.monotonic(), _built(farm)
    time.sleep(MEASURED_S)
    measured = (_built(farm) - before) / (time.monotonic() - began)
    said = number_of(events_per_s)
    if abs(said - measured) > 0.4 * measured:
        return failed(
            f"Not {said:g}: events per second, the difference of two readings of `events` in the "
            "`monitor` of `builder`, divided by the time between them.",
            f"Pas {said:g} : des événements par seconde, la différence de deux lectures de "
            "`events` dans le `monitor` de `builder`, divisée par le temps entre elles.",
        )
    return passed(
        f"Measured just now: {measured:.0f} events/s, in run {status.run_number}.",
        f"Mesuré à l'instant : {measured:.0f} événements/s, dans le run {status.run_number}.",
    )


@check("spectra")
def spectra(name: object) -> Outcome:
    """See that events arrive on the desk."""
    farm = _farm()
    expect_running(farm)
    names = wait_until(lambda: _names(farm) if "coincidences" in _names(farm) else [])
    if not names:
        return failed(
            "No event with frames of both detectors has come to `spectra` yet.",
            "Aucun événement avec des trames des deux détecteurs n'est encore arrivé à `spectra`.",
        )
    said = str(name).strip().strip("'\"`")
    if said != "coincidences":
        return failed(
            f"`{said[:40]}` would be there without events, too. The others: "
            f"{', '.join(f'`{each}`' for each in names)}.",
            f"`{said[:40]}` existerait aussi sans événements. Les autres : "
            f"{', '.join(f'`{each}`' for each in names)}.",
        )
    counts = actor_of(farm.status(), "spectra")["monitor"]
    return passed(
        f"Energies of two machines against each other: {counts.get('coincidences', 0)} events.",
        "Les énergies de deux machines l'une contre l'autre : "
        f"{counts.get('coincidences', 0)} événements.",
    )


@check("files")
def files() -> Outcome:
    """See that the last run has ended, and that its data are on the server."""
    farm = _farm()
    wait_until(lambda: farm.status().under_way is None)
    if farm.status().state is State.RUNNING:
        return failed(
            "A run is under way: its files are complete when it is stopped. "
            "`narval_shell set action stop farm`.",
            "Un run est en cours : ses fichiers sont complets quand il est arrêté. "
            "`narval_shell set action stop farm`.",
        )
    run = _last_run()
    if not run.folder.resolve().is_relative_to(Path("~/shared").expanduser().resolve()):
        return failed(
            f"Run {run.number} is in `{run.folder.resolve()}`, on this machine: make "
            "`~/.narval/runs` a link to `~/shared/runs`, then one run more.",
            f"Le run {run.number} est dans `{run.folder.resolve()}`, sur cette machine : faites de "
            "`~/.narval/runs` un lien vers `~/shared/runs`, puis encore un run.",
        )
    written = [file for file in sorted(run.folder.glob("*.mfm")) if file.stat().st_size]
    if not written:
        return failed(
            f"Run {run.number} is on the server, but without data: `files` writes on `node3`. Make "
            "the same link there, then one run more.",
            f"Le run {run.number} est sur le serveur, mais sans données : `files` écrit sur "
            "`node3`. Faites le même lien là-bas, puis encore un run.",
        )
    size = sum(file.stat().st_size for file in written)
    return passed(
        f"Run {run.number}: {size} bytes in `{written[0].name}`, written by `node3`, seen here.",
        f"Run {run.number} : {size} octets dans `{written[0].name}`, écrits par `node3`, vus ici.",
    )


@check("lost-node")
def lost_node(actor: object, machine: object) -> Outcome:
    """See that `right` was killed, and that the trainee knows where to look."""
    farm = _farm()
    wait_until(lambda: farm.status().state is State.ERROR, NOTICED_S)
    status = farm.status()
    error = status.error or ""
    if status.state is not State.ERROR:
        return failed(
            f"`farm` is {status.state}, all its actors live. It must be Running; then "
            "`!ssh node2 kill -KILL {pid}` with the PID of `right`.",
            f"`farm` est {status.state}, tous ses acteurs vivent. Il doit être Running ; puis "
            "`!ssh node2 kill -KILL {pid}` avec le PID de `right`.",
        )
    said = [str(word).strip().strip("'\"`") for word in (actor, machine)]
    if not error.startswith(f"{said[0]}:") or PLACES.get(said[0]) != said[1]:
        return failed(
            "An actor is lost: `narval_shell get error farm` begins with its name; its machine is "
            "its `hostname` in the topology.",
            "Un acteur est perdu : `narval_shell get error farm` commence par son nom ; sa machine "
            "est son `hostname` dans la topologie.",
        )
    living = [each["name"] for each in status.actors if each["state"] != State.ERROR]
    return passed(
        f"`{error}`. Still alive: {', '.join(living)}.",
        f"`{error}`. Encore en vie : {', '.join(living)}.",
    )


@check("recover")
def recover() -> Outcome:
    """See in the log that an actor was killed, and that events arrive again."""
    farm = _farm()
    deaths = [line for line in farm.log(last=10_000, level="error") if "killed by" in line.message]
    if not deaths:
        return failed(
            "The log of `farm` knows of no killed actor: first the step `lost-node`.",
            "Le journal de `farm` ne connaît aucun acteur tué : d'abord l'étape `lost-node`.",
        )
    status = expect_running(farm)
    expect_flow(farm, "spectra")
    return passed(
        f"`{deaths[-1].message}`, and run {status.run_number} is under way on all machines.",
        f"`{deaths[-1].message}`, et le run {status.run_number} est en cours sur toutes les "
        "machines.",
    )


def _ask(node: str, command: str) -> subprocess.Popen[str]:
    words = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", node, command]
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _farm() -> SyncSubSystem:
    return find_sub_system(FARM, WHERE)


def _built(farm: SyncSubSystem) -> int:
    monitor = actor_of(farm.status(), "builder").get("monitor") or {}
    return int(monitor.get("events", 0))


def _names(farm: SyncSubSystem) -> list[str]:
    return list(farm.ask("spectra", "names"))


def _last_run() -> RunRecord:
    runs = list_runs(config_folder(), FARM)
    if not runs or runs[-1].ended is None:
        raise NotYetError(
            "No run of `farm` has ended here yet: `start`, a few seconds, `stop`.",
            "Aucun run de `farm` n'est encore terminé ici : `start`, quelques secondes, `stop`.",
        )
    return runs[-1]


def _expect_farm(found: Topology) -> None:
    for actor in found.actors:
        place = PLACES.get(actor.name, "")
        if actor.hostname != place:
            raise NotYetError(
                f"`{actor.name}` would run on `{actor.hostname}`, not on `{place}`.",
                f"`{actor.name}` tournerait sur `{actor.hostname}`, et non sur `{place}`.",
            )
        if [source.actor for source in actor.sources] != SOURCES[actor.name]:
            wanted = ", ".join(SOURCES[actor.name])
            raise NotYetError(
                f"`{actor.name}` shall read from {wanted}.",
                f"`{actor.name}` doit lire de {wanted}.",
            )
        for output in actor.outputs:
            if output.port != "eth1":
                raise NotYetError(
                    f"`{output.name}` of `{actor.name}` leaves through `{output.port}`: the "
                    "event's card is `eth1`.",
                    f"`{output.name}` de `{actor.name}` sort par `{output.port}` : la carte de "
                    "l'événement est `eth1`.",
                )
    if {actor.name for actor in found.actors} != set(PLACES):
        raise NotYetError(
            f"There shall be five actors: {', '.join(PLACES)}.",
            f"Il faut cinq acteurs : {', '.join(PLACES)}.",
        )
