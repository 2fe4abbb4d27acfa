"""MSTKD_MODALITIES: what it may say, and when it must not be set."""

import pytest

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.environment import MODALITIES_VARIABLE, refuse_during_training, subset_from_environment
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def test_the_variable_has_its_documented_name():
    assert MODALITIES_VARIABLE == "MSTKD_MODALITIES"


def test_unset_means_no_mask(monkeypatch):
    monkeypatch.delenv("MSTKD_MODALITIES", raising=False)
    assert subset_from_environment(MODALITIES) is None
    refuse_during_training()


def test_set_names_a_subset(monkeypatch):
    monkeypatch.setenv("MSTKD_MODALITIES", "t1gd,t2f")
    assert subset_from_environment(MODALITIES) == MODALITIES.subset("T1ce,FLAIR")


@pytest.mark.parametrize("text", ["", "T1q", "00", "0000"])
def test_nonsense_is_refused_with_variable_and_choices(monkeypatch, text):
    monkeypatch.setenv("MSTKD_MODALITIES", text)
    with pytest.raises(ModalityError, match=rf"MSTKD_MODALITIES='{text}': .*T1 \(channel 0\)"):
        subset_from_environment(MODALITIES)


@pytest.mark.parametrize("text", ["", "T1", "nonsense"])
def test_training_refuses_it_whatever_it_says(monkeypatch, text):
    monkeypatch.setenv("MSTKD_MODALITIES", text)
    with pytest.raises(ModalityError, match="unset MSTKD_MODALITIES"):
        refuse_during_training()
