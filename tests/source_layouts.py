"""Miniature copies of the datasets that are converted: right names, real headers, all label values, tiny volumes.

What is here is written from the datasets' own descriptions, not from the table of layouts: it tells whether that is
right.
"""

import csv
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK

MODALITIES = ("T1", "T1ce", "T2", "FLAIR")
LEVELS = {"T1": 400, "T1ce": 600, "T2": 800, "FLAIR": 1000}  # of the brain: the voxels tell the modality
CLASSIC = {"NCR": 1, "ED": 2, "ET": 4}  # BraTS up to 2021, FeTS, UCSF-PDGM, UPENN-GBM
NEW = {"NCR": 1, "ED": 2, "ET": 3}  # BraTS 2023 and SSA

# brightness of the parts of a tumour, against the brain, in the order of MODALITIES
_CONTRAST = {
    "NCR": (-0.5, -0.5, 1.2, 0.2),
    "ED": (-0.3, 0.0, 1.0, 1.8),
    "ET": (-0.2, 2.0, 0.3, 0.6),
    "RC": (-0.8, -0.8, 2.0, -0.7),
    "CC": (-0.6, -0.6, 1.6, -0.2),
}
# where each part is, as fractions of the volume along (z, y, x): later ones lie in earlier ones
_PARTS = {
    "ED": ((0.2, 0.8), (0.2, 0.8), (0.2, 0.8)),
    "ET": ((0.35, 0.75), (0.3, 0.7), (0.3, 0.7)),
    "NCR": ((0.4, 0.7), (0.4, 0.6), (0.4, 0.6)),
    "RC": ((0.2, 0.35), (0.2, 0.5), (0.2, 0.5)),
    "CC": ((0.35, 0.5), (0.3, 0.4), (0.3, 0.5)),
}


@dataclass(frozen=True)
class WrittenCase:
    """What was written of a case.

    Args:
        name: as the converter is to call it.
        patient: whose scan it is.
        images: modality -> file; those of a 4D file are all the same file.
        label: the reference that counts; None if there is none.
        note: what is to be on record.
    """

    name: str
    patient: str
    images: Mapping[str, Path]
    label: Path | None
    note: str = ""


@dataclass(frozen=True)
class _Grid:
    """What is in the headers, in SimpleITK's order (x, y, z)."""

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    origin: tuple[float, ...] = (0.0, -239.0, 0.0)  # BraTS: the atlas SRI24, as ITK sees it
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class _Row:
    """How a dataset names things.

    Args:
        cases: name with {i} -> patient with {i}; repeated for each patient.
        image: path with {case} and {suffix}, without the ending.
        suffixes: in the order of MODALITIES.
        label: path with {case}, likewise.
        values: meaning -> value in the label maps.
        clutter: paths with {case} that are written as images, and that nobody may take for any of the four.
        grid: of the headers.
    """

    cases: Mapping[str, str]
    image: str
    suffixes: Sequence[str]
    label: str
    values: Mapping[str, int]
    clutter: Sequence[str] = ()
    grid: _Grid = field(default_factory=_Grid)


_OLD_SUFFIXES = ("_t1", "_t1ce", "_t2", "_flair")
_GRADES = ("HGG/", "LGG/")  # by turns
_NEW_SUFFIXES = ("-t1n", "-t1c", "-t2w", "-t2f")
_RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def _old(cases: Mapping[str, str], folder: str) -> _Row:
    stem = f"{folder}{{case}}/{{case}}"
    return _Row(
        cases, stem + "{suffix}", _OLD_SUFFIXES, stem + "_seg", CLASSIC, clutter=(f"{folder}{{case}}/._{{case}}_t1",)
    )


def _new(cases: Mapping[str, str], folder: str, values: Mapping[str, int]) -> _Row:
    stem = f"{folder}{{case}}/{{case}}"
    return _Row(cases, stem + "{suffix}", _NEW_SUFFIXES, stem + "-seg", values)


