"""`mstkd doctor`: each problem is seen and comes with the line that mends it."""

import dataclasses
import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

from nnunetv2_mstkd import overlay, trainers
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.doctor import Finding, diagnose, discovery, folders, hardware, placement, settings, versions
from nnunetv2_mstkd.doctor.diagnosis import CHECKS
from nnunetv2_mstkd.doctor.installation import Installation, source_folder


@pytest.fixture(autouse=True)
def healthy_environment(monkeypatch, tmp_path):
    """nnU-Net's three folders, and nothing else set."""
    for variable in ("MSTKD_MODALITIES", "nnUNet_extTrainer", "nnUNet_n_proc_DA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("nnUNet_def_n_proc", "1")
    for variable in folders.FOLDERS:
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))


@pytest.fixture
def installed(tmp_path):
    """A site folder with an nnunetv2, and our overlay in it as pip lays it there."""
    nnunet = tmp_path / "site/nnunetv2"
    served = [tmp_path / "site" / Path(*dotted.split(".")) for dotted in overlay.TARGETS.values()]
    for kind, folder in zip(overlay.TARGETS, served, strict=True):
        shutil.copytree(source_folder(kind), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Installation(nnunet, (), is_checkout=False, recorded=tuple(served))


@pytest.fixture
def editable(tmp_path):
    """An nnunetv2 that knows nothing of us."""
    return Installation(tmp_path / "site/nnunetv2", (), is_checkout=True, recorded=())


def only(findings):
    found = list(findings)
    assert len(found) == 1, found
    return found[0]


def by_name(findings):
    return {finding.name: finding for finding in findings}


# findings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["warning", "problem"])
def test_what_is_wrong_needs_a_mend(status):
    with pytest.raises(ValueError, match="mends"):
        Finding("disk", status, "full")


def test_a_check_that_breaks_is_a_problem_and_hides_no_other(editable):
    def check_disk(_installation):
        raise OSError("unreadable")

    broken, fine = diagnose(editable, [check_disk, settings.check_modalities_variable])
    assert (broken.name, broken.status) == ("disk", "problem")
    assert "unreadable" in broken.detail
    assert fine.status == "ok"


# versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.7.1", "2.9.0"])
def test_unsupported_nnunet(monkeypatch, editable, version):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    finding = by_name(versions.check_versions(editable))["nnunetv2"]
    assert (finding.status, finding.mend) == ("problem", "pip install 'nnunetv2>=2.8,<2.9'")
    assert version in finding.detail


def test_missing_packages(monkeypatch, editable):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    found = by_name(versions.check_versions(editable))
    assert found["torch"].mend == "pip install torch"
    assert found["nnunetv2"].mend == "pip install 'nnunetv2>=2.8,<2.9'"


def make_distribution(site, version):
    info = site / f"nnunetv2_mstkd-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nnunetv2_mstkd\nVersion: {version}\n")
    (info / "RECORD").write_text("")


def test_two_installs_are_seen(monkeypatch, tmp_path, editable):
    for site in ("user", "system"):
        make_distribution(tmp_path / site, "0.0.9")
    monkeypatch.setattr("sys.path", [str(tmp_path / "user"), str(tmp_path / "system")])
    finding = only(versions.check_copies(editable))
    assert finding.status == "problem"
    assert finding.mend.startswith("pip uninstall nnunetv2_mstkd")
    assert str(tmp_path / "user") in finding.detail


def test_one_install_on_a_doubled_path_is_one(monkeypatch, tmp_path, editable):
    make_distribution(tmp_path / "site", "0.0.9")
    (tmp_path / "link").symlink_to(tmp_path / "site")
    monkeypatch.setattr("sys.path", [str(tmp_path / "site"), str(tmp_path / "link")])
    assert list(versions.check_copies(editable)) == []


# placement -----------------------------------------------------------------------------------------------------------


def test_no_nnunet():
    finding = only(placement.check_nnunet(Installation(None, (), is_checkout=True, recorded=())))
    assert (finding.status, finding.mend) == ("problem", "pip install 'nnunetv2>=2.8,<2.9'")


def test_only_our_files_are_left_of_nnunet(installed):
    bare = dataclasses.replace(installed, nnunet=None, fragments=(installed.nnunet,))
    finding = only(placement.check_nnunet(bare))
    assert "only our files are left" in finding.detail
    assert finding.mend == "pip install 'nnunetv2>=2.8,<2.9'"


