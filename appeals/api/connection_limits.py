"""The limits of a connection: how long it may be in each phase, and how much may come in."""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from appeals.process import files_for_connections
from appeals.settings import Settings

LINGER_S = 3
"""How long a client may take to read why it is refused, or to send what is left of a body that was answered already."""


class Phase(Enum):
    """Where a connection is, as it receives."""

    HEADERS = auto()  # a request is awaited, or its headers are coming in
    BODY = auto()
    ANSWERING = auto()  # the whole request is here
    IDLE = auto()  # it was answered, and the next one may come
    DRAINING = auto()  # it was answered before its body was here: the rest of that is dropped
    CLOSING = auto()  # it was refused


@dataclass(frozen=True)
class Limits:
    """The limits of the connections of a process: sizes in bytes, times in seconds, the rate in bytes a second."""

    header_limit: int
    header_timeout_s: float
    body_limit: int
    body_timeout_s: float
    body_rate: int
    idle_timeout_s: float
    connections: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings ask for, and the open files allow."""
        return cls(
            settings.header_limit,
            settings.header_timeout_s,
            settings.body_limit,
            settings.body_timeout_s,
            settings.body_rate,
            settings.idle_timeout_s,
            min(settings.connection_limit, files_for_connections()),
        )

    def time_of(self, phase: Phase) -> float:
        """How long a connection may be in a phase."""
        match phase:
            case Phase.HEADERS:
                return self.header_timeout_s
            case Phase.BODY:
                return self.body_timeout_s
            case Phase.IDLE:
                return self.idle_timeout_s
            case Phase.ANSWERING:
                return math.inf
        return LINGER_S
