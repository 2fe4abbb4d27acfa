"""What nnU-Net reads of dataset.json."""

import pytest

from nnunetv2_mstkd.datasets.audit.dataset_keys import check_keys

SOUND = {"channel_names": {"0": "T1", "1": "T2"}, "numTraining": 1, "file_ending": ".nii.gz"}


def test_what_is_there_is_not_told():
    assert list(check_keys(SOUND)) == []


@pytest.mark.parametrize("key", ["numTraining", "file_ending"])
def test_a_missing_key_is_an_error(key):
    (finding,) = check_keys({name: value for name, value in SOUND.items() if name != key})
    assert str(finding).startswith(f"error: dataset.json: has no {key}, which nnU-Net needs: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_ending": "nii.gz"}, "file_ending is 'nii.gz'"),
        ({"file_ending": 3}, "file_ending is 3"),
        ({"channel_names": {"1": "T2", "0": "T1"}}, "channel_names has the keys 1, 0;"),
        ({"channel_names": {"1": "T1", "2": "T2"}}, "channel_names has the keys 1, 2;"),
    ],
)
def test_a_key_that_nnunet_would_take_otherwise_is_an_error(change, message):
    (finding,) = check_keys({**SOUND, **change})
    assert str(finding).startswith(f"error: dataset.json: {message}")


def test_the_key_of_version_1_is_explained():
    (finding,) = check_keys({"modality": {"0": "T1", "1": "T2"}, "numTraining": 1, "file_ending": ".nii.gz"})
    assert "call it channel_names" in finding.message
