"""VMLab's part of the hub: `/hub/api/vmlab/...` and the pages (docs/protocols.md, section 2)."""

from vmlab.web.api.base import COURSES_SCOPE
from vmlab.web.api.runtime import ApiSettings
from vmlab.web.api.setup import setup_api

__all__ = ["COURSES_SCOPE", "ApiSettings", "setup_api"]