def test_leftovers_of_nnunet(installed):
    (installed.nnunet / "old.json").touch()
    bare = dataclasses.replace(installed, nnunet=None, fragments=(installed.nnunet,))
    finding = only(placement.check_nnunet(bare))
    assert finding.mend == f"rm -r {installed.nnunet} && pip install 'nnunetv2>=2.8,<2.9'"


def test_without_nnunet_nothing_is_searched(installed):
    bare = dataclasses.replace(installed, nnunet=None)
    searches = (
        discovery.check_way,
        discovery.check_trainers,
        discovery.check_stock,
        discovery.check_preprocessor,
        discovery.check_planners,
    )
    assert [finding for search in searches for finding in search(bare)] == []


def test_namespace_folder_is_no_nnunet(monkeypatch, tmp_path):
    (tmp_path / "nnunetv2/training").mkdir(parents=True)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.split(".")[0] == "nnunetv2"]:
        monkeypatch.delitem(sys.modules, name)
    found = Installation.read()
    assert (found.nnunet, found.fragments) == (None, (tmp_path / "nnunetv2",))


def test_overlay_of_this_version(installed):
    assert [finding.status for finding in placement.check_overlays(installed)] == ["ok"] * len(overlay.TARGETS)


@pytest.mark.parametrize("change", ["edited", "extra", "missing"])
def test_overlay_of_another_version(installed, change):
    folder = installed.recorded[0]
    if change == "missing":
        (folder / "mstkd_trainers.py").rename(folder / "older.py")
    else:
        (folder / ("mstkd_trainers.py" if change == "edited" else "older.py")).write_text("# older\n")
    finding = next(placement.check_overlays(installed))
    assert finding.status == "problem"
    assert finding.mend == f"rm -r {folder} && pip install --force-reinstall --no-deps .  # in the folder of our source"


def test_overlay_without_a_record(installed):
    orphan = dataclasses.replace(installed, recorded=(), is_checkout=True)
    finding = next(placement.check_overlays(orphan))
    assert (finding.status, finding.mend) == ("warning", f"rm -r {installed.recorded[0]}")


# discovery -----------------------------------------------------------------------------------------------------------


def test_overlay_is_the_way(installed):
    finding = only(discovery.check_way(installed))
    assert finding.status == "ok"
    assert finding.detail.startswith("overlay")


def test_editable_install_is_told_what_to_export(monkeypatch, editable):
    finding = only(discovery.check_way(editable))
    assert (finding.status, finding.mend) == ("problem", f"export nnUNet_extTrainer={source_folder('trainers')}")
    monkeypatch.setenv("nnUNet_extTrainer", str(source_folder("trainers")))
    finding = only(discovery.check_way(editable))
    assert finding.status == "ok"


def test_other_external_folders_are_kept(monkeypatch, tmp_path, editable):
    monkeypatch.setenv("nnUNet_extTrainer", f"{tmp_path}{os.pathsep}{tmp_path / 'gone'}")
    found = by_name(discovery.check_way(editable))
    assert found["nnUNet_extTrainer"].status == "warning"
    expected = f"export nnUNet_extTrainer={tmp_path}{os.pathsep}{source_folder('trainers')}"
    assert found["way to the trainers"].mend == expected


def test_nnunet_in_another_site_folder(installed, tmp_path):
    elsewhere = dataclasses.replace(installed, nnunet=tmp_path / "checkout/nnunetv2")
    finding = only(discovery.check_way(elsewhere))
    assert finding.status == "problem"
    assert str(tmp_path / "checkout/nnunetv2") in finding.detail
    assert finding.mend == f"export nnUNet_extTrainer={source_folder('trainers')}"


def test_install_without_an_overlay_is_mended_by_a_new_one(installed, tmp_path):
    broken = dataclasses.replace(installed, nnunet=tmp_path / "other/nnunetv2", recorded=())
    assert only(discovery.check_way(broken)).mend.startswith("pip install --force-reinstall")


def test_nnunet_is_asked_for_each_trainer(monkeypatch, editable):
    monkeypatch.setenv("nnUNet_extTrainer", str(source_folder("trainers")))
    found = by_name(discovery.check_trainers(editable))
    assert set(found) == {*trainers.trainer_names(), "nnUNetTrainerMSTKD_3epochs"}
    assert {finding.status for finding in found.values()} == {"ok"}


def search_with(monkeypatch, answer):
    monkeypatch.setattr("nnunetv2.utilities.find_objects.recursive_find_trainer_class_by_name", answer)


