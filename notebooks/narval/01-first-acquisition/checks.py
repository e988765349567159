"""Checks of "A first acquisition": they ask the coordinators that run, and look at the actors."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab import Outcome, failed, passed
from lab.acquisition import (
    NotYetError,
    actor_of,
    check,
    expect_flow,
    expect_running,
    find_sub_system,
    measure_bytes_per_s,
    number_of,
    wait_until,
    why_absent,
)
from narval.client import Access, SyncSubSystem, list_sub_systems, wait_for
from narval.config import LOOPBACK, Port, parse_address
from narval.control.central_log import NAME as CENTRAL_LOG
from narval.control.registration import look_up
from narval.errors import NarvalError
from narval.shell.client import ShellClient
from narval.states import State
from narval.topology.model import Topology
from narval.topology.read import parse_topology, read_topology

NOTICED_S = 3.0  # until a coordinator knows of a death
BLOCKS_PER_S = 40
LINE_KEV = 1332.492
LEAST_AREA = 300
CHAIN = [
    ("counter", "generic_producer"),
    ("filter", "generic_filter"),
    ("keeper", "generic_consumer"),
]


@check("services")
def services() -> Outcome:
    """Ask each of the three services."""
    try:
        access = Access.default()
        wait_for(list_sub_systems(access))
    except NarvalError as error:
        raise why_absent("narval_naming_service", error) from error
    try:
        wait_for(look_up(access.naming, access.secret, CENTRAL_LOG))
    except NarvalError as error:
        raise why_absent("central_log", error) from error
    try:
        reply = _shell(access).ask("get sub_systems")
    except NarvalError as error:
        raise why_absent("aws_shell", error) from error
    if reply is None or not reply.is_ok:
        return failed(
            "`aws_shell` runs, but asks another naming service: end it, and start it again here.",
            "`aws_shell` tourne mais consulte un autre service de noms : relancez-le ici.",
        )
    count = len(reply.texts("sub_system"))
    return passed(
        f"All three answer; the shell knows {count} sub-systems.",
        f"Tous trois répondent ; le shell connaît {count} sous-systèmes.",
    )


@check("start")
def start(allowed: object) -> Outcome:
    """See that `first` runs, and compare what the trainee says is allowed there."""
    first = find_sub_system("first")
    status = expect_running(first)
    if {actor["name"] for actor in status.actors} != {"source", "sink"}:
        return failed(
            f"`first` runs another topology, `{status.configuration_file}`; it should be "
            '`rate.xml`. `rewind("first")` brings it back to Initial.',
            f"`first` tourne avec une autre topologie, `{status.configuration_file}` ; il faut "
            '`rate.xml`. `rewind("first")` le ramène à Initial.',
        )
    expect_flow(first, "sink")
    given = (
        allowed if isinstance(allowed, (list, tuple, set, frozenset)) else str(allowed).split(",")
    )
    said = {str(word).strip().strip("'\"`.").lower() for word in given} - {""}
    if said != set(status.allowed):
        return failed(
            f"It runs. But {len(status.allowed)} actions are allowed now: the answer to the wrong "
            'action names them. Write them as `allowed = ["...", "..."]`.',
            f"Il tourne. Mais {len(status.allowed)} actions sont permises maintenant : la réponse "
            "à la mauvaise action les nomme. "
            'Écrivez-les ainsi : `allowed = ["...", "..."]`.',
        )
    return passed(
        f"Run {status.run_number} is under way, and nothing was harmed by the wrong action.",
        f"Le run {status.run_number} est en cours, et la mauvaise action n'a rien abîmé.",
    )


@check("look")
def look_at_data(rate: object, run: object) -> Outcome:
    """Measure the rate and compare."""
    first = find_sub_system("first")
    status = expect_running(first)
    setting = float(first.get("blocks_per_s", "source"))
    measured = measure_bytes_per_s(first, "sink")
    if setting != BLOCKS_PER_S or not 0.7 < measured / (BLOCKS_PER_S * 1000) < 1.3:
        return failed(
            f"`source` is set to {setting:g} blocks/s; {measured:.0f} bytes/s arrive. "
            f"`stop`, then set `blocks_per_s` to {BLOCKS_PER_S}, then `start`.",
            f"`source` est réglé à {setting:g} blocs/s ; {measured:.0f} octets/s arrivent. "
            f"`stop`, puis `blocks_per_s` à {BLOCKS_PER_S}, puis `start`.",
        )
    said = number_of(rate)
    if abs(said - measured) > 0.3 * measured:
        return failed(
            f"Not {said:g}: what counts are bytes (no kB, no blocks) per second, not in total: "
            "`bytes_per_s_in` of the actor `sink`.",
            f"Pas {said:g} : il s'agit d'octets (ni ko, ni blocs) par seconde, pas du total : "
            "`bytes_per_s_in` de l'acteur `sink`.",
        )
    if number_of(run) != status.run_number:
        return failed(
            "The rate is right. The number of the run: `narval_shell get run_number first`.",
            "Le débit est juste. Le numéro du run : `narval_shell get run_number first`.",
        )
    return passed(
        f"Measured just now: {measured:.0f} bytes/s, in run {status.run_number}.",
        f"Mesuré à l'instant : {measured:.0f} octets/s, dans le run {status.run_number}.",
    )


@check("topology")
def topology() -> Outcome:
    """Look at the topology that the coordinator of `chain` has read."""
    try:
        written = read_topology(Path("chain.xml"))
    except OSError as error:
        raise NotYetError(
            "There is no `chain.xml` here yet: run the cell that writes it.",
            "Il n'y a pas encore de `chain.xml` : exécutez la cellule qui l'écrit.",
        ) from error
    except NarvalError as error:
        line = str(error).splitlines()[0]
        raise NotYetError(
            f"`{line}`. Correct this line, run the cell again.",
            f"`{line}`. Corrigez cette ligne, exécutez à nouveau la cellule.",
        ) from error
    _expect_chain(written)
    chain = find_sub_system("chain")
    if chain.status().state is State.INITIAL:
        return failed(
            "The file is right. Now `set configuration_file chain.xml chain`, then "
            "`set action configure chain`.",
            "Le fichier est juste. Maintenant `set configuration_file chain.xml chain`, puis "
            "`set action configure chain`.",
        )
    _expect_chain(parse_topology(chain.topology().encode(), "the sub-system chain"))
    pids = ", ".join(str(actor["pid"]) for actor in chain.status().actors)
    return passed(
        f"Three actors wait for their plugins, each a process: {pids}.",
        f"Trois acteurs attendent leur plugin, chacun un processus : {pids}.",
    )


@check("c-actor")
def c_actor() -> Outcome:
    """See that the library is in the actor's memory, and that what it counts arrives."""
    chain = find_sub_system("chain")
    actor = actor_of(expect_running(chain), "counter")
    library = str(chain.get("library", "counter"))
    maps = Path(f"/proc/{actor['pid']}/maps").read_text()
    if Path(library).suffix != ".so" or Path(library).name not in maps:
        return failed(
            f"The actor `counter` has loaded no shared library (`library` is `{library}`).",
            f"L'acteur `counter` n'a pas chargé de bibliothèque (`library` vaut `{library}`).",
        )
    if f"{Path(library).name} (deleted)" in maps:
        return failed(
            f"`{library}` was compiled again since; the actor still has the old one. "
            '`rewind("chain")`, then configure, set the libraries, load, initialise, start.',
            f"`{library}` a été recompilée depuis ; l'acteur a encore l'ancienne. "
            '`rewind("chain")`, puis configure, les trois `set library`, load, initialise, start.',
        )
    if not wait_until(lambda: actor_of(chain.status(), "counter")["blocks_out"]):
        return failed(
            "It runs and gives no block: `*used_size_of_output_buffer` must be set to the number "
            "of bytes that you have written.",
            "Il tourne mais ne donne aucun bloc : `*used_size_of_output_buffer` doit recevoir le "
            "nombre d'octets écrits.",
        )
    numbers = _numbers(chain)
    return passed(
        f"Your C runs in process {actor['pid']}; the last number that arrived is {numbers[-1]}.",
        f"Votre C tourne dans le processus {actor['pid']} ; dernier nombre arrivé : {numbers[-1]}.",
    )


