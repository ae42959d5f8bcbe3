"""How many examples random tests try: few in `make test`, and always the same; many in `make soak`.

`make soak` runs what is marked `soak` and every property of Hypothesis; those take `examples()` from their profile.
"""

import os

EXAMPLES = int(os.environ.get("EXAMPLES") or 0)
"""What a soak asks for; 0 outside of one."""


def examples(few: int = 25, *, share: float = 1) -> int:
    """How many examples, walks or rounds to try: `few`, in a soak this share of `EXAMPLES`."""
    return max(1, round(EXAMPLES * share)) if EXAMPLES else few
