"""The viewer library that the page embeds: NiiVue, unchanged (L2)."""

from importlib.resources import files

NIIVUE_VERSION = "0.69.0"
NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"

_VENDOR = files("nnunetv2_mstkd.benchmark.report") / "vendor"


def niivue_source() -> str:
    """Return the script; it defines the global `niivue`."""
    return (_VENDOR / "niivue.umd.js").read_text(encoding="utf-8")


def niivue_licence() -> str:
    """Return the licence of NiiVue and of what it bundles; it has to go with every copy."""
    return (_VENDOR / "LICENSE-niivue").read_text(encoding="utf-8")
