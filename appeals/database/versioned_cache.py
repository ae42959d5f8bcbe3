"""A cache of what was read from a database, valid for one version of it."""

from collections.abc import Hashable


class VersionedCache:
    """The values of the newest requested version. The cache lives as long as its database object."""

    def __init__(self) -> None:
        self._current: tuple[Hashable, dict[object, object]] = None, {}

    def at(self, version: Hashable) -> dict[object, object]:
        """Return the dictionary of this version, to read and fill; it is empty if the version has changed.

        A transaction with an older version gets a dictionary of its own.
        """
        current = self._current
        if current[0] != version:
            current = self._current = version, {}
        return current[1]

    def clear(self) -> None:
        """Remove all values."""
        self._current = None, {}
