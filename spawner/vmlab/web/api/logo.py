"""`/hub/logo`: the lab's own picture, for everybody; a picture and nothing else."""

from __future__ import annotations

from tornado import web

from vmlab.lab.branding import LogoKind


class LogoHandler(web.RequestHandler):
    """Sends what was read when the hub was started.

    An SVG may hold scripts. As a picture in a page they never run, and opened by itself it is under
    the policy that the proxy adds to all answers that are no pages (front/answers.mjs).
    """

    def initialize(self, logo: tuple[LogoKind, bytes]) -> None:
        """Take the picture."""
        self.kind, self.content = logo

    def get(self) -> None:
        """Send it."""
        self.set_header("Content-Type", self.kind.value)
        self.set_header("Cache-Control", "max-age=300")
        self.finish(self.content)
