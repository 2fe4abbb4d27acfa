"""What so few patients cannot show (L2)."""

from nnunetv2_mstkd.evaluation.wilcoxon import smallest_p

SMALL = 20  # patients


def small_sample(patients: int, family: int, alpha: float) -> str | None:
    """Return what to bear in mind; None where there are enough patients.

    Args:
        patients: pairs of a comparison.
        family: number of comparisons that Holm's correction takes together; 0 without any.
        alpha: level of the tests.
    """
    if patients >= SMALL:
        return None
    told = f"Only {patients} patient{'s' if patients != 1 else ''}: means and intervals may move a lot with a few more."
    if family == 0:
        return told
    best = smallest_p(patients)
    told += f" With {patients} pair{'s' if patients != 1 else ''} the Wilcoxon test cannot give a p below {best:.2g}"
    if best * family < alpha:
        return f"{told}."
    return (
        f"{told}, and among {family} comparisons Holm's correction asks for less than {alpha / family:.2g} of the "
        "smallest: no single comparison can be significant here, however large the difference. That there is no mark "
        "does not mean that there is no difference."
    )
