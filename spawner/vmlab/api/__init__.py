"""VMLab's part of the hub: `/hub/api/vmlab/...` and the pages (docs/protocols.md, section 2)."""

from vmlab.api.base import COURSES_SCOPE
from vmlab.api.runtime import ApiSettings
from vmlab.api.setup import setup_api

__all__ = ["COURSES_SCOPE", "ApiSettings", "setup_api"]
