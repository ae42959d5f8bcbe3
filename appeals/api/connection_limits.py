"""The limits of a connection: how long each phase may last, and how much may be sent."""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from appeals.process import files_for_connections
from appeals.settings import Settings

LINGER_S = 3
"""Seconds that a client may take to read a refusal, or to send the rest of a body that was answered already."""


class Phase(Enum):
    """The phase of a connection, by what it receives."""

    HEADERS = auto()  # waiting for the first request, or receiving headers
    BODY = auto()
    ANSWERING = auto()  # the request is complete
    IDLE = auto()  # answered; waiting for the next request
    DRAINING = auto()  # answered before the body was complete; the rest is dropped
    CLOSING = auto()  # refused


@dataclass(frozen=True)
class Limits:
    """The limits of the connections of a process: sizes in bytes, times in seconds, the rate in bytes per second."""

    header_limit: int
    header_timeout_s: float
    body_limit: int
    body_timeout_s: float
    body_rate: int
    idle_timeout_s: float
    connections: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits of the settings; the number of connections also depends on the open files that the system
        allows.
        """
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
        """Return the seconds that a phase may last."""
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
