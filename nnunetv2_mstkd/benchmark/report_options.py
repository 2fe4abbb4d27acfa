"""What a user may ask of a report (L2)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportOptions:
    """What a user may ask of a report.

    Args:
        baseline: title of the model that the others are compared with; None: the first model that was not trained for
            missing modalities and was scored on every subset, else the first one.
        policy: how empty masks are scored, a name in `evaluation.empty_policy.POLICIES`.
        hd95: "max", the larger of the two directed 95th percentiles; or "pooled", as medpy and most papers.
        published: data set whose published values stand beside one's own, "BraTS2024" or "FeTS2024"; None: none.
        viewer: whether the page holds images of patients to look at.
    """

    baseline: str | None = None
    policy: str = "brats"
    hd95: str = "max"
    published: str | None = None
    viewer: bool = True
