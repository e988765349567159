"""What people are told, and in which language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_NOTICE_CHARS = 4000
"""Of each language."""


class Language(StrEnum):
    """Languages that people are spoken to in; a lab names the one for those who never chose."""

    EN = "en"
    FR = "fr"


@dataclass(frozen=True)
class Notice:
    """Something a trainee must be told, in both languages."""

    en: str
    fr: str
