"""A token that is refused gets an answer that says why, and what to do (`vmlab.hub.tokens`)."""

from __future__ import annotations

from typing import Final

from jupyterhub.apihandlers.users import UserTokenListAPIHandler
from tornado import web

from vmlab.hub.tokens import TokenRefusedError


class TokensHandler(UserTokenListAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The hub's own handler for a user's tokens, with a refusal instead of its error 500."""

    async def post(self, user_name: str) -> None:
        """Make a token."""
        try:
            await super().post(user_name)
        except TokenRefusedError as error:
            self.db.rollback()
            raise web.HTTPError(409, str(error)) from error


TOKEN_HANDLERS: Final = ((r"/api/users/([^/]+)/tokens", TokensHandler),)
