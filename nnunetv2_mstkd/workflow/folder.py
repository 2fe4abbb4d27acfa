"""The folder in which a workflow runs: copies that a user may edit (L0: standard library only)."""

import json
import re
import shutil
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError

CONFIG = "config.yaml"
EXAMPLE = "config.example.yaml"
COMPARISONS = {name: f"comparison_{name}.yaml" for name in ("demonstration", "patients")}  # of all methods
_SOURCE = Path(__file__).parent
# beside the package in its source code; where it is installed there is none
_COSTS_SCRIPT = _SOURCE.parents[1] / "benchmarks" / "method_costs.py"
# Snakefile included: Kubernetes ships what lies in the folder, and the folder then says all that was run
_FILES = {
    "Snakefile": "Snakefile",
    **{f"profiles/{name}/config.yaml": f"profiles/{name}/config.yaml" for name in ("local", "slurm", "kubernetes")},
}


def write_workflow(folder: Path, config: str = EXAMPLE) -> list[Path]:
    """Write the workflow's files into a folder and return them.

    A comparison measures costs where the package lies in its source code, which has the script for it.

    Args:
        folder: made if need be; other files in it are left alone.
        config: which of the package's files becomes config.yaml.

    Raises:
        SettingsError: if one of the files is there already, before any is written.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; name a folder")
    files = {**_FILES, config: CONFIG}
    if there := [name for name in files.values() if (folder / name).exists()]:
        raise SettingsError(f"{folder} holds a workflow already ({', '.join(there)}); edit it, or name another folder")
    for source, target in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_SOURCE / source, folder / target)
    if config in COMPARISONS.values() and _COSTS_SCRIPT.is_file():
        _set_costs_script(folder / CONFIG)
    return [folder / name for name in files.values()]


def _set_costs_script(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    named = f"costs_script: {json.dumps(str(_COSTS_SCRIPT))}"  # a string of JSON is one of YAML
    config.write_text(re.sub(r"^costs_script: null", lambda _: named, text, flags=re.MULTILINE), encoding="utf-8")
