"""The layouts that are known, as rows of data (L1'). docs/reference/layouts.md lists them for people."""

from collections.abc import Mapping

from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC, LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import LabelPattern, Layout

# Up to 2021, and what was made in the manner of it. NET is told apart from NCR in none of them.
_UP_TO_2021 = LabelSet({1: NCR, 2: ED, 4: ET})
_SINCE_2023 = LabelSet({1: NCR, 2: ED, 3: ET})
_POST_TREATMENT = LabelSet({1: NCR, 2: ED, 3: ET, 4: RC})
_PAEDIATRIC = LabelSet({1: ET, 2: NCR, 3: CC, 4: ED})
_DECATHLON = LabelSet({1: ED, 2: NCR, 3: ET})

# Parts of a challenge whose labels are not given out.
_TEST_PART = "validation|testing"


def _channels(t1: str, t1ce: str, t2: str, flair: str) -> dict[str, tuple[str, ...]]:
    return {"T1": (t1,), "T1ce": (t1ce,), "T2": (t2,), "FLAIR": (flair,)}


def _old(name: str, year: str, case: str, patient: str = "", odd: tuple[LabelPattern, ...] = ()) -> Layout:
    """Return a row of the challenges up to 2021: `case/case_t1ce`, `case/case_seg`."""
    return Layout(
        name=name,
        title=year,
        images="**/{case}{modality}",
        case=case,
        channels=_channels("_t1", "_t1ce", "_t2", "_flair"),
        labels=(LabelPattern("**/{case}_seg", beside=True), *odd),
        label_set=_UP_TO_2021,
        patient=patient,
        case_folder="{case}",
        test_part=_TEST_PART,
        partitions=("partitioning_1.csv", "partitioning_2.csv") if name.startswith("fets") else (),
    )


def _new(name: str, title: str, prefix: str, label_set: LabelSet, excluded: str = "") -> Layout:
    """Return a row of the challenges since 2023: `case/case-t1c`, `case/case-seg`; the last digits are a visit."""
    return Layout(
        name=name,
        title=title,
        images="**/{case}{modality}",
        case=rf"{prefix}-\d{{5}}-\d{{3}}",
        channels=_channels("-t1n", "-t1c", "-t2w", "-t2f"),
        labels=(LabelPattern("**/{case}-seg", beside=True),),
        label_set=label_set,
        patient=rf"({prefix}-\d{{5}})-\d{{3}}",
        case_folder="{case}",
        excluded=excluded,
        test_part=_TEST_PART,
    )


_ENTITY = r"(?:_(?!ce-)[a-z0-9]+-[a-z0-9+]+)*"  # of BIDS, other than the contrast agent
_AGENT = r"_ce-[a-z0-9+]+"
# In the copy that Kaggle has, one label of BraTS 2020 has kept the name that its tumour's first reader gave it.
_CASE_355 = LabelPattern("**/{case}/W39_1998.09.19_Segm", "label: W39_1998.09.19_Segm.nii", beside=True)

LAYOUTS: tuple[Layout, ...] = (
    _old("brats2018", "BraTS 2018", r"Brats18_\w+_\d+", r"(Brats18_\w+)_\d+"),
    _old("brats2019", "BraTS 2019", r"BraTS19_\w+_\d+", r"(BraTS19_\w+)_\d+"),
    _old("brats2020", "BraTS 2020", r"BraTS20_(?:Training|Validation)_\d{3}", odd=(_CASE_355,)),
    _old("brats2021", "BraTS 2021", r"BraTS2021_\d{5}"),
    _old("fets2022", "FeTS 2022", r"FeTS2022_\d{5}"),
    _old("fets2024", "FeTS 2024", r"FeTS20(?:22|24)_\d{5}"),  # its cases may have the names of 2022
    _new("brats2023", "BraTS 2023 GLI", "BraTS-GLI", _SINCE_2023),
    _new("brats-gli-post", "BraTS 2024-26 GLI, post-treatment", "BraTS-GLI", _POST_TREATMENT),
    _new("brats-ssa", "BraTS-Africa (SSA)", "BraTS-SSA", _SINCE_2023, excluded="51_OtherNeoplasms/"),
    _new("brats-ped", "BraTS 2024-26 PED", "BraTS-PED", _PAEDIATRIC),
    _new("brats2023-ped", "BraTS 2023 PED", "BraTS-PED", _SINCE_2023),
    Layout(
        name="msd-brain",
        title="Medical Segmentation Decathlon, Task01 BrainTumour",
        images="**/imagesTr/{case}",
        case=r"BRATS_\d{3}",
        channels=_channels("", "", "", ""),
        labels=(LabelPattern("**/labelsTr/{case}"),),
        label_set=_DECATHLON,
        volumes=("FLAIR", "T1", "T1ce", "T2"),
    ),
    Layout(
        name="ucsf-pdgm",
        title="UCSF-PDGM",
        images="**/{case}{modality}",
        case=r"UCSF-PDGM-\d{4}(?:_FU\d{3}d)?",
        channels=_channels("_T1", "_T1c", "_T2", "_FLAIR"),
        labels=(LabelPattern("**/{case}_tumor_segmentation", beside=True),),
        label_set=_UP_TO_2021,
        patient=r"(UCSF-PDGM-\d{4})(?:_FU\d{3}d)?",
        prediction_name="{case}_tumor_segmentation.nii.gz",
        case_folder="{case}_nifti",
    ),
    Layout(
        name="upenn-gbm",
        title="UPENN-GBM",
        images="**/images_structural/**/{case}{modality}",
        case=r"UPENN-GBM-\d{5}_\d{2}",
        channels=_channels("_T1", "_T1GD", "_T2", "_FLAIR"),
        labels=(
            LabelPattern("**/images_segm/{case}_segm", "label: manual"),
            LabelPattern("**/automated_segm/{case}_automated_approx_segm", "label: automated"),
        ),
        label_set=_UP_TO_2021,
        patient=r"(UPENN-GBM-\d{5})_\d{2}",
        prediction_name="{case}_segm.nii.gz",
    ),
    Layout(
        name="bids",
        title="BIDS",
        images="sub-*/**/anat/{case}{modality}",
        case=r"sub-[a-z0-9+]+(?:_ses-[a-z0-9+]+)?",
        channels=_channels(
            rf"{_ENTITY}_T1w", rf"{_ENTITY}{_AGENT}{_ENTITY}_T1w", rf"{_ENTITY}_T2w", rf"{_ENTITY}_FLAIR"
        ),
        labels=(LabelPattern("**/anat/{case}*_dseg"),),
        label_set=None,
        patient=r"(sub-[a-z0-9+]+)(?:_ses-[a-z0-9+]+)?",
        prediction_name="{case}_dseg.nii.gz",
        strict_names=True,
    ),
)
BY_NAME: Mapping[str, Layout] = {layout.name: layout for layout in LAYOUTS}


def patient_of(case: str) -> str | None:
    """Return whose scan a case is, by the names of all known layouts; None if it has none of their names.

    Example:
        >>> patient_of("BraTS-GLI-00005-101"), patient_of("UCSF-PDGM-0391_FU003d"), patient_of("case_7")
        ('BraTS-GLI-00005', 'UCSF-PDGM-0391', None)
    """
    return next((layout.patient_of(case) for layout in LAYOUTS if layout.is_case(case)), None)
