"""Every refusal, as a tree. What HTTP makes of each stands in one table in `api/problems.py`.

Refusal
├── Unauthenticated        no key, or a dead one
│   └── KeyEnded           the key's time has passed, which is still to be put on record
├── NotFound               absent, or not this caller's to see: one answer for both
├── Forbidden              seen, but not this caller's to do
│   └── KeyForAnother      nobody makes a key for another account
├── Invalid                the input breaks a rule of form
│   └── KeyReused          an idempotency key came with another body
├── CursorExpired          the place in the feed is no longer good
├── PreconditionRequired   no If-Match
├── PreconditionFailed     the case has moved on
├── StepRefused            the state or a guard says no
├── ChangeRefused          a record's own small lifecycle, or a rule about recording it, says no
├── StillRunning           the first call with this idempotency key has not ended
├── SecretNotKept          the answer to this idempotency key was shown once, and is not kept
├── RateExceeded           too many requests in a short time
├── TooLarge               the body is over the limit
└── NotJson                the body is not said to be JSON
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
    """One fault of the input: where (a JSON pointer) and what; never the value itself."""

    pointer: str
    says: str


class Refusal(Exception):
    """The parent of every refusal; nothing was changed."""

    code = "refused"
    detail = "The request was refused."


class Unauthenticated(Refusal):
    code = "unauthenticated"
    detail = "Send a valid key: Authorization: Bearer <key>."


class KeyEnded(Unauthenticated):
    """Answered as any other dead key."""


class NotFound(Refusal):
    code = "not_found"
    detail = "There is nothing here that you may see."


class Forbidden(Refusal):
    code = "forbidden"
    detail = "Your roles do not allow this here."


class KeyForAnother(Forbidden):
    detail = "Nobody makes a key for another account: its holder makes the first one, with an enrolment code."


@dataclass(eq=False)
class Invalid(Refusal):
    """Raised with the faults; shown as `errors[]`."""

    faults: Sequence[FieldError]
    code = "invalid"
    detail = "The input does not fit; see errors."


class CursorExpired(Refusal):
    code = "feed.begin_anew"
    detail = "Your roles or the feed have changed since; read the cases you may see, and the feed, from the start."


class KeyReused(Invalid):
    code = "idempotency.key_reused"
    detail = "This Idempotency-Key came before with another request; use a new key."


class PreconditionRequired(Refusal):
    code = "if_match.required"
    detail = "Send If-Match with the ETag of the case as you last read it."


class PreconditionFailed(Refusal):
    code = "if_match.stale"
    detail = "If-Match is not the ETag of the case (with its quotes): it has changed, read it again and decide anew."


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
    """A change of a record that its lifecycle or a guard does not allow."""

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
    detail = "This was done, and its secret was shown once; it is not kept. Revoke, end or replace what was made."


@dataclass(eq=False)
class RateExceeded(Refusal):
    """Raised with the whole seconds after which a request will pass."""

    retry_after_s: int
    code: str = "rate.exceeded"
    detail: str = "Too many requests in a short time; wait as Retry-After says."


class TooLarge(Refusal):
    code = "body.too_large"
    detail = "The body is larger than this service takes."


class NotJson(Refusal):
    code = "body.not_json"
    detail = "Send the body as application/json."
