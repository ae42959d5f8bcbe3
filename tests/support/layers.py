"""The folders of the package, from the top down."""

from pathlib import Path

import appeals

ROOT = Path(appeals.__file__).parent
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
LAYERS = (
    "__main__",
    "cli",
    "app",
    "api pages",
    "reports webhooks",
    "lifecycle",
    "transaction",
    "read_models",
    "access",
    "cases",
    "accounts",
    "settings",
    "database fields process",
    "errors json_types vocabulary",
)
"""From the top down. A folder knows those below it; not those above, not those beside it."""
HEIGHT_OF = {name: -depth for depth, names in enumerate(LAYERS) for name in names.split()}
APART = ("lifecycle", "read_models")
"""The first knows of the second only what the transaction between them does."""
HEIGHT = {name: HEIGHT_OF.get(name.split(".")[0], 1) for name in FILES if not name.endswith("__init__")}
