"""Checks of "Processes and services": a process started and stopped, a service that survives."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab import Outcome, failed, memory, passed, step
from lab.look import Process, Service, process, processes, service

UNIT = "counter.service"
UNIT_FILE = Path("/etc/systemd/system") / UNIT
SETTLE_S = 6.0
SEEN = "first-steps/process"


@step("start")
def start(child: object) -> Outcome:
    """Look at the process with this number."""
    number = _number(child)
    if number is None:
        return failed(
            "That is not a process: keep what `subprocess.Popen` returns, as in `child = ...`.",
            "Ce n'est pas un processus : gardez ce que renvoie `subprocess.Popen`, comme dans "
            "`child = ...`.",
        )
    found = process(number)
    if found is None:
        return failed(
            f"No process has the number {number} now. Did it end already? Start a long one: "
            "`sleep 3600`.",
            f"Aucun processus n'a le numéro {number}. S'est-il déjà terminé ? Lancez-en un long : "
            "`sleep 3600`.",
        )
    if number == os.getpid():
        return failed(
            "That is the notebook's own Python. Start another process from it.",
            "C'est le Python du notebook lui-même. Lancez-en un autre.",
        )
    if found.state == "Z":
        return failed(
            f"Process {number} has ended and is a zombie: only its entry is left. Start it again.",
            f"Le processus {number} est terminé, c'est un zombie : il n'en reste que la fiche. "
            "Relancez-le.",
        )
    if found.name != "sleep":
        return failed(
            f"Process {number} is `{found.name}`, not `sleep`. With `shell=True` you get the "
            'shell\'s number; give a list instead: `["sleep", "3600"]`.',
            f"Le processus {number} est `{found.name}`, pas `sleep`. Avec `shell=True`, on obtient "
            'le numéro du shell ; donnez plutôt une liste : `["sleep", "3600"]`.',
        )
    if found.uid != os.getuid():
        return failed(
            f"Process {number} belongs to another user. Start your own, without `sudo`.",
            f"Le processus {number} appartient à un autre utilisateur. Lancez le vôtre, sans "
            "`sudo`.",
        )
    if found.parent != os.getpid():
        return failed(
            f"Process {number} is a `sleep`, but this notebook did not start it (its parent is "
            f"{found.parent}). Use `subprocess.Popen` here, and give what it returns.",
            f"Le processus {number} est bien un `sleep`, mais ce notebook ne l'a pas lancé (son "
            f"parent est {found.parent}). Utilisez `subprocess.Popen` ici, et donnez ce qu'il "
            "renvoie.",
        )
    memory[SEEN] = (found.pid, found.started)
    return passed(
        f"`{' '.join(found.command)}` runs as process {number}; its parent is {found.parent}.",
        f"`{' '.join(found.command)}` tourne, processus {number} ; son parent est {found.parent}.",
    )


@step("stop")
def stop() -> Outcome:
    """See that the process of the first step is gone, with nothing left."""
    if SEEN not in memory:
        return failed(
            "First do the step `start` and check it: this check must have seen your process run.",
            "Faites d'abord l'étape `start` et vérifiez-la : il faut que votre processus ait été "
            "vu en marche.",
        )
    number, started = memory[SEEN]
    found = process(number)
    if found is None or found.started != started:
        return passed(
            f"Process {number} is gone, and nothing of it is left.",
            f"Le processus {number} a disparu, et il n'en reste rien.",
        )
    if found.state == "Z":
        return failed(
            f"Process {number} is dead but still in the table, a zombie (`Z`): its parent has not "
            "asked for its result. Do it: `child.wait()`.",
            f"Le processus {number} est mort mais encore dans la table, un zombie (`Z`) : son "
            "parent n'a pas demandé son résultat. Faites-le : `child.wait()`.",
        )
    if found.state == "T":
        return failed(
            f"Process {number} is only paused (`T`). `child.terminate()` ends it.",
            f"Le processus {number} n'est que suspendu (`T`). `child.terminate()` le termine.",
        )
    return failed(
        f"Process {number} still runs. End it with `child.terminate()`, then `child.wait()`.",
        f"Le processus {number} tourne encore. Terminez-le par `child.terminate()`, puis "
        "`child.wait()`.",
    )


@step("service")
def own_service() -> Outcome:
    """See that the unit is there, is good, runs and will be started at the next boot."""
    if not UNIT_FILE.exists():
        return _why_no_unit()
    state = service(UNIT)
    if problem := _find_problem(state):
        return problem
    if state.active == "activating":
        return _ends_again()
    if state.active != "active" and state.ended and state.result == "success":
        return failed(
            "It ran and then ended: a service's program must keep running, in a loop for instance. "
            "If you stopped it yourself: `sudo systemctl start counter`.",
            "Il a tourné puis s'est terminé : le programme d'un service doit continuer, dans une "
            "boucle par exemple. Si vous l'avez arrêté vous-même : "
            "`sudo systemctl start counter`.",
        )
    if state.active != "active":
        return failed(
            f"`{UNIT}` is {state.active}. Start it: `sudo systemctl enable --now counter`.",
            f"`{UNIT}` est {state.active}. Lancez-le : `sudo systemctl enable --now counter`.",
        )
    if state.enabled != "enabled":
        return failed(
            "It runs now, but would not after a restart of the machine: "
            "`sudo systemctl enable counter` (the unit needs `[Install]` with "
            "`WantedBy=multi-user.target`).",
            "Il tourne, mais ne serait pas relancé au redémarrage de la machine : "
            "`sudo systemctl enable counter` (l'unité doit avoir `[Install]` avec "
            "`WantedBy=multi-user.target`).",
        )
    return passed(
        f"It runs as process {state.main_pid} and will be started at every boot.",
        f"Il tourne, processus {state.main_pid}, et sera lancé à chaque démarrage.",
    )


@step("survive")
def survive() -> Outcome:
    """See that systemd started the service again after it was killed."""
    state = _settle()
    if state.load == "not-found":
        return failed(
            "First do the step `service`.",
            "Faites d'abord l'étape `service`.",
        )
    # First what the file says: a service that was killed and is not to come back has "failed" too.
    if problem := _find_mistake(state):
        return problem
    if state.restart not in {"always", "on-failure", "on-abnormal", "on-abort"}:
        return failed(
            "systemd will not start it again: add `Restart=always` below `[Service]`, then "
            "`sudo systemctl daemon-reload`"
            + ("." if state.active == "active" else ", and `sudo systemctl start counter`."),
            "systemd ne le relancera pas : ajoutez `Restart=always` sous `[Service]`, puis "
            "`sudo systemctl daemon-reload`"
            + ("." if state.active == "active" else ", et `sudo systemctl start counter`."),
        )
    if problem := _find_failure(state):
        return problem
    if state.active == "activating":
        return (
            _ends_again()
            if state.restarts > 1
            else failed(
                "systemd is starting it again right now. Check in a few seconds.",
                "systemd est en train de le relancer. Vérifiez dans quelques secondes.",
            )
        )
    if state.active != "active" and state.ended and state.restart != "always":
        return failed(
            f"It ended, and `Restart={state.restart}` does not bring it back in every case: "
            "`kill` alone asks a program to end, which counts as a clean exit. Write "
            "`Restart=always`, `sudo systemctl daemon-reload`, `sudo systemctl start counter`, "
            "then kill it again.",
            f"Il s'est terminé, et `Restart={state.restart}` ne le relance pas dans tous "
            "les cas : `kill` seul demande au programme de se terminer, ce qui compte comme "
            "une fin normale. Écrivez `Restart=always`, `sudo systemctl daemon-reload`, "
            "`sudo systemctl start counter`, puis tuez-le de nouveau.",
        )
    if state.active != "active":
        return failed(
            f"It is {state.active}: `sudo systemctl start counter`. To see it survive, kill its "
            "process; `systemctl stop` means that you want it stopped.",
            f"Il est {state.active} : `sudo systemctl start counter`. Pour le voir survivre, tuez "
            "son processus ; `systemctl stop` veut dire que vous le voulez arrêté.",
        )
    if state.restarts < 1:
        return failed(
            "It would survive, but it never had to. Kill it: "
            "`sudo systemctl kill --signal=KILL counter`.",
            "Il survivrait, mais n'a jamais eu à le faire. Tuez-le : "
            "`sudo systemctl kill --signal=KILL counter`.",
        )
    return passed(
        f"Killed and back again, as process {state.main_pid} (restarts: {state.restarts}).",
        f"Tué et de retour, processus {state.main_pid} (relancé {state.restarts} fois).",
    )


def _number(child: object) -> int | None:
    """Return the number of what may be a Popen, a number, or anything."""
    try:
        number = int(str(getattr(child, "pid", child)))
    except ValueError:
        return None
    return number if number > 0 else None


def _settle() -> Service:
    """Return the service's state once systemd has had the time to notice a kill and restart."""
    end = time.monotonic() + SETTLE_S
    while True:
        state = service(UNIT)
        back = state.active == "active" and state.restarts > 0
        if back or state.restart == "no" or time.monotonic() > end:
            return state
        time.sleep(0.3)


