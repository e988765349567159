"""The naming service: a name has one owner, also across a restart."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import asdict

import pytest

from acquisition.programs import until
from narval.config import Address
from narval.control import naming as naming_module
from narval.control import registration as registration_module
from narval.control.naming import Entry, Kind, serve_names
from narval.control.peer import PeerClosedError, RemoteError
from narval.control.registration import Registration, connect_naming, list_entries, look_up
from narval.errors import NarvalError

SECRET = "5" * 64


@pytest.fixture
async def names(tmp_path):
    service = await serve_names(Address("127.0.0.1", 0), SECRET, tmp_path)
    yield service
    service.close()


def at(service) -> Address:
    return Address("127.0.0.1", service.server.port)


@pytest.fixture
def port():
    """Of a service that listens, as those do whose names are kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def entry(port: int = 1, name: str = "tandem") -> Entry:
    return Entry(name, Kind.SUB_SYSTEM, "127.0.0.1", port, 4711)


async def test_a_name_has_one_owner_and_is_free_when_that_is_gone(names):
    first = Registration(at(names), SECRET, entry(1))
    await first.begin()
    second = Registration(at(names), SECRET, entry(2))
    with pytest.raises(RemoteError, match=r"'tandem' is taken: .* 127\.0\.0\.1:1 \(process 4711\)"):
        await second.begin()
    assert await look_up(at(names), SECRET, "tandem") == entry(1)
    first.close()

    async def taken():
        try:
            await second.begin()
        except RemoteError:
            return False
        return True

    await until(taken)
    assert await list_entries(at(names), SECRET, Kind.SUB_SYSTEM) == (entry(2),)
    assert await list_entries(at(names), SECRET, Kind.CENTRAL_LOG) == ()
    second.close()


async def test_a_name_that_nobody_has(names):
    with pytest.raises(RemoteError, match=r"there is no 'tandem' \(registered: nothing\)"):
        await look_up(at(names), SECRET, "tandem")


async def test_what_is_no_entry_is_refused(names):
    peer = await connect_naming(at(names), SECRET)
    with pytest.raises(RemoteError, match="no entry of the naming service"):
        await peer.call("register", name="tandem", kind="moon", host="", port=1, pid=1)
    peer.close()


@pytest.fixture
async def restarted(names, tmp_path, monkeypatch, port):
    """Serves again with the names of before.

    The owner of `tandem` lives; that of `gone` has lost its name, though its port still answers;
    that of `dead` has ended.
    """
    monkeypatch.setattr(registration_module, "RETRY_S", 0.05)
    monkeypatch.setattr(naming_module, "GRACE_S", 3.0)
    mine, gone = (
        Registration(at(names), SECRET, entry(port)),
        Registration(at(names), SECRET, entry(port, "gone")),
    )
    dead = Registration(at(names), SECRET, entry(1, "dead"))
    for each in (mine, gone, dead):
        await each.begin()
    names.close()
    gone.close()
    dead.close()
    again = await serve_names(at(names), SECRET, tmp_path)
    yield again
    mine.close()
    again.close()


async def test_after_a_restart_the_owner_comes_back_and_nobody_slips_in(restarted, port):
    with pytest.raises(RemoteError, match="is taken"):
        await Registration(at(restarted), SECRET, entry(9)).begin()
    await until(lambda: restarted._owners.keys() == {"tandem"})
    assert await look_up(at(restarted), SECRET, "tandem") == entry(port)
    await until(lambda: restarted._entries.keys() == {"tandem"})


async def test_a_name_whose_service_has_ended_is_told_to_nobody_and_free_at_once(
    names, tmp_path, monkeypatch
):
    old = [Registration(at(names), SECRET, entry(1, name)) for name in ("a", "b", "c")]
    for each in old:
        await each.begin()
    names.close()
    for each in old:
        each.close()
    monkeypatch.setattr(naming_module, "GRACE_S", 3600.0)  # who waits for it, waits too long
    again = await serve_names(at(names), SECRET, tmp_path)
    assert again._entries.keys() == {"a", "b", "c"}
    with pytest.raises(RemoteError, match="there is no 'a'"):
        await look_up(at(again), SECRET, "a")
    fresh = Registration(at(again), SECRET, entry(2, "b"))
    await fresh.begin()
    assert await list_entries(at(again), SECRET, Kind.SUB_SYSTEM) == (entry(2, "b"),)
    fresh.close()
    again.close()


async def test_after_a_restart_a_name_is_given_to_one_of_those_who_wait(restarted):
    waiting = [Registration(at(restarted), SECRET, entry(port, "gone")) for port in (4, 5)]
    begun = [asyncio.create_task(each.begin()) for each in waiting]
    fresh = Registration(at(restarted), SECRET, entry(6, "fresh"))
    await fresh.begin()
    assert not any(task.done() for task in begun), "a new name does not wait"
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert "is taken" in str(next(result for result in results if result is not None))
    assert (await look_up(at(restarted), SECRET, "gone")).port in {4, 5}
    for each in (*waiting, fresh):
        each.close()


async def test_who_has_given_up_waiting_for_a_name_does_not_get_it(restarted):
    peer = await connect_naming(at(restarted), SECRET)
    asking = asyncio.create_task(peer.call("register", **asdict(entry(4, "gone"))))
    await until(lambda: peer._waiting)
    peer.close()
    with pytest.raises(PeerClosedError):
        await asking
    await until(lambda: restarted._entries.keys() == {"tandem"})


async def test_no_naming_service_says_how_to_start_it(names):
    names.close()
    with pytest.raises(NarvalError, match="start narval_naming_service"):
        await connect_naming(at(names), SECRET)


async def test_a_service_waits_for_the_naming_service(names, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(registration_module, "RETRY_S", 0.05)
    place = at(names)
    names.close()
    mine = Registration(place, SECRET, entry())
    beginning = asyncio.create_task(mine.begin(wait_s=60))
    await until(lambda: "waits up to 60 s" in caplog.text)
    assert not beginning.done()
    again = await serve_names(place, SECRET, tmp_path)
    await beginning
    assert await look_up(place, SECRET, "tandem") == entry()
    mine.close()
    again.close()


async def test_a_service_does_not_wait_for_ever(names, monkeypatch):
    monkeypatch.setattr(registration_module, "RETRY_S", 0.05)
    names.close()
    with pytest.raises(NarvalError, match="start narval_naming_service"):
        await Registration(at(names), SECRET, entry()).begin(wait_s=0.2)


async def test_a_service_does_not_wait_for_a_secret_or_a_name(names):
    mine = Registration(at(names), SECRET, entry())
    await mine.begin()
    for secret, text in (("6" * 64, "does not know this secret"), (SECRET, "is taken")):
        with pytest.raises(NarvalError, match=text):
            await Registration(at(names), secret, entry(2)).begin(wait_s=3600)
    mine.close()


async def test_a_file_that_is_broken_is_no_reason_to_fail(names, tmp_path, caplog):
    names.close()
    (tmp_path / f"naming-{names.server.port}.json").write_text("{")
    again = await serve_names(at(names), SECRET, tmp_path)
    assert "are lost" in caplog.text
    again.close()
    await asyncio.sleep(0)
