"""`mstkd convert`, typed as a user types it."""

import json
import signal
from types import SimpleNamespace

import pytest
from source_layouts import write_source

from nnunetv2_mstkd.cli.main import main


@pytest.fixture
def out(tmp_path):
    return tmp_path / "nnUNet_raw" / "Dataset137_BraTS"


@pytest.fixture
def source(tmp_path):
    """Return a function that writes a miniature source."""

    def write(layout="brats2021", **options):
        write_source(tmp_path / "source", layout, **options)
        return str(tmp_path / "source")

    return write


def convert(*arguments) -> int:
    return main(["convert", *map(str, arguments), "--workers", "1"])


def described(out) -> dict:
    return json.loads((out / "dataset.json").read_text())


def test_two_paths_are_enough(source, out, capsys):
    assert convert(source(), out) == 0
    printed = capsys.readouterr().out
    assert "(brats2021): 3 cases of 3 patients" in printed
    assert "labels: 1 NCR -> 1, 2 ED -> 2, 4 ET -> 3" in printed
    assert printed.endswith("  nnUNetv2_plan_and_preprocess -d 137 -c 3d_fullres\n")
    assert described(out)["mstkd_conversion"]["layout"] == "brats2021"


def test_a_folder_that_nnunet_does_not_look_into_is_told(source, out, monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_raw", str(out.parent))
    convert(source(), out)
    assert "export" not in capsys.readouterr().out
    monkeypatch.delenv("nnUNet_raw")
    convert(source(), out)
    assert f"  export nnUNet_raw={out.parent}\n" in capsys.readouterr().out


def test_the_same_command_again_changes_nothing(source, out, capsys):
    folder = source()
    convert(folder, out)
    assert convert(folder, out) == 0
    assert "holds this conversion already" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(source, out, capsys):
    assert convert(source(), out, "--dry-run") == 0
    assert "nothing was written" in capsys.readouterr().out
    assert not out.parent.exists()


def test_problems_are_listed_and_nothing_is_written(source, out, tmp_path, capsys):
    folder = source()
    broken = tmp_path / "source/BraTS2021_00002/BraTS2021_00002_t2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    assert convert(folder, out) == 1
    told = capsys.readouterr().err
    assert "1 problem in 1 case, so nothing was written" in told
    assert "BraTS2021_00002: T2 (BraTS2021_00002_t2.nii.gz) cannot be read" in told
    assert not out.exists()
    assert convert(folder, out, "--skip-faulty") == 0
    assert described(out)["numTraining"] == 2
    assert "left out: 1 case, listed in provenance.csv" in capsys.readouterr().out


def test_the_options_reach_the_dataset(source, out, tmp_path):
    splits = tmp_path / "folds.csv"
    splits.write_text("case,fold\nBraTS2021_00001,0\nBraTS2021_00002,0\nBraTS2021_00003,1\n")
    assert convert(source(), out, "--preset", "nnunet", "--copy", "--splits", splits) == 0
    assert described(out)["regions_class_order"] == [1, 2, 3]
    assert (out / "imagesTr" / "BraTS2021_00001_0000.nii.gz").is_file()
    assert [len(fold["val"]) for fold in json.loads((out / "splits_final.json").read_text())] == [2, 1]


def test_variables_make_links_portable(source, out, monkeypatch):
    monkeypatch.setenv("BRATS", source())
    monkeypatch.setenv("RAW", str(out.parent))
    assert convert("$BRATS", f"$RAW/{out.name}") == 0
    image = described(out)["dataset"]["BraTS2021_00001"]["images"][0]
    assert image == "$BRATS/BraTS2021_00001/BraTS2021_00001_t1.nii.gz"


def test_a_partition_of_fets_is_one_fold_per_institution(source, out):
    assert convert(source("fets2022"), out, "--partition", "partitioning_1") == 0
    folds = json.loads((out / "splits_final.json").read_text())
    assert [fold["val"] for fold in folds] == [["FeTS2022_00001", "FeTS2022_00003"], ["FeTS2022_00002"]]


@pytest.mark.parametrize("by_file", [True, False], ids=["file", "options"])
def test_a_layout_of_ones_own_can_be_described(source, out, tmp_path, by_file):
    folder = source("brats2021", clutter=False)
    images, label = "{case}/{case}_{modality}.nii.gz", "{case}/{case}_seg.nii.gz"
    modalities = {"FLAIR": "flair", "T1ce": "t1ce"}
    if by_file:
        file = tmp_path / "own.json"
        file.write_text(json.dumps({"images": images, "label": label, "modalities": modalities, "name": "own"}))
        options = ["--layout", file]
    else:
        options = ["--images", images, "--label", label]
        options += [part for name, text in modalities.items() for part in ("--modality", f"{name}={text}")]
    assert convert(folder, out, *options, "--labels", "1=NCR,2=ED,4=ET") == 0
    assert described(out)["channel_names"] == {"0": "FLAIR", "1": "T1ce"}
    assert described(out)["regions_class_order"] == [2, 1, 3]


def test_labels_of_ones_own_stay_labels(source, out):
    assert convert(source(), out, "--labels", "1=cyst,2=wall,4=nodule") == 0
    assert described(out)["labels"] == {"background": 0, "cyst": 1, "wall": 2, "nodule": 3}
    assert "regions_class_order" not in described(out)


@pytest.mark.parametrize(("layout", "found"), [("brats2023", "brats2023"), ("brats-gli-post", "brats-gli-post")])
def test_the_values_tell_layouts_apart_that_names_do_not(source, out, layout, found):
    assert convert(source(layout), out) == 0
    assert described(out)["mstkd_conversion"]["layout"] == found
    assert ("resection_cavity" in described(out)["labels"]) == (layout == "brats-gli-post")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["only-a-source"],
        ["a", "b", "--check", "c"],
        ["a", "b", "--copy", "--symlink"],
        ["a", "Dataset001_B", "--layout", "brats2021", "--images", "{case}_{modality}.nii.gz"],
        ["a", "b", "--folds", "1"],
    ],
)
def test_usage_errors_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        convert(*arguments)
    assert ended.value.code == 2
    assert "usage: mstkd convert" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--check", "d", "--preset", "native"], ["--check", "--preset"]),
        (["--check", "d", "--folds", "5"], ["--check", "--folds"]),
        (["--check", "d", "--skip-faulty", "--dry-run"], ["--check", "--skip-faulty", "--dry-run"]),
        (["--check", "d", "--modality", "T1=t1"], ["--check", "--modality"]),
        (["a", "b", "--folds", "5", "--splits", "s.json"], ["--folds", "--splits"]),
        (["a", "b", "--folds", "3", "--partition", "p"], ["--folds", "--partition"]),
        (["a", "b", "--partition", "p", "--splits", "s.json"], ["--partition", "--splits"]),
        (["a", "b", "--root-variable", "B", "--copy"], ["--root-variable", "--copy"]),
        (["a", "b", "--root-variable", "B", "--symlink"], ["--root-variable", "--symlink"]),
    ],
)
def test_options_without_effect_are_refused_by_name(arguments, named, capsys):
    with pytest.raises(SystemExit) as ended:
        convert(*arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err.rpartition("error: ")[2]
    assert all(name in told for name in named)


@pytest.mark.parametrize(("option", "first"), [("--splits", "a"), ("--layout", "a"), ("--splits", "--check")])
def test_a_file_that_is_not_there_is_a_usage_error(option, first, capsys):
    with pytest.raises(SystemExit, match="2"):
        convert(first, "b", option, "none.json")
    assert f"{option}: there is no file none.json" in capsys.readouterr().err


def test_a_scheduler_interrupts_as_ctrl_c_does(source, out, monkeypatch, capsys):
    monkeypatch.setattr(
        "nnunetv2_mstkd.datasets.conversion.convert.plan_conversion",
        lambda *_: signal.raise_signal(signal.SIGHUP),
    )
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        assert convert(source(), out) == 1
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "To go on, repeat the command" in capsys.readouterr().err


def test_a_wrong_name_of_the_dataset_is_an_error_before_any_work(capsys):
    assert convert("nowhere", "BraTS") == 1
    assert "Dataset137_BraTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("severities", "code", "counts"),
    [
        ([], 0, "0 errors, 0 warnings, 0 notes"),
        (["warning", "note"], 0, "0 errors, 1 warning, 1 note"),
        (["warning", "error"], 1, "1 error, 1 warning, 0 notes"),
    ],
)
def test_check_prints_each_finding_and_fails_on_errors_only(monkeypatch, tmp_path, capsys, severities, code, counts):
    class Finding(SimpleNamespace):
        def __str__(self):
            return f"{self.severity}: found"

    given = []

    def audit(*arguments):
        given.append(arguments)
        return [Finding(severity=severity) for severity in severities]

    monkeypatch.setattr("nnunetv2_mstkd.datasets.audit.audit.audit_dataset", audit)
    (tmp_path / "s.json").touch()
    assert convert("--check", tmp_path, "--splits", tmp_path / "s.json") == code
    assert [arguments[:3] for arguments in given] == [(tmp_path, tmp_path / "s.json", 1)]
    printed = capsys.readouterr().out.splitlines()
    assert printed[:-1] == [f"{severity}: found" for severity in severities]
    assert printed[-1] == f"{tmp_path}: {counts}"


def test_an_interruption_says_how_to_go_on(source, out, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnunetv2_mstkd.datasets.conversion.convert.plan_conversion", interrupted)
    assert convert(source(), out) == 1
    assert "To go on, repeat the command" in capsys.readouterr().err


def test_a_folder_that_is_called_like_a_variable_can_be_converted(source, out, tmp_path, monkeypatch):
    source()
    folder = (tmp_path / "source").rename(tmp_path / "a$b")
    monkeypatch.delenv("b", raising=False)
    assert convert(folder, out) == 1
    assert convert(folder, out, "--copy") == 0
    assert "dataset" not in described(out)
    monkeypatch.setenv("BRATS", str(folder))
    other = out.with_name("Dataset138_BraTS")
    assert convert(folder, other, "--root-variable", "BRATS") == 0
    assert described(other)["dataset"]["BraTS2021_00001"]["images"][0].startswith("$BRATS/BraTS2021_00001/")