def test_another_class_of_the_name_is_a_problem(monkeypatch, editable):
    search_with(monkeypatch, lambda name: type(name, (), {}))
    finding = next(discovery.check_trainers(editable))
    assert finding.status == "problem"
    assert "another class" in finding.detail


def test_trainers_that_nnunet_does_not_find(monkeypatch, editable):
    def not_found(name):
        raise RuntimeError(f"Could not find requested nnunet trainer {name}")

    search_with(monkeypatch, not_found)
    finding = next(discovery.check_trainers(editable))
    assert (finding.status, finding.mend) == ("problem", f"export nnUNet_extTrainer={source_folder('trainers')}")


@pytest.mark.parametrize("error", [ImportError("no scipy"), RuntimeError("no driver")])
def test_trainers_that_cannot_be_loaded(monkeypatch, editable, error):
    def fail(_name):
        raise error

    search_with(monkeypatch, fail)
    finding = next(discovery.check_trainers(editable))
    assert str(error) in finding.detail
    assert finding.mend.startswith("pip check")


def test_trainers_of_an_unsupported_nnunet(monkeypatch, editable):
    monkeypatch.setenv("nnUNet_extTrainer", str(source_folder("trainers")))
    monkeypatch.setattr(metadata, "version", lambda _: "2.9.1")
    monkeypatch.setattr(trainers, "trainer_names", lambda: ("nnUNetTrainerMSTKD_987epochs",))  # in no cache yet
    finding = next(discovery.check_trainers(editable))
    assert finding.mend == "pip install 'nnunetv2>=2.8,<2.9'"


def test_stock_trainer_resolves(editable):
    assert only(discovery.check_stock(editable)).status == "ok"


@pytest.mark.parametrize("check", [discovery.check_preprocessor, discovery.check_planners])
@pytest.mark.parametrize(("is_checkout", "mend"), [(True, "pip install ."), (False, "pip install --force-reinstall")])
def test_missing_preprocessor_or_planner_is_a_warning(monkeypatch, editable, check, is_checkout, mend):
    monkeypatch.setattr("nnunetv2.utilities.find_class_by_name.recursive_find_python_class", lambda *_: None)
    findings = list(check(dataclasses.replace(editable, is_checkout=is_checkout)))
    assert findings
    assert {finding.status for finding in findings} == {"warning"}
    assert all(finding.mend.startswith(mend) for finding in findings)


# folders and settings ------------------------------------------------------------------------------------------------


def test_folders_are_fine(editable):
    assert [finding.status for finding in folders.check_folders(editable)] == ["ok"] * 3


@pytest.mark.parametrize("variable", folders.FOLDERS)
def test_folder_is_not_set(monkeypatch, editable, variable):
    monkeypatch.delenv(variable)
    finding = by_name(folders.check_folders(editable))[variable]
    assert finding.status == "problem"
    assert f"export {variable}=" in finding.mend
    assert "mkdir -p" in finding.mend


def test_folder_does_not_exist(monkeypatch, tmp_path, editable):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "a b"))
    finding = next(folders.check_folders(editable))
    assert (finding.status, finding.mend) == ("problem", f"mkdir -p '{tmp_path}/a b'")


def test_folder_is_a_file(monkeypatch, tmp_path, editable):
    (tmp_path / "file").touch()
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "file"))
    assert next(folders.check_folders(editable)).status == "problem"


def test_folder_cannot_be_written(monkeypatch, editable):
    # the tests may run as root, who may write everywhere
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    found = list(folders.check_folders(editable))
    assert [finding.status for finding in found] == ["warning", "problem", "problem"]
    assert found[1].mend.startswith("chmod u+w ")


def test_modalities_variable_is_set(monkeypatch, editable):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1")
    finding = only(settings.check_modalities_variable(editable))
    assert (finding.status, finding.mend) == ("warning", "unset MSTKD_MODALITIES")


@pytest.mark.parametrize(
    ("value", "status"), [("4", "ok"), ("5", "warning"), (None, "warning"), ("0", "problem"), ("x", "problem")]
)
def test_number_of_processes(monkeypatch, editable, value, status):
    monkeypatch.setattr(settings, "available_cores", lambda: 4)
    monkeypatch.delenv("nnUNet_def_n_proc")
    if value is not None:
        monkeypatch.setenv("nnUNet_def_n_proc", value)
    finding = only(settings.check_processes(editable))
    assert finding.status == status
    assert status == "ok" or finding.mend == "export nnUNet_def_n_proc=4"


