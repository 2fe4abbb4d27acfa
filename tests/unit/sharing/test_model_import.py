"""Archives of strangers, installed or refused; with tests/integration/test_sharing.py, which has real models."""

import json
import os
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nnunetv2_mstkd.errors import CheckpointError, ModelArchiveError, OutputError, UntrustedCheckpointError
from nnunetv2_mstkd.sharing.model_import import import_model

MODEL = "Dataset137_BraTS/nnUNetTrainer__nnUNetPlans__3d_fullres"
WEIGHTS = f"{MODEL}/fold_0/checkpoint_final.pth"


def weights_bytes(tmp_path: Path, **changes) -> bytes:
    content = {"network_weights": {}, "trainer_name": "nnUNetTrainer", "init_args": {"configuration": "3d_fullres"}}
    torch.save({**content, **changes}, tmp_path / "checkpoint.pth")
    return (tmp_path / "checkpoint.pth").read_bytes()


@pytest.fixture
def pack(tmp_path):
    """Return a function that writes an archive; members are added or replaced, None takes one away."""
    members = {
        f"{MODEL}/plans.json": json.dumps({"configurations": {"3d_fullres": {}}}),
        f"{MODEL}/dataset.json": "{}",
        WEIGHTS: weights_bytes(tmp_path),
    }

    def write(changes=None, name="model.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, content in {**members, **(changes or {})}.items():
                if content is not None:
                    archive.writestr(member, content)
        return tmp_path / name

    return write


@pytest.fixture
def folder(tmp_path):
    """A results folder with one model in it, and a check that a failed import leaves it alone."""
    results = tmp_path / "results"
    (results / "Dataset001_Other").mkdir(parents=True)
    yield results
    assert not list(results.rglob(".partial*"))


def is_untouched(results: Path) -> bool:
    return [path.name for path in results.rglob("*")] == ["Dataset001_Other"]


def test_a_model_is_installed_whole(pack, folder):
    imported = import_model(pack({f"{MODEL}/LICENSE": "free", f"{MODEL}/fold_0/a.pkl": b"x"}), folder)
    assert imported.folders == (folder / MODEL,)
    assert imported.left_out == (f"{MODEL}/fold_0/a.pkl",)
    assert not imported.warnings
    files = sorted(str(path.relative_to(folder / MODEL)) for path in (folder / MODEL).rglob("*") if path.is_file())
    assert files == ["LICENSE", "dataset.json", "fold_0/checkpoint_final.pth", "plans.json"]


def test_nnunets_results_folder_is_the_default(pack, results):
    assert import_model(pack()).folders == (results / MODEL,)


def test_without_a_results_folder_there_is_an_error(pack, monkeypatch):
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(OutputError, match="nnUNet_results is not set"):
        import_model(pack())


def test_several_configurations_are_installed(pack, folder):
    second = MODEL.replace("3d_fullres", "2d")
    with zipfile.ZipFile(pack()) as archive:
        members = {name.replace(MODEL, second): archive.read(name) for name in archive.namelist()}
    assert import_model(pack(members), folder).folders == (folder / second, folder / MODEL)


def test_a_model_that_exists_is_replaced_on_demand_only_and_then_whole(pack, folder):
    archive = pack()
    import_model(archive, folder)
    (folder / MODEL / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"exists.*--overwrite"):
        import_model(archive, folder)
    assert (folder / MODEL / "mine.txt").exists()
    import_model(archive, folder, overwrite=True)
    assert not (folder / MODEL / "mine.txt").exists()
    assert (folder / WEIGHTS).exists()


def test_a_model_that_cannot_be_replaced_stays(pack, folder, monkeypatch):
    import_model(pack(), folder)
    (folder / MODEL / "mine.txt").write_text("mine")
    replace = os.replace

    def fail_for_the_new_model(source, target):
        if Path(source) == folder / ".partial_import_model.zip" / MODEL:
            raise OSError("disk fault")
        replace(source, target)

    monkeypatch.setattr("os.replace", fail_for_the_new_model)
    with pytest.raises(OutputError, match="disk fault"):
        import_model(pack(), folder, overwrite=True)
    assert (folder / MODEL / "mine.txt").read_text() == "mine"


# --- refused, with nothing written ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"../outside.json": "{}"}, r"such as '\.\.'"),
        ({"/absolute.json": "{}"}, "absolute"),
        ({f"{MODEL}/plans.json": None}, "has no plans.json"),
        ({f"{MODEL}/dataset.json": None}, "has no dataset.json"),
        ({f"{MODEL}/plans.json": "{"}, "no JSON"),
        ({f"{MODEL}/plans.json": "[]"}, "one list"),
        ({WEIGHTS: None}, "no checkpoint in a folder fold_X"),
        ({WEIGHTS: None, f"{MODEL}/checkpoint_final.pth": weights_bytes}, "no checkpoint in a folder fold_X"),
        ({f"{MODEL}/plans.json": '{"configurations": {"2d": {}}}'}, "'3d_fullres', which the plans do not have"),
    ],
)
def test_an_archive_with_a_fault_is_refused(pack, folder, tmp_path, changes, problem):
    made = {name: content(tmp_path) if callable(content) else content for name, content in changes.items()}
    with pytest.raises(ModelArchiveError, match=problem):
        import_model(pack(made), folder)
    assert is_untouched(folder)
    assert not (tmp_path / "outside.json").exists()


