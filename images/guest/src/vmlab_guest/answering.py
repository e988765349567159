"""What VMLab's handlers in the single-user server share: work in a thread, answers in JSON."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from jupyter_server.base.handlers import APIHandler

from vmlab_guest.errors import AgentError
from vmlab_guest.hub import Hub, HubError
from vmlab_guest.lookback import LookError


class AnsweringHandler(APIHandler):
    """Answers JSON; what went wrong, too."""

    async def answer(self, work: Any, *words: Any) -> None:
        """Do the work in a thread and answer what it returns."""
        try:
            self.finish(json.dumps(await asyncio.to_thread(work, *words)))
        except HubError as error:
            # What the hub refuses (404, 409, 507) is passed on; no answer at all is a 502.
            self.refuse(error.status if 400 <= error.status < 600 else 502, str(error))
        except LookError as error:
            self.refuse(404, str(error))
        except (AgentError, OSError) as error:
            self.refuse(500, str(error))

    def refuse(self, status: int, message: str) -> None:
        """Answer what is wrong."""
        self.set_status(status)
        self.finish(json.dumps({"status": status, "message": message}))


def own_hub() -> Hub:
    """Return the hub that this server belongs to.

    Raises:
        HubError: it knows none.
    """
    hub = Hub.from_env(os.environ)
    if hub is None:
        raise HubError("this server knows no hub")
    return hub
