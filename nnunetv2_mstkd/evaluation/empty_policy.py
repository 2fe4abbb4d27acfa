"""What stands in the place of a metric that an empty mask leaves undefined (L1')."""

import difflib
from dataclasses import dataclass

from nnunetv2_mstkd.errors import EvaluationError

# The diagonal of BraTS' volume, sqrt(240^2 + 240^2 + 155^2) = 373.1287 mm, as the challenge rounds it. It is a
# convention, not a measure: it is not adapted to the size of one's own images, or values could not be compared.
WORST_HD95_MM = 373.13
NAN = float("nan")


@dataclass(frozen=True)
class EmptyPolicy:
    """The values for an undefined metric: an overlap of 0/0, a distance to nothing.

    What is defined stays as it is: the Dice of a prediction where the reference is empty is 0 under every policy.

    Args:
        name: as the command line knows it.
        text: the rule in words.
        overlap_both: Dice, IoU, sensitivity, precision, NSD if both masks are empty.
        overlap_one: sensitivity of an empty reference, precision of an empty prediction, if the other is not.
        distance_both: HD95 in mm if both masks are empty.
        distance_one: HD95 in mm if one mask is empty.
    """

    name: str
    text: str
    overlap_both: float
    overlap_one: float
    distance_both: float
    distance_one: float


DEFAULT_POLICY = "brats"
POLICIES: dict[str, EmptyPolicy] = {
    policy.name: policy
    for policy in (
        # BraTS' challenges until 2022, and nnU-Net's BraTS evaluation of version 1.
        EmptyPolicy(
            "brats",
            f"both masks empty: overlap 1, distance 0 mm; one empty: overlap 0, distance {WORST_HD95_MM} mm",
            overlap_both=1.0,
            overlap_one=0.0,
            distance_both=0.0,
            distance_one=WORST_HD95_MM,
        ),
        # As nnU-Net v2 has it. A mean over what is left flatters a model that predicts nothing.
        EmptyPolicy(
            "nan",
            "undefined values are left out: overlap where both masks are empty, distance where one is",
            overlap_both=NAN,
            overlap_one=NAN,
            distance_both=NAN,
            distance_one=NAN,
        ),
        # MST-KDNet (MICCAI 2025), the released code: hd95 of its binary.py, Dice of its losses.py. Differs in: its Dice
        # has 1 added above and below, so that one empty mask of n voxels gives 1 / (n + 1) rather than 0.
        EmptyPolicy(
            "released",
            "distance 0 mm wherever a mask is empty, which rewards failure; only to re-read MST-KDNet's own numbers",
            overlap_both=1.0,
            overlap_one=0.0,
            distance_both=0.0,
            distance_one=0.0,
        ),
        # M2FTrans (predict.py), which names ACN and SMU-Net as its model. Differs in: ACN's own metrics.py has 1 mm for
        # two empty masks, too, and adds 1 to Dice above and below, as MST-KDNet does.
        EmptyPolicy(
            "acn",
            "both masks empty: distance 0 mm; one empty: 1 mm, which rewards failure; only to re-read ACN, M2FTrans",
            overlap_both=1.0,
            overlap_one=0.0,
            distance_both=0.0,
            distance_one=1.0,
        ),
    )
}


def find_policy(policy: EmptyPolicy | str) -> EmptyPolicy:
    """Return the policy of a name, or the policy itself.

    Raises:
        EvaluationError: if there is none of that name; the message lists them.
    """
    if isinstance(policy, EmptyPolicy):
        return policy
    if policy in POLICIES:
        return POLICIES[policy]
    close = difflib.get_close_matches(policy, POLICIES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise EvaluationError(f"Unknown policy for empty masks: {policy!r}.{hint} There are: {', '.join(POLICIES)}")
