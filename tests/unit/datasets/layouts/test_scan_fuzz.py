"""Whatever happened to a dataset's files, a scan accounts for each of them."""

import random
import shutil
from pathlib import Path

import pytest
from source_layouts import ROWS, write_source

from nnunetv2_mstkd.datasets.layouts.scan import scan
from nnunetv2_mstkd.errors import ConversionError


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def disturb(folder: Path, rng: random.Random) -> None:
    """Delete, rename, double or move a file."""
    file = rng.choice(files_of(folder))
    other = rng.choice(files_of(folder))
    kind = rng.choice(["delete", "case", "ending", "double", "move", "folder", "word"])
    if kind == "delete":
        file.unlink()
    elif kind == "case":
        file.rename(file.with_name(file.name.swapcase()))
    elif kind == "ending":
        shutil.copy(file, file.with_name(file.name.removesuffix(".gz")) if file.suffix == ".gz" else f"{file}.gz")
    elif kind == "double" and not (folder / "copy").exists():
        shutil.copytree(file.parent, folder / "copy" / file.parent.name, dirs_exist_ok=True)
    elif kind == "move" and not (other.parent / file.name).exists():
        file.rename(other.parent / file.name)
    elif kind == "folder":
        inside = file.parent / "inside"
        file.rename(inside)
        file.mkdir()
        inside.rename(file / rng.choice(["x.nii", "x.txt"]))
    elif kind == "word":
        file.rename(file.with_name(file.name.replace("_", rng.choice(["-", "_t1_", "__"]), 1)))


@pytest.mark.parametrize("layout", ROWS)
def test_every_file_is_used_ignored_or_told_of(tmp_path, layout):
    rng = random.Random(layout)
    write_source(tmp_path / "sound", layout, num_patients=2, shape=(8, 8, 8))
    for trial in range(3):
        folder = tmp_path / str(trial)
        shutil.copytree(tmp_path / "sound", folder)
        for _ in range(rng.randint(1, 3)):
            disturb(folder, rng)
        try:
            dataset = scan(folder)
        except ConversionError:
            continue
        images = [source.file for case in dataset.cases for source in case.images.values()]
        used = {*images, *(case.label for case in dataset.cases if case.label)}
        told = "\n".join(problem.message for problem in dataset.problems)
        assert not used & set(dataset.ignored)
        for file in set(files_of(folder)) - used:
            is_ignored = bool({file, *file.parents} & set(dataset.ignored))  # a hidden folder as a whole
            own = file.parts[len(folder.parts) :]
            assert is_ignored or any(part in told for part in own[-3:]), f"{file.relative_to(folder)} is nowhere"
        for case in dataset.cases:
            assert case.label is not None or any(problem.case == case.name for problem in dataset.problems)
