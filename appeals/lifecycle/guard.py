"""What a guard is: a named function with its code, its sentence and how it may be lifted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from appeals.errors import Unmet
from appeals.lifecycle.attempt import Attempt


@dataclass(frozen=True)
class Guard:
    """A condition with its code, the sentence a refusal says, and how it may be lifted."""

    code: str
    says: str
    holds: Callable[[Attempt], bool]
    soft: bool = False
    standing: bool = False
    hears: bool = False
    unless: tuple[str, ...] = ()

    def as_unmet(self) -> Unmet:
        """What a refusal tells of this guard."""
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
    """Make a guard of a function that tells whether it holds."""
    return lambda holds: Guard(code, says, holds, soft, standing, hears, tuple(unless))