@check("python-actor")
def python_actor() -> Outcome:
    """See that only even numbers arrive, through a plugin in Python that is the trainee's."""
    chain = find_sub_system("chain")
    status = expect_running(chain)
    library = Path(str(chain.get("library", "filter")))
    if library.name != "even.py":
        return failed(
            f"The plugin of `filter` is `{library.name}`. stop, reset_com, unload, then "
            "`set library even.py chain filter`, load, initialise, start.",
            f"Le plugin de `filter` est `{library.name}`. stop, reset_com, unload, puis "
            "`set library even.py chain filter`, load, initialise, start.",
        )
    if not wait_until(lambda: actor_of(chain.status(), "filter")["blocks_out"]):
        return failed(
            "`filter` lets nothing through: what does your condition say of the number 2? "
            "After a change: stop, reset_com, unload, load, initialise, start.",
            "`filter` ne laisse rien passer : que dit votre condition du nombre 2 ? "
            "Après un changement : stop, reset_com, unload, load, initialise, start.",
        )
    numbers = _numbers(chain)
    odd = [number for number in numbers if number % 2]
    if odd or any(b - a != 2 for a, b in pairwise(numbers)):
        seen = ", ".join(map(str, numbers))
        return failed(
            f"`{seen}` arrived: all even numbers shall pass, and only those. Was the plugin loaded "
            "again after the last change (unload, load)?",
            f"`{seen}` sont arrivés : tous les nombres pairs doivent passer, et eux seuls. Le "
            "plugin a-t-il été rechargé après le dernier changement (unload, load) ?",
        )
    filtered = actor_of(status, "filter")
    blocks = filtered["blocks_in"], filtered["blocks_out"]
    return passed(
        f"Only even numbers arrive: {blocks[0]} blocks in, {blocks[1]} out.",
        f"Seuls les pairs arrivent : {blocks[0]} blocs en entrée, {blocks[1]} en sortie.",
    )


