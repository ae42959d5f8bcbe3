"""The type of guards: a named function with its code, its sentence, and how it may be overridden."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from appeals.errors import Unmet
from appeals.lifecycle.attempt import Attempt


@dataclass(frozen=True)
class Guard:
    """A condition with its code, the sentence of its refusal, and how it may be overridden."""

    code: str
    says: str
    holds: Callable[[Attempt], bool]
    soft: bool = False
    standing: bool = False
    hears: bool = False
    unless: tuple[str, ...] = ()

    def as_unmet(self) -> Unmet:
        """Return the guard as an item of a refusal."""
        return Unmet(self.code, self.says, self.soft, self.unless)


def guard(
    code: str,
    says: str,
    *,
    soft: bool = False,
    standing: bool = False,
    hears: bool = False,
    unless: Iterable[str] = (),
) -> Callable[[Callable[[Attempt], bool]], Guard]:
    """Return a decorator that makes a guard of a function, which returns whether the condition holds."""
    return lambda holds: Guard(code, says, holds, soft, standing, hears, tuple(unless))
