"""A cache of what was read from a database, good as long as that has one version."""

from collections.abc import Hashable


class VersionedCache:
    """The values of the newest version that was asked for. It lives as long as its database."""

    def __init__(self) -> None:
        self._current: tuple[Hashable, dict[object, object]] = None, {}

    def at(self, version: Hashable) -> dict[object, object]:
        """What is known at this version, to be read and added to: nothing where it is another than before.

        Who goes on with an older version has a dictionary of their own.
        """
        current = self._current
        if current[0] != version:
            current = self._current = version, {}
        return current[1]

    def clear(self) -> None:
        """Forget everything."""
        self._current = None, {}
