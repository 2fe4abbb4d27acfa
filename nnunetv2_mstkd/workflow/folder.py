"""The folder in which a workflow runs: copies that a user may edit (L0: standard library only)."""

import shutil
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError

CONFIG = "config.yaml"
EXAMPLE = "config.example.yaml"
COMPARISONS = {name: f"comparison_{name}.yaml" for name in ("demonstration", "patients")}  # of all methods
_SOURCE = Path(__file__).parent
# Snakefile included: Kubernetes ships what lies in the folder, and the folder then says all that was run
_FILES = {
    "Snakefile": "Snakefile",
    **{f"profiles/{name}/config.yaml": f"profiles/{name}/config.yaml" for name in ("local", "slurm", "kubernetes")},
}


def write_workflow(folder: Path, config: str = EXAMPLE) -> list[Path]:
    """Write the workflow's files into a folder and return them.

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
    return [folder / name for name in files.values()]
