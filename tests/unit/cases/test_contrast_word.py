"""Entities that sound like a contrast agent are told from those that only look like it."""

import pytest

from nnunetv2_mstkd.cases.contrast_word import enhanced_entity, native_entity

AGENT = """
    Gd3D gd GD mprageGd mpragegd gad 3DGad gadovist Gadolinium POSTGD KM mitKM ce CE CE3D ceT1 cet1 cemprage mprageCE
    t1ce DCE mprageC MPRAGEC mpragec C+ c T1C t1c T1wC C3D cMPRAGE spaceCE post POST T1POST axpost 3Dpost postGd
    postcontrast withContrast enhanced preAndPostGd
"""
NO_AGENT = """
    mprage MPRAGE 3D iso1mm SPACE space slice reference sense accel sag PC 3DFSPGR brain defaced 10sec T1w tfe flash cor
    pre preGd preContrast precontrast noContrast nonenhanced unenhanced withoutGd native postop postOp POSTOP preop
"""


@pytest.mark.parametrize("value", AGENT.split())
def test_a_contrast_agent_is_heard(value):
    assert enhanced_entity(f"sub-01_acq-{value}_T1w") == f"acq-{value}"
    assert enhanced_entity(f"sub-01_ses-2_rec-norm_desc-{value}_run-1_T1w") == f"desc-{value}"


@pytest.mark.parametrize("value", NO_AGENT.split())
def test_others_are_left_alone(value):
    assert enhanced_entity(f"sub-01_acq-{value}_T1w") is None


def test_subject_session_and_space_say_nothing():
    assert enhanced_entity("sub-gd_ses-post_space-T1Gd_T1w") is None
    assert native_entity("sub-pre_ses-pre_space-native_ce-gadolinium_T1w") is None


@pytest.mark.parametrize("entity", ["ce-preGd", "ce-noContrast", "acq-pre", "acq-T1native", "rec-withoutGd", "acq-PRE"])
def test_what_contradicts_an_agent_is_heard(entity):
    assert native_entity(f"sub-01_{entity}_T1w") == entity


@pytest.mark.parametrize(
    "entity", ["ce-gadolinium", "ce-GD", "acq-preop", "acq-preOp", "acq-norm", "acq-nonlinear", "rec-post"]
)
def test_what_does_not_is_left_alone(entity):
    assert native_entity(f"sub-01_{entity}_T1w") is None