@check("spectrum")
def spectrum(centroid: object, fwhm: object) -> Outcome:
    """Fit the peak in the histogram as it is now, and compare."""
    germanium = find_sub_system("germanium")
    expect_running(germanium)
    fit = wait_until(lambda: _fit(germanium))
    if fit is None:
        return failed(
            "There are too few counts at 1332 keV yet. Does the actor `spectra` get data?",
            "Encore trop peu de coups à 1332 keV. L'acteur `spectra` reçoit-il des données ?",
        )
    place, width = number_of(centroid), number_of(fwhm)
    if abs(place - fit.centroid.value) > 0.3 + 3 * fit.centroid.error:
        if abs(place - 1173.2) < 5:
            return failed(
                "That is the other line of cobalt; the one at 1332 keV is asked for.",
                "C'est l'autre raie du cobalt ; on demande celle à 1332 keV.",
            )
        return failed(
            f"The centroid is not {place:g}: it is an energy in keV. Set the limits to 1320 and "
            "1345, fit, and read `centroid`.",
            f"Le centroïde n'est pas {place:g} : c'est une énergie en keV. Limites 1320 et 1345, "
            "ajustez, lisez le centroïde.",
        )
    if abs(width - fit.fwhm.value) > 0.3 + 3 * fit.fwhm.error:
        if abs(width * 2.355 - fit.fwhm.value) < 0.3:
            return failed(
                "That is sigma; FWHM is 2.355 sigma.", "C'est sigma ; FWHM = 2,355 sigma."
            )
        return failed(
            f"The width is not {width:g} keV: the full width at half maximum is asked for.",
            f"La largeur n'est pas {width:g} keV : on demande la largeur à mi-hauteur.",
        )
    return passed(
        f"My own fit just now: {fit.centroid} keV, FWHM {fit.fwhm} keV. The line is at {LINE_KEV}.",
        f"Mon ajustement à l'instant : {fit.centroid} keV, FWHM {fit.fwhm} keV. Raie : {LINE_KEV}.",
    )


