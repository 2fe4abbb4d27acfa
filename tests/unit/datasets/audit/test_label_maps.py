"""Label maps of other cases."""

from nnunetv2_mstkd.datasets.audit.case_facts import CaseFacts
from nnunetv2_mstkd.datasets.audit.label_maps import check_label_maps


def found(*facts: CaseFacts) -> list[str]:
    return [str(finding) for finding in check_label_maps(facts)]


def test_a_label_map_that_several_cases_have_is_told():
    facts = (CaseFacts(name, (), label_digest=digest) for name, digest in zip("abcd", "xyxx", strict=True))
    told = "warning: label maps: that of a is that of 2 other cases (c, d), voxel by voxel: whose is it?"
    assert [line[: len(told)] for line in found(*facts)] == [told]


def test_empty_label_maps_may_be_equal():
    assert found(CaseFacts("a", ()), CaseFacts("b", ())) == []


def test_labels_outside_of_the_images_are_told_from_a_share_on():
    assert found(CaseFacts("a", (), outside=0.1)) == []
    told = "warning: label maps: in 1 case (b) labels lie where all channels are 0: 11 % in b."
    lines = found(CaseFacts("a", (), outside=0.01), CaseFacts("b", (), outside=0.11))
    assert [line[: len(told)] for line in lines] == [told]