@pytest.mark.parametrize(("value", "status"), [("2", "ok"), ("0", "warning"), ("-1", "problem"), ("many", "problem")])
def test_number_of_augmentation_processes(monkeypatch, editable, value, status):
    monkeypatch.setenv("nnUNet_n_proc_DA", value)
    finding = by_name(settings.check_processes(editable))["nnUNet_n_proc_DA"]
    assert finding.status == status
    assert status == "ok" or finding.mend.startswith("unset nnUNet_n_proc_DA")


# hardware ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("has_mps", "device"), [(False, "cpu"), (True, "mps")])
def test_no_cuda(monkeypatch, editable, has_mps, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: has_mps)
    finding = only(hardware.check_device(editable))
    assert finding.status == "warning"
    assert f"-device {device}" in finding.mend


def test_cuda(monkeypatch, editable):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: f"GPU{index}")
    assert only(hardware.check_device(editable)).detail == "cuda: GPU0, GPU1"


@pytest.mark.parametrize(("threads", "status"), [(1, "warning"), (8, "ok"), (16, "ok")])
def test_threads(monkeypatch, editable, threads, status):
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr(hardware, "available_cores", lambda: 16)
    finding = only(hardware.check_threads(editable))
    assert finding.status == status
    assert status == "ok" or finding.mend == "export OMP_NUM_THREADS=16"


def test_prediction_on_many_cores_is_capped(monkeypatch, editable):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.get_num_threads", lambda: 32)
    monkeypatch.delenv("nnUNet_def_n_proc")
    finding = by_name(hardware.check_threads(editable))["prediction threads"]
    assert (finding.status, finding.mend) == ("warning", "export nnUNet_def_n_proc=32")


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (("AMX", "AVX-512 BF16"), "CPU: AMX, AVX-512 BF16"),
        ((), "CPU: no hardware support, neither AVX-512 BF16 nor AMX"),
    ],
)
def test_bfloat16(monkeypatch, editable, units, expected):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.hardware.bfloat16_units", lambda: units)
    assert only(hardware.check_bfloat16(editable)).detail == expected


@pytest.mark.parametrize(
    ("has_openvino", "status", "expected"),
    [
        (True, "ok", "torch-float32, openvino-float32; auto takes openvino-float32"),
        (False, "warning", "torch-float32; auto takes torch-float32"),
    ],
)
def test_engines(monkeypatch, editable, has_openvino, status, expected):
    for module in ("choice", "hardware"):
        monkeypatch.setattr(f"nnunetv2_mstkd.inference.engines.{module}.has_openvino", lambda: has_openvino)
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.choice.bfloat16_units", lambda: ())
    finding = only(hardware.check_engines(editable))
    assert finding.status == status
    assert finding.detail.startswith(expected)
    assert has_openvino or '"nnunetv2_mstkd[openvino]"' in finding.mend


# the command ---------------------------------------------------------------------------------------------------------


def with_findings(monkeypatch, *findings):
    def diagnose_and_chatter():
        print("Searching in: somewhere")  # as nnU-Net does
        return list(findings)

    monkeypatch.setattr("nnunetv2_mstkd.doctor.diagnose", diagnose_and_chatter)


FINE = Finding("disk", "ok", "empty")
ODD = Finding("fan", "warning", "loud", "oil it")
BAD = Finding("fuse", "problem", "blown", "replace it")


@pytest.mark.parametrize(("findings", "code"), [([FINE], 0), ([FINE, ODD], 0), ([FINE, ODD, BAD], 1)])
def test_exit_code_and_json(monkeypatch, capsys, findings, code):
    with_findings(monkeypatch, *findings)
    assert main(["doctor", "--json"]) == code
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"ok": code == 0, "findings": [dataclasses.asdict(f) for f in findings]}
    assert "Searching in" in printed.err


def test_text_shows_every_mend(monkeypatch, capsys):
    with_findings(monkeypatch, FINE, ODD, BAD)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert (
        "[ ok ] disk: empty\n[warn] fan: loud\n       mend: oil it\n[FAIL] fuse: blown\n       mend: replace it\n"
        in out
    )
    assert "1 problem(s), 1 warning(s)" in out


def test_a_whole_run_in_this_environment(monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_extTrainer", str(source_folder("trainers")))
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    problems = [finding for finding in report["findings"] if finding["status"] == "problem"]
    assert (code, report["ok"], problems) == (0, True, [])
    assert len(report["findings"]) >= len(CHECKS) - 2  # the copies and the overlays say nothing where there are none
