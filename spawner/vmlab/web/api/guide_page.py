"""`/hub/vmlab/guide`: the guide for trainees, where JupyterLab's menu leads."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyterhub.handlers import BaseHandler
from tornado import web

from vmlab.web.pages.guide import make_guide


class GuidePage(BaseHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """The page, for whoever is logged in."""

    def initialize(self, guide: Path) -> None:
        """Take the document that `setup_api` was given."""
        self.guide = guide

    @web.authenticated
    async def get(self) -> None:
        """Show it as it is now."""
        try:
            text = await asyncio.to_thread(self.guide.read_text, encoding="utf-8")
            guide = make_guide(text)
        except (OSError, ValueError) as error:
            self.log.error("The guide %s cannot be shown: %s", self.guide, error)
            raise web.HTTPError(404, "The guide is not installed on this hub.") from error
        user = self.current_user
        self.finish(await self.render_template("vmlab_guide.html", user=user, guide=guide))
