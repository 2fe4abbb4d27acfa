"""nnU-Net's final validation reads what each case has, and leaves the trainer as it was."""

from types import SimpleNamespace

import numpy as np
import pytest

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.trainers.final_validation import from_what_cases_have, present_channels

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
AVAILABILITY = Availability(FOUR, {"full": FOUR.all, "half": FOUR.subset("T1,T2"), "last": FOUR.subset("FLAIR")})


class Dataset:
    """As nnU-Net's: an array that cannot be written to, and more."""

    ones = np.ones((4, 2, 2, 2), np.float32)
    ones.flags.writeable = False

    def load_case(self, identifier):
        return self.ones, "seg", "previous", {"of": identifier}


def test_channels_that_a_case_lacks_are_zero_and_all_else_is_as_it_was():
    dataset = present_channels(Dataset, AVAILABILITY)()
    data, *others = dataset.load_case("half")
    assert data.max(axis=(1, 2, 3)).tolist() == [1, 0, 1, 0]
    assert data.min(axis=(1, 2, 3)).tolist() == [1, 0, 1, 0]
    assert data.dtype == np.float32
    assert others == ["seg", "previous", {"of": "half"}]
    assert Dataset.ones.all()  # a mapped file must not change


@pytest.mark.parametrize("case", ["full", "of another folder"])
def test_other_cases_are_passed_on_as_they_are(case):
    data, *others = present_channels(Dataset, AVAILABILITY)().load_case(case)
    assert data is Dataset.ones
    assert others == ["seg", "previous", {"of": case}]


def test_the_dataset_class_stays_nnunets():
    """nnU-Net asks the class itself for the cases of a folder."""
    assert issubclass(present_channels(Dataset, AVAILABILITY), Dataset)


def test_a_case_is_told_when_it_is_read():
    seen = []
    dataset = present_channels(Dataset, AVAILABILITY, seen.append)()
    for case in ("last", "full"):
        dataset.load_case(case)
    assert seen == [FOUR.subset("FLAIR"), FOUR.all]


def test_the_trainer_has_its_own_again_whatever_happens():
    network, available = object(), SimpleNamespace(availability=AVAILABILITY)
    trainer = SimpleNamespace(network=network, dataset_class=Dataset, available=available, modalities=FOUR)

    def fail():
        with from_what_cases_have(trainer):
            assert trainer.dataset_class().load_case("half")[0][1].max() == 0
            trainer.network = "another"
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert trainer.network is network
    assert trainer.dataset_class is Dataset
