"""The texts of generated pages, with `$names` where what comes from the code goes."""

from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent / "templates"


def filled(page: str, **parts: object) -> str:
    """The text of a page with these parts. Raises: KeyError, ValueError, where the text asks for another."""
    return Template((TEMPLATES / page).read_text()).substitute(parts)
