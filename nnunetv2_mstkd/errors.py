"""The package's exceptions (L0). Each is also the built-in exception that a caller would expect."""


class MSTKDError(Exception):
    """Base of all errors that this package raises on purpose; its message says what was given and what to do."""


class ModalityError(MSTKDError, ValueError):
    """A modality name, a subset or a set of channel files does not fit the model or the dataset.

    It is a ValueError on purpose: nnU-Net retries a prediction after a RuntimeError, taking it for lack of GPU memory.
    """


class SettingsError(MSTKDError, ValueError):
    """A setting is unknown, or its value is out of range."""


class ShapeError(MSTKDError, ValueError):
    """Tensors that belong together differ in shape; the message shows the shapes."""


class UnsupportedNetworkError(MSTKDError, ValueError):
    """The plans ask for a network or a configuration that MST-KD cannot be built on."""


class UnsupportedNNUNetError(MSTKDError, ImportError):
    """The installed nnunetv2 is outside the supported range, or it is missing."""


class CheckpointError(MSTKDError, RuntimeError):
    """A checkpoint belongs to another trainer or plan, or lacks what is asked of it."""


class UntrustedCheckpointError(CheckpointError):
    """Loading a checkpoint would execute code from it, and nobody said that it may."""


class NonFiniteLossError(MSTKDError, ArithmeticError):
    """A loss term became NaN or infinite; the message names term, epoch, iteration and cases."""


class MissingExtraError(MSTKDError, ImportError):
    """A package is missing that an extra of ours brings.

    Args:
        need: what needs which package.
        extra: the extra that brings it.
    """

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(
            f'{need}. Mend: pip install "nnunetv2_mstkd[{extra}]", or in a checkout: pip install ".[{extra}]"'
        )


class ConversionError(MSTKDError, ValueError):
    """A dataset cannot be converted, or predictions not converted back; the message says what stands in the way."""


class CohortError(MSTKDError, ValueError):
    """A simulated cohort cannot be written as asked: a wrong size, spacing or folder."""


class DemoError(MSTKDError, RuntimeError):
    """The demonstration cannot start, or one of its commands failed."""


class ModelFolderError(MSTKDError, ValueError):
    """A folder is no trained model, or lacks a part of it."""


class UntrustedPlansError(ModelFolderError):
    """Plans name something that is no part of a network, and building the model would call it."""


class ModelArchiveError(MSTKDError, ValueError):
    """An archive is no model, is damaged, or holds something that must not be unpacked."""


class PredictionError(MSTKDError, RuntimeError):
    """A case failed while it was predicted; the message names it."""


class OutputError(MSTKDError, OSError):
    """A result could not be written whole: a full disk, a folder without permission."""


class CaseError(MSTKDError, ValueError):
    """A case, or the folder or table that names it, cannot be used as input."""


class EvaluationError(MSTKDError, ValueError):
    """Reference, prediction or their labels cannot be compared."""


class BenchmarkError(MSTKDError, ValueError):
    """A benchmark cannot be run or read as asked: models, cases or records that do not belong together."""


class BenchmarkRunError(MSTKDError, RuntimeError):
    """Cases of a benchmark failed; the message lists them. What was finished stays."""