ROWS: Mapping[str, _Row] = {
    "brats2018": _old({"Brats18_TCIA{i:02d}_131_1": "Brats18_TCIA{i:02d}_131"}, "{grade}"),
    "brats2019": _old({"BraTS19_CBICA_A{i:02d}_1": "BraTS19_CBICA_A{i:02d}"}, "{grade}"),
    "brats2020": _old({"BraTS20_Training_{i:03d}": "BraTS20_Training_{i:03d}"}, "MICCAI_BraTS2020_TrainingData/"),
    "brats2021": _old({"BraTS2021_{i:05d}": "BraTS2021_{i:05d}"}, ""),
    "fets2022": _old({"FeTS2022_{i:05d}": "FeTS2022_{i:05d}"}, ""),
    "fets2024": _old({"FeTS2024_{i:05d}": "FeTS2024_{i:05d}"}, ""),
    "brats2023": _new({"BraTS-GLI-{i:05d}-000": "BraTS-GLI-{i:05d}"}, "", NEW),
    "brats-gli-post": _new(
        {f"BraTS-GLI-{{i:05d}}-{visit}": "BraTS-GLI-{i:05d}" for visit in (100, 101)}, "", {**NEW, "RC": 4}
    ),
    "brats-ssa": _new({"BraTS-SSA-{i:05d}-000": "BraTS-SSA-{i:05d}"}, "95_Glioma/", NEW),
    "brats-ped": _new({"BraTS-PED-{i:05d}-000": "BraTS-PED-{i:05d}"}, "", {"ET": 1, "NCR": 2, "CC": 3, "ED": 4}),
    "brats2023-ped": _new({"BraTS-PED-{i:05d}-000": "BraTS-PED-{i:05d}"}, "", NEW),
    "msd-brain": _Row(
        {"BRATS_{i:03d}": "BRATS_{i:03d}"},
        "imagesTr/{case}",
        ("", "", "", ""),
        "labelsTr/{case}",
        {"ED": 1, "NCR": 2, "ET": 3},
        clutter=("imagesTr/._{case}", "labelsTr/._{case}", "imagesTs/BRATS_9{case[7]}{case[8]}"),
        grid=_Grid(origin=(0.0, 0.0, 0.0), direction=_RAS),
    ),
    "ucsf-pdgm": _Row(
        {"UCSF-PDGM-{i:04d}": "UCSF-PDGM-{i:04d}", "UCSF-PDGM-{i:04d}_FU003d": "UCSF-PDGM-{i:04d}"},
        "{case}_nifti/{case}{suffix}",
        ("_T1", "_T1c", "_T2", "_FLAIR"),
        "{case}_nifti/{case}_tumor_segmentation",
        CLASSIC,
        clutter=tuple(
            f"{{case}}_nifti/{{case}}_{name}"
            for name in ("T1_bias", "T1c_bias", "T2_bias", "FLAIR_bias", "ADC", "SWI", "brain_segmentation")
        ),
    ),
    "upenn-gbm": _Row(
        {"UPENN-GBM-{i:05d}_11": "UPENN-GBM-{i:05d}", "UPENN-GBM-{i:05d}_21": "UPENN-GBM-{i:05d}"},
        "NIfTI-files/images_structural/{case}/{case}{suffix}",
        ("_T1", "_T1GD", "_T2", "_FLAIR"),
        "NIfTI-files/images_segm/{case}_segm",
        CLASSIC,
        clutter=("NIfTI-files/images_structural_unstripped/{case}/{case}_T1_unstripped",),
    ),
    "bids": _Row(
        {"sub-{i:02d}_ses-1": "sub-{i:02d}", "sub-{i:02d}_ses-2": "sub-{i:02d}"},
        "{patient}/ses-{case[11]}/anat/{case}{suffix}",
        ("_T1w", "_ce-gadolinium_T1w", "_T2w", "_FLAIR"),
        "derivatives/manual/{patient}/ses-{case[11]}/anat/{case}_dseg",
        NEW,
        clutter=(
            "derivatives/other/{patient}/ses-{case[11]}/anat/{case}_space-MNI_T1w",
            "{patient}/ses-{case[11]}/func/{case}_task-rest_bold",
        ),
        grid=_Grid((1.0, 1.0, 2.0), (90.0, 126.0, -72.0), _RAS),
    ),
}