def test_a_link_is_refused(pack, folder, tmp_path):
    archive = pack()
    link = zipfile.ZipInfo(f"{MODEL}/fold_1")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, str(tmp_path))
    with pytest.raises(ModelArchiveError, match="link"):
        import_model(archive, folder)
    assert is_untouched(folder)


def test_a_bomb_is_refused_before_anything_is_unpacked(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(WEIGHTS, bytes(101_000_000))
    with pytest.raises(ModelArchiveError, match="would unpack to 101,000,000"):
        import_model(tmp_path / "bomb.zip", folder)
    assert is_untouched(folder)


def test_too_little_room_is_an_error_before_anything_is_unpacked(pack, folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OutputError, match="has room for 10 bytes"):
        import_model(pack(), folder)
    assert is_untouched(folder)


def test_a_damaged_member_is_refused(pack, folder):
    archive = pack()
    content = bytearray(archive.read_bytes())
    content[content.find(b'{"configurations"') + 3] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ModelArchiveError, match="CRC"):
        import_model(archive, folder)
    assert is_untouched(folder)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_archive_is_refused(pack, folder, share):
    archive = pack()
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    # with its own table of contents gone, that of the checkpoint in it may be taken for the archive's
    with pytest.raises(ModelArchiveError, match=r"damaged or no zip file|no archive of a model, or it is cut off"):
        import_model(archive, folder)
    assert is_untouched(folder)


def test_an_archive_that_is_not_there_is_an_error(folder, tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        import_model(tmp_path / "missing.zip", folder)


class Touches:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_that_would_execute_code_is_refused_unless_trusted(pack, folder, tmp_path):
    archive = pack({WEIGHTS: weights_bytes(tmp_path, logging=Touches(tmp_path / "touched"))})
    with pytest.raises(UntrustedCheckpointError, match="--trust-checkpoint"):
        import_model(archive, folder)
    assert is_untouched(folder)
    assert not (tmp_path / "touched").exists()
    import_model(archive, folder, trust_checkpoint=True)
    assert (tmp_path / "touched").exists()


def test_every_checkpoint_is_checked(pack, folder):
    with pytest.raises(CheckpointError, match=r"checkpoint_best\.pth cannot be read"):
        import_model(pack({f"{MODEL}/fold_1/checkpoint_best.pth": b"damaged"}), folder)
    assert is_untouched(folder)


def test_plans_that_would_execute_code_are_refused_unless_trusted(pack, folder):
    architecture = {"network_class_name": "os.system", "arch_kwargs": {}, "_kw_requires_import": []}
    plans = {"configurations": {"3d_fullres": {"architecture": architecture}}}
    archive = pack({f"{MODEL}/plans.json": json.dumps(plans)})
    with pytest.raises(ValueError, match=r"os\.system"):
        import_model(archive, folder)
    assert is_untouched(folder)
    assert import_model(archive, folder, trust_checkpoint=True).folders
