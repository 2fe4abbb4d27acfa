"""Signal equations of four sequences, and the T1, T2 and proton density of each tissue at 3 T."""

from dataclasses import dataclass

import numpy as np

MODALITIES = ("T1", "T1ce", "T2", "FLAIR")  # channel order, as in nnU-Net's own BraTS datasets


@dataclass(frozen=True)
class Tissue:
    """What a tissue's signal depends on.

    Args:
        t1_ms: longitudinal relaxation time.
        t2_ms: transverse relaxation time.
        density: of protons, 1 is water.
        uptake_per_s: by how much the contrast agent raises the relaxation rate 1 / T1, on average over patients.
    """

    t1_ms: float
    t2_ms: float
    density: float
    uptake_per_s: float = 0.0


# In the order of the fractions that patient.py puts together. Sources, and which values are chosen rather than
# published, are in docs/explanation/demonstration-cohort.md.
TISSUES = {
    "grey": Tissue(1820, 99, 0.86, 0.03),
    "white": Tissue(1084, 69, 0.77, 0.03),
    "csf": Tissue(4163, 2000, 1.0),
    "lesion": Tissue(1500, 120, 0.86),
    "necrosis": Tissue(2600, 300, 0.95, 0.05),
    "non_enhancing": Tissue(1900, 140, 0.90, 0.06),
    "enhancing": Tissue(1750, 120, 0.88, 0.80),
    "oedema": Tissue(1700, 150, 0.89, 0.05),
    "vessel": Tissue(1650, 60, 0.85, 2.5),
}


@dataclass(frozen=True)
class Protocol:
    """A scanner's timing; T1 and T1ce share theirs.

    Args:
        t1_tr_ms: repetition time of the T1-weighted spin echo.
        t1_te_ms: its echo time.
        t2_tr_ms: repetition time of the T2-weighted turbo spin echo.
        t2_te_ms: its effective echo time.
        flair_tr_ms: repetition time of the inversion recovery.
        flair_te_ms: its echo time.
        flair_ti_ms: its inversion time.
        uptake: the patient's uptake of contrast agent, 1 is average.
    """

    t1_tr_ms: float
    t1_te_ms: float
    t2_tr_ms: float
    t2_te_ms: float
    flair_tr_ms: float
    flair_te_ms: float
    flair_ti_ms: float
    uptake: float


def draw_protocol(rng: np.random.Generator) -> Protocol:
    """Draw a protocol as hospitals have them at 3 T."""
    flair_tr = float(rng.uniform(8000, 10000))
    return Protocol(
        t1_tr_ms=float(rng.uniform(450, 650)),
        t1_te_ms=float(rng.uniform(8, 14)),
        t2_tr_ms=float(rng.uniform(3500, 6000)),
        t2_te_ms=float(rng.uniform(85, 110)),
        flair_tr_ms=flair_tr,
        flair_te_ms=float(rng.uniform(95, 140)),
        flair_ti_ms=_nulling_time(TISSUES["csf"].t1_ms, flair_tr) * float(rng.uniform(0.98, 1.01)),
        uptake=float(rng.uniform(0.6, 1.5)),
    )


def _nulling_time(t1_ms: float, tr_ms: float) -> float:
    """Return the inversion time at which a tissue gives no signal."""
    return float(t1_ms * (np.log(2) - np.log1p(np.exp(-tr_ms / t1_ms))))


def spin_echo(tissue: Tissue, tr_ms: float, te_ms: float, uptake: float = 0.0) -> float:
    """Return a spin echo's signal, 1 for fully relaxed water.

    Args:
        tissue: what gives the signal.
        tr_ms: repetition time.
        te_ms: echo time.
        uptake: of contrast agent, in units of the tissue's `uptake_per_s`.
    """
    rate_per_ms = 1 / tissue.t1_ms + uptake * tissue.uptake_per_s / 1000
    return float(tissue.density * (1 - np.exp(-tr_ms * rate_per_ms)) * np.exp(-te_ms / tissue.t2_ms))


def inversion_recovery(tissue: Tissue, tr_ms: float, te_ms: float, ti_ms: float) -> float:
    """Return the magnitude of an inversion recovery's signal, 1 for fully relaxed water."""
    recovered = 1 - 2 * np.exp(-ti_ms / tissue.t1_ms) + np.exp(-tr_ms / tissue.t1_ms)
    return float(abs(tissue.density * recovered * np.exp(-te_ms / tissue.t2_ms)))


def signals(protocol: Protocol) -> np.ndarray:
    """Return the signal of every tissue in every modality: array (modality, tissue), in the orders above."""
    p = protocol
    return np.array(
        [
            [spin_echo(t, p.t1_tr_ms, p.t1_te_ms) for t in TISSUES.values()],
            [spin_echo(t, p.t1_tr_ms, p.t1_te_ms, p.uptake) for t in TISSUES.values()],
            [spin_echo(t, p.t2_tr_ms, p.t2_te_ms) for t in TISSUES.values()],
            [inversion_recovery(t, p.flair_tr_ms, p.flair_te_ms, p.flair_ti_ms) for t in TISSUES.values()],
        ],
        dtype=np.float32,
    )