def write_source(
    folder: Path,
    layout: str,
    *,
    num_patients: int = 3,
    shape: tuple[int, int, int] = (8, 10, 12),
    ending: str = ".nii.gz",
    absent: Mapping[int, Sequence[str]] | None = None,
    clutter: bool = True,
) -> list[WrittenCase]:
    """Write a miniature dataset; return its cases, sorted by name.

    Args:
        folder: made if it is not there.
        layout: name of a row, as `mstkd convert --layout` takes it.
        num_patients: with one or two scans each, as the dataset has it.
        shape: voxels in array order (z, y, x).
        ending: of all images.
        absent: index of a case in the result -> modalities whose files are not written; impossible for msd-brain.
        clutter: write files that the dataset has, too, and that are to be passed over.
    """
    row = ROWS[layout]
    names = sorted(
        (name.format(i=i), patient.format(i=i))
        for i in range(1, num_patients + 1)
        for name, patient in row.cases.items()
    )
    cases = []
    for index, (case, patient) in enumerate(names):
        seg = _label_map(row.values, shape, index)
        words = {"case": case, "patient": patient, "grade": _GRADES[index % 2]}
        images = _write_images(folder, row, words, seg, ending, set((absent or {}).get(index, ())))
        label = folder / (row.label.format(**words) + ending)
        _write(label, seg.astype(np.uint8), row.grid)
        cases.append(WrittenCase(case, patient, images, label))
        for path in row.clutter if clutter else ():
            _write(folder / (path.format(**words) + ending), _voxels(path + case, seg.shape), row.grid)
    extras = _EXTRAS.get(layout)
    return extras(folder, cases, ending) if extras else cases


# voxels ---------------------------------------------------------------------------------------------------------------


