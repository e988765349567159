"""A provider without machines, for tests and for simulating classes of any size.

It keeps the whole contract, in memory: the same phases, states and errors as a real one, with
delays and faults where a test wants them. Its "servers" are one small HTTP server of this process
that answers under the prefix of every running machine, and echoes what a WebSocket says.

Delays and faults come from `fake.json` in the state folder, read at each start, so that a test can
change them under a running hub:

    {"delays_s": {"boot": 2.0}, "fail_at": "mounts", "fail_message": "...", "hang_at": "server"}

With `"journal": true` every start leaves two lines in `fake-journal.jsonl` there, one when it
begins and one however it ends: the machine's name and how many starts are then at work. With
`"volumes": true` volumes are real files, which can have snapshots; else the registry only has them.

faults        what is to go wrong
machines      the machines in memory, which the parts of the provider share
provider      the contract: they come and go
agents        what an agent would say and do
live_volumes  the volume of a running machine
site          the server that answers for them
"""

from vmlab.providers.fake.faults import START_PHASES, FakeOptions, Faults, read_faults
from vmlab.providers.fake.provider import FakeProvider

__all__ = ["START_PHASES", "FakeOptions", "FakeProvider", "Faults", "read_faults"]
