"""What keeps names from acting, and the page from asking anything of anybody (L2: standard library only)."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any


def script_json(data: Any) -> str:
    r"""Return JSON that is safe inside a <script>: "<" becomes \u003c, so that nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_security_policy(scripts: Sequence[str]) -> str:
    """Return the policy: nothing is loaded from anywhere, and no script runs but these."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    # data: for the pictures, the font of the viewer and its volumes; style attributes hold colours and no more
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src data: blob:; base-uri 'none'; form-action 'none'"
    )
