"""A case's channel files are the dataset's, complete and in order."""

import pytest

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.preprocessor import require_channel_files
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def files(*channels, ending=".nii.gz"):
    return [f"/data/case_7_{channel:04d}{ending}" for channel in channels]


@pytest.mark.parametrize("ending", [".nii.gz", ".png"])
def test_a_complete_case_passes(ending):
    require_channel_files(files(0, 1, 2, 3, ending=ending), MODALITIES, ending)


@pytest.mark.parametrize(
    ("channels", "missing", "extra"),
    [
        ((0, 1, 3), "Missing: _0002 T2", None),
        ((0,), "Missing: _0001 T1ce, _0002 T2, _0003 FLAIR", None),
        ((0, 1, 2, 4), "Missing: _0003 FLAIR", "_0004"),
        ((1, 2, 3, 4), "Missing: _0000 T1", "_0004"),
        ((0, 1, 2, 3, 4), None, "_0004"),
    ],
)
def test_wrong_channels_are_named(channels, missing, extra):
    with pytest.raises(ModalityError) as raised:
        require_channel_files(files(*channels), MODALITIES, ".nii.gz")
    message = str(raised.value)
    assert (missing or "Not a channel") in message
    assert ("Missing" in message) == bool(missing)
    assert f"Not a channel of the model: ['{extra}']" in message if extra else "Not a channel" not in message


@pytest.mark.parametrize("channels", [(1, 0, 2, 3), (0, 0, 1, 2)])
def test_wrong_order_and_doubles_are_refused(channels):
    with pytest.raises(ModalityError):
        require_channel_files(files(*channels), MODALITIES, ".nii.gz")


def test_files_with_names_of_their_own_are_only_counted():
    names = ["/data/t1.nii.gz", "/data/gd.nii.gz", "/data/t2.nii.gz", "/data/fl.nii.gz"]
    require_channel_files(names, MODALITIES, ".nii.gz")
    with pytest.raises(ModalityError, match="needs _0000 T1, _0001 T1ce, _0002 T2, _0003 FLAIR"):
        require_channel_files(names[:3], MODALITIES, ".nii.gz")
