"""The sentences with which the command ends after an expected failure."""

from sqlalchemy.exc import OperationalError, ProgrammingError

from appeals.cli.replay_format import Unplayable
from appeals.database.failures import Busy, Full, Unreachable
from appeals.database.requirements import DatabaseNotReady, failure_text
from appeals.errors import ChangeRefused, Invalid
from appeals.settings import SettingsError


def sentence_for(error: Exception) -> str | None:
    """Return the sentence for a failure, or None for an unexpected one."""
    match error:
        case SettingsError() | DatabaseNotReady() | Unplayable():
            sentence = str(error)
        case ChangeRefused():
            sentence = " ".join(item.says for item in error.unmet)
        case Invalid():
            sentence = "; ".join(f"{fault.pointer[1:]} {fault.says}" for fault in error.faults)
        case Busy():
            sentence = "the database is busy and nothing was changed; try again"
        case Full():
            sentence = "the database has no disk space left and nothing was changed; free some space and try again"
        case Unreachable():
            sentence = f"the database refuses: {failure_text(error.__cause__)}"
        case OperationalError() | ProgrammingError():
            sentence = f"the database refuses: {failure_text(error)}"
        case _:
            return None
    return sentence