def _label_map(values: Mapping[str, int], shape: tuple[int, int, int], index: int) -> np.ndarray:
    """A tumour in the middle, but for a voxel in each direction: another one for each of 27 cases."""
    seg = np.zeros(shape, int)
    for meaning, extent in _PARTS.items():
        if meaning in values:
            box = tuple(slice(round(a * n), round(b * n)) for (a, b), n in zip(extent, shape, strict=True))
            seg[box] = values[meaning]
    assert set(np.unique(seg)) == {0, *values.values()}
    return np.roll(seg, (index % 3 - 1, index // 3 % 3 - 1, index // 9 % 3 - 1), axis=(0, 1, 2))


def _voxels(name: str, shape: tuple[int, ...], level: float = 400) -> np.ndarray:
    """Noise around a level within a margin of exact zeros; other names, other voxels."""
    voxels = np.zeros(shape)
    inner = tuple(slice(1, n - 1) for n in shape)
    voxels[inner] = np.random.default_rng(zlib.crc32(name.encode())).normal(level, 20, voxels[inner].shape)
    return voxels.round().astype(np.int16)


def _image(name: str, channel: int, seg: np.ndarray, values: Mapping[str, int]) -> np.ndarray:
    voxels = _voxels(f"{name} {channel}", seg.shape, LEVELS[MODALITIES[channel]])
    for meaning, value in values.items():
        voxels[seg == value] += round(100 * _CONTRAST[meaning][channel])
    return voxels


def _write_images(
    folder: Path, row: _Row, words: Mapping[str, str], seg: np.ndarray, ending: str, absent: set[str]
) -> dict[str, Path]:
    volumes = [_image(words["case"], channel, seg, row.values) for channel in range(4)]
    if not any(row.suffixes):
        file = folder / (row.image.format(**words) + ending)
        _write(file, np.stack([volumes[MODALITIES.index(name)] for name in ("FLAIR", "T1", "T1ce", "T2")]), row.grid)
        return dict.fromkeys(MODALITIES, file)
    files = {
        modality: folder / (row.image.format(**words, suffix=suffix) + ending)
        for modality, suffix in zip(MODALITIES, row.suffixes, strict=True)
        if modality not in absent
    }
    for modality, file in files.items():
        _write(file, volumes[MODALITIES.index(modality)], row.grid)
    return files


def _write(file: Path, array: np.ndarray, grid: _Grid) -> None:
    """Write (z, y, x), or (t, z, y, x) as one 4D file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    volumes = [SimpleITK.GetImageFromArray(volume) for volume in (array if array.ndim == 4 else array[None])]
    for volume in volumes:
        volume.SetSpacing(grid.spacing)
        volume.SetOrigin(grid.origin)
        volume.SetDirection(grid.direction)
    SimpleITK.WriteImage(SimpleITK.JoinSeries(volumes) if len(volumes) > 1 else volumes[0], str(file))


# what single datasets have besides ------------------------------------------------------------------------------------


def _name_mapping(folder: Path, cases: list[WrittenCase], _: str) -> list[WrittenCase]:
    (folder / "name_mapping.csv").write_text("Grade,BraTS_2019_subject_ID\nHGG,x\n")
    return cases


def _case_355(folder: Path, cases: list[WrittenCase], ending: str) -> list[WrittenCase]:
    """Make the last case the one whose label has another name."""
    _name_mapping(folder, cases, ending)
    last = cases[-1]
    home = next(iter(last.images.values())).parent
    for file in [*home.glob(f"{last.name}*"), *home.glob("._*")]:
        file.rename(file.with_name(file.name.replace(last.name, "BraTS20_Training_355")))
    home = home.rename(home.with_name("BraTS20_Training_355"))
    seg = home / "W39_1998.09.19_Segm.nii"
    old = home / f"BraTS20_Training_355_seg{ending}"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(old)), str(seg))
    old.unlink()
    images = {m: home / file.name.replace(last.name, home.name) for m, file in last.images.items()}
    return [*cases[:-1], WrittenCase(home.name, home.name, images, seg, "label: W39_1998.09.19_Segm.nii")]


def _partitions(folder: Path, cases: list[WrittenCase], _: str) -> list[WrittenCase]:
    """Write the two partitions: by institution, and finer."""
    for number, parts in ((1, 2), (2, 3)):
        with (folder / f"partitioning_{number}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["Partition_ID", "Subject_ID"])
            table.writerows([index % parts + 1, case.name] for index, case in enumerate(cases))
    return cases


def _other_neoplasms(folder: Path, cases: list[WrittenCase], ending: str) -> list[WrittenCase]:
    for suffix in (*_NEW_SUFFIXES, "-seg"):
        name = "BraTS-SSA-00999-000"
        _write(folder / "51_OtherNeoplasms" / name / f"{name}{suffix}{ending}", _voxels(suffix, (8, 10, 12)), _Grid())
    return cases


def _msd_json(folder: Path, cases: list[WrittenCase], ending: str) -> list[WrittenCase]:
    content = {
        "name": "BRATS",
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "training": [{"image": f"./imagesTr/{c.name}{ending}", "label": f"./labelsTr/{c.name}{ending}"} for c in cases],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return cases


def _automated_labels(folder: Path, cases: list[WrittenCase], ending: str) -> list[WrittenCase]:
    """Give every case an automated label, which differs; take the manual one away from the follow-ups."""
    result = []
    for case in cases:
        assert case.label is not None
        automated = folder / f"NIfTI-files/automated_segm/{case.name}_automated_approx_segm{ending}"
        manual = SimpleITK.ReadImage(str(case.label))
        seg = SimpleITK.GetArrayFromImage(manual)
        seg[np.flatnonzero(seg.any((1, 2)))[0]] = 0  # lacks the first slice
        _write(automated, seg, _Grid(manual.GetSpacing(), manual.GetOrigin(), manual.GetDirection()))
        if case.name.endswith("_21"):
            case.label.unlink()
            result.append(WrittenCase(case.name, case.patient, case.images, automated, "label: automated"))
        else:
            result.append(WrittenCase(case.name, case.patient, case.images, case.label, "label: manual"))
    return result


def _bids_texts(folder: Path, cases: list[WrittenCase], _: str) -> list[WrittenCase]:
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "miniature", "BIDSVersion": "1.9.0"}))
    (folder / "participants.tsv").write_text("participant_id\n" + "".join(f"{c.patient}\n" for c in cases))
    rows = "0\tbackground\n1\tnecrosis\n2\tedema\n3\tenhancing tumor\n"
    (folder / "derivatives/manual/dseg.tsv").write_text(f"index\tname\n{rows}")
    for case in cases:
        for file in case.images.values():
            Path(str(file).removesuffix(".gz").removesuffix(".nii") + ".json").write_text("{}")
    return cases


_EXTRAS = {
    "brats2019": _name_mapping,
    "brats2020": _case_355,
    "fets2022": _partitions,
    "fets2024": _partitions,
    "brats-ssa": _other_neoplasms,
    "msd-brain": _msd_json,
    "upenn-gbm": _automated_labels,
    "bids": _bids_texts,
}
