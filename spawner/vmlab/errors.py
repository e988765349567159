"""Every error that VMLab raises on purpose.

    LabError
    ├── ConfigError              a mistake in lab.toml, a recipe or a course
    ├── HostError                the host lacks a program, a permission, disk, memory or a port
    ├── ImageError               an image is missing, damaged or cannot be built
    ├── CourseError              a course cannot be published or delivered
    ├── VolumeError              a volume could not be handled; carries the volume's name
    │   ├── VolumeNotFoundError      no such volume, or no such snapshot of it
    │   └── VolumeConflictError      a machine has it, or something else is done with it now
    └── ProviderError            a machine could not be handled; carries the machine's name
        ├── MachineNotFoundError
        ├── MachineConflictError     somebody else holds it, or it is in the wrong state
        ├── MachineTimeoutError      a stage missed its deadline
        ├── GuestError               the agent in the machine reported a failure
        └── UnsupportedError         this provider cannot do that, ever

A message says what failed, on which machine or file and line, with which value; `hint` says
what to do next. Only `LabError.public` reaches a trainee.
"""

from __future__ import annotations

from vmlab_protocol.notices import Notice


class LabError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what failed, where, with which value.
        hint: what the reader can do about it.
        public: what a trainee may read (`vmlab.messages`); a neutral sentence when left out.
    """

    def __init__(self, message: str, *, hint: str = "", public: Notice | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.public = public

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ConfigError(LabError):
    """A mistake in a file that a person wrote."""


class HostError(LabError):
    """The host lacks something that VMLab needs."""


class ImageError(LabError):
    """An image is missing, damaged or cannot be built."""


class CourseError(LabError):
    """A course cannot be published or delivered."""


class VolumeError(LabError):
    """A volume could not be handled; nothing was changed unless the message says so.

    Args:
        volume: the volume's name; part of the message.
    """

    def __init__(
        self, volume: str, message: str, *, hint: str = "", public: Notice | None = None
    ) -> None:
        super().__init__(f"{volume}: {message}", hint=hint, public=public)
        self.volume = volume


class VolumeNotFoundError(VolumeError):
    """There is no such volume, or no such snapshot of it."""


class VolumeConflictError(VolumeError):
    """A machine has the volume, or another operation on it is under way."""


class ProviderError(LabError):
    """A machine could not be handled.

    Args:
        machine: the machine's name; part of the message.
    """

    def __init__(
        self, machine: str, message: str, *, hint: str = "", public: Notice | None = None
    ) -> None:
        super().__init__(f"{machine}: {message}", hint=hint, public=public)
        self.machine = machine


class MachineNotFoundError(ProviderError):
    """The provider knows no machine of this name."""


class MachineConflictError(ProviderError):
    """Somebody else holds the machine or its volume, or it is in the wrong state."""


class MachineTimeoutError(ProviderError):
    """A stage of a start or stop missed its deadline."""


class GuestError(ProviderError):
    """The agent in the machine reported a failure, or broke the protocol."""


class UnsupportedError(ProviderError):
    """The provider cannot do this, ever (see its `Features`)."""
