"""All refusals, as a tree of exceptions. One table in `api/problems.py` maps each to its HTTP status.

Refusal
├── Unauthenticated        no key, or one that is not valid
│   └── KeyEnded           the key has expired, which is not recorded yet
├── NotFound               it does not exist, or the caller may not see it: one answer for both
├── Forbidden              the caller may see it, but not do this
│   └── KeyForAnother      nobody creates a key for another account
├── Invalid                the input is not valid
│   └── KeyReused          the idempotency key was used with another request before
├── CursorExpired          the cursor of the feed is no longer valid
├── PreconditionRequired   If-Match is missing
├── PreconditionFailed     the case has changed
├── StepRefused            the state or a guard does not allow the step
├── ChangeRefused          the lifecycle of a record, or a rule about it, does not allow the change
├── StillRunning           the first request with this idempotency key has not ended
├── SecretNotKept          the answer to this idempotency key held a secret, and was not stored
├── RateExceeded           too many requests in a short time
├── TooLarge               the body is over the limit
└── NotJson                the content type of the body is not JSON
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unmet:
    """A guard that does not hold: its code, a sentence to act on, and what would lift it."""

    code: str
    says: str
    override: bool = False
    unless_reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldError:
    """One fault of the input: where it is (a JSON pointer) and what it is; never the value itself."""

    pointer: str
    says: str


class Refusal(Exception):
    """The base class of refusals, after which nothing was changed."""

    code = "refused"
    detail = "The request was refused."


class Unauthenticated(Refusal):
    code = "unauthenticated"
    detail = "Send a valid key: Authorization: Bearer <key>."


class KeyEnded(Unauthenticated):
    """The key has expired. It is answered like any other invalid key."""


class NotFound(Refusal):
    code = "not_found"
    detail = "It does not exist, or you may not see it."


class Forbidden(Refusal):
    code = "forbidden"
    detail = "Your roles, or the scopes of your key, do not allow this here."


class KeyForAnother(Forbidden):
    detail = "Nobody can create a key for another account; its holder creates the first one with an enrolment code."


@dataclass(eq=False)
class Invalid(Refusal):
    """The input is not valid. It is raised with the faults, which are shown as `errors[]`."""

    faults: Sequence[FieldError]
    code = "invalid"
    detail = "The input is not valid; see errors."


class CursorExpired(Refusal):
    code = "feed.begin_anew"
    detail = "Your roles or the feed have changed since this cursor; read your cases and the feed from the start."


class KeyReused(Invalid):
    code = "idempotency.key_reused"
    detail = "This Idempotency-Key was used with another request before; use a new key."


class PreconditionRequired(Refusal):
    code = "if_match.required"
    detail = "If-Match is missing; send the ETag of the case as you last read it."


class PreconditionFailed(Refusal):
    code = "if_match.stale"
    detail = "If-Match is not the present ETag of the case (with its quotes); read the case again, since it changed."


@dataclass(eq=False)
class StepRefused(Refusal):
    """A step that is not open in this state, or whose guards do not all hold."""

    state: str
    open_steps: Sequence[str]
    unmet: Sequence[Unmet]
    resume_to: str | None = None
    code: str = "step.refused"
    detail: str = "The step was refused; see unmet."


@dataclass(eq=False)
class ChangeRefused(Refusal):
    """A change of a record that its lifecycle or a rule does not allow."""

    state: str
    unmet: Sequence[Unmet]
    open_steps: Sequence[str] = field(default_factory=tuple)
    code: str = "change.refused"
    detail: str = "The change was refused; see unmet."


class StillRunning(Refusal):
    code = "idempotency.still_running"
    detail = "The first request with this Idempotency-Key is still running; try again shortly."


class SecretNotKept(Refusal):
    code = "idempotency.secret_not_kept"
    detail = "This was done before, and its secret was shown only once. Revoke, end or replace what was created."


@dataclass(eq=False)
class RateExceeded(Refusal):
    """Too many requests. It is raised with the whole seconds after which a request will pass."""

    retry_after_s: int
    code: str = "rate.exceeded"
    detail: str = "Too many requests in a short time; wait for the seconds of Retry-After."


class TooLarge(Refusal):
    code = "body.too_large"
    detail = "The body is larger than this service accepts."


class NotJson(Refusal):
    code = "body.not_json"
    detail = "Send the body as application/json."