def _why_no_unit() -> Outcome:
    for place in (Path.home() / UNIT, Path.cwd() / UNIT, Path("/etc/systemd") / UNIT):
        if place.exists():
            return failed(
                f"`{place}` is not where systemd looks. It belongs to `{UNIT_FILE}`.",
                f"systemd ne regarde pas `{place}`. La place du fichier est `{UNIT_FILE}`.",
            )
    if any("counter" in " ".join(entry.command) for entry in _others()):
        return failed(
            f"A counter runs, but not as a service: `{UNIT_FILE}` does not exist.",
            f"Un compteur tourne, mais pas comme service : `{UNIT_FILE}` n'existe pas.",
        )
    return failed(
        f"`{UNIT_FILE}` does not exist. Write it with `sudo tee`.",
        f"`{UNIT_FILE}` n'existe pas. Écrivez-le avec `sudo tee`.",
    )


def _others() -> list[Process]:
    return [entry for entry in processes() if entry.pid != os.getpid() and entry.uid == os.getuid()]


def _find_problem(state: Service) -> Outcome | None:
    """Return what keeps systemd from running the unit, or None."""
    return _find_mistake(state) or _find_failure(state)


def _find_mistake(state: Service) -> Outcome | None:
    """Return what is wrong with the file, or with what systemd knows of it, or None."""
    if state.load == "masked":
        return failed(
            "The unit is masked: systemd is not allowed to start it. "
            "`sudo systemctl unmask counter`.",
            "L'unité est masquée : systemd n'a pas le droit de la lancer. "
            "`sudo systemctl unmask counter`.",
        )
    if state.load == "not-found" or state.reload_needed:
        return failed(
            "systemd has not read the file as it is now: `sudo systemctl daemon-reload`.",
            "systemd n'a pas relu le fichier : `sudo systemctl daemon-reload`.",
        )
    if state.load in {"bad-setting", "error"}:
        return failed(
            "systemd does not accept the file: `ExecStart=` needs a program with its full path, "
            "such as `/usr/local/bin/counter`.",
            "systemd refuse le fichier : `ExecStart=` demande un programme avec son chemin "
            "complet, par exemple `/usr/local/bin/counter`.",
        )
    return None


def _find_failure(state: Service) -> Outcome | None:
    """Return why the service does not run though it was started, or None."""
    if state.active != "failed":
        return None
    if state.result == "signal":
        return failed(
            "It was killed and did not come back. Start it: `sudo systemctl start counter`.",
            "Il a été tué et n'est pas revenu. Lancez-le : `sudo systemctl start counter`.",
        )
    if state.result == "start-limit-hit":
        return _ends_again()
    return failed(
        f"It was started and failed ({state.result}). `journalctl -u counter -n 20` says why.",
        f"Il a été lancé et a échoué ({state.result}). `journalctl -u counter -n 20` dit pourquoi.",
    )


def _ends_again() -> Outcome:
    return failed(
        "systemd starts it, and it ends at once, again and again. "
        "`journalctl -u counter -n 20` says why; correct it, then "
        "`sudo systemctl reset-failed counter` and `sudo systemctl restart counter`.",
        "systemd le lance et il se termine aussitôt, encore et encore. "
        "`journalctl -u counter -n 20` dit pourquoi ; corrigez, puis "
        "`sudo systemctl reset-failed counter` et `sudo systemctl restart counter`.",
    )