@check("crash")
def crash(reason: object) -> Outcome:
    """See that an actor of `chain` was killed, and that the trainee has read how."""
    chain = find_sub_system("chain")
    wait_until(lambda: chain.status().state is State.ERROR, NOTICED_S)
    status = chain.status()
    error = status.error or ""
    if status.state is not State.ERROR:
        return failed(
            f"`chain` is {status.state}, all its actors live. It must be Running; then "
            "`os.kill(PID, signal.SIGKILL)` with the PID of one of its actors.",
            f"`chain` est {status.state}, tous ses acteurs vivent. Il doit être Running ; puis "
            "`os.kill(PID, signal.SIGKILL)` avec le PID d'un de ses acteurs.",
        )
    if "killed by" not in error:
        return failed(
            f"It is in Error, but not by a kill: `{error}`. First reset_com, initialise, start.",
            f"Il est en Error, mais personne n'a été tué : `{error}`. D'abord reset_com, "
            "initialise, start.",
        )
    words = re.findall(r"SIG[A-Z]+", str(reason).upper())
    if not words or words[0] not in error:
        return failed(
            "An actor is dead. By which signal? `narval_shell get error chain` tells: SIG...",
            "Un acteur est mort. Par quel signal ? `narval_shell get error chain` le dit : SIG...",
        )
    living = [actor["name"] for actor in status.actors if actor["state"] != State.ERROR]
    return passed(
        f"`{error}`. Still alive: {', '.join(living)}.",
        f"`{error}`. Encore en vie : {', '.join(living)}.",
    )


@check("recover")
def recover() -> Outcome:
    """See in the log that an actor was killed, and that data flows again."""
    chain = find_sub_system("chain")
    deaths = [line for line in chain.log(last=10_000, level="error") if "killed by" in line.message]
    if not deaths:
        return failed(
            "The log of `chain` knows of no killed actor: first the step `crash`.",
            "Le journal de `chain` ne connaît aucun acteur tué : d'abord l'étape `crash`.",
        )
    status = expect_running(chain)
    expect_flow(chain, "keeper")
    return passed(
        f"`{deaths[-1].message}`, and run {status.run_number} is under way.",
        f"`{deaths[-1].message}`, et le run {status.run_number} est en cours.",
    )


def _shell(access: Access) -> ShellClient:
    where = os.environ.get("NARVAL_SHELL") or LOOPBACK
    return ShellClient(parse_address(where, Port.SHELL), access.secret)


def _expect_chain(found: Topology) -> None:
    actors = [(actor.name, actor.binary_code) for actor in found.actors]
    sources = [[source.actor for source in actor.sources] for actor in found.actors]
    if actors != CHAIN or sources != [[], ["counter"], ["filter"]]:
        raise NotYetError(
            "It shall be `counter` → `filter` → `keeper`: `keeper` reads what `filter` writes. "
            '`rewind("chain")` and `configure` read a changed file.',
            "Il faut `counter` → `filter` → `keeper` : `keeper` lit ce que `filter` écrit. "
            '`rewind("chain")` et `configure` relisent un fichier modifié.',
        )


def _numbers(chain: SyncSubSystem) -> list[int]:
    """Return the numbers that arrived last."""
    texts = wait_until(
        lambda: chain.ask("keeper", "last") if len(chain.ask("keeper", "last")) > 2 else []
    )
    wrong = [text for text in texts if not re.fullmatch(r"\*\d{5}\*", text)]
    if wrong or not texts:
        seen = wrong[0] if wrong else ""
        raise NotYetError(
            f"`{seen}` arrived; it must be like `*00042*`: seven characters and a NUL, 8 bytes.",
            f"`{seen}` est arrivé ; il faut `*00042*` : sept caractères et un NUL, 8 octets.",
        )
    numbers = [int(text.strip("*")) for text in texts]
    if sorted(set(numbers)) != numbers:
        raise NotYetError(
            f"The numbers do not count up: `{numbers}`. Count in `mine->count`.",
            f"Les nombres ne se suivent pas : `{numbers}`. Comptez dans `mine->count`.",
        )
    return numbers


def _fit(germanium: SyncSubSystem) -> Any:
    """Return the peak at 1332 keV as it is now; None: too few counts."""
    from narval.notebook.fit import FitError, fit_peak  # seconds, and only here
    from narval.spectra import Spectrum

    if "detector_0" not in germanium.ask("spectra", "names"):
        return None
    found = germanium.ask("spectra", "spectra", names=["detector_0"])["detector_0"]
    energies = Spectrum.from_json(found)
    try:
        fit = fit_peak(energies.axes[0], energies.counts, LINE_KEV - 12, LINE_KEV + 13)
    except FitError:
        return None
    return fit if fit.area.value >= LEAST_AREA else None
