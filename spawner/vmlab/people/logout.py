"""What happens at the hub when somebody logs out, beside what JupyterHub does."""

from __future__ import annotations

from typing import Final

from jupyterhub.handlers.login import LogoutHandler


class TellingLogoutHandler(LogoutHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The hub's own handler; whoever wants to know is told (`LabAuthenticator.after_logout`)."""

    async def handle_logout(self) -> None:
        """Tell who has logged out."""
        tell = getattr(self.authenticator, "after_logout", None)
        if tell is not None and self.current_user:
            await tell(self.current_user.name)


LOGOUT_HANDLERS: Final = ((r"/logout", TellingLogoutHandler),)
