"""nnU-Net's preprocessor with a check of each case's channel files, and zeros for absent modalities (L3)."""

import os
import re
from importlib.util import find_spec
from typing import Any

import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.voxels import find_emptiness
from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.inference.environment import MODALITIES_VARIABLE
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

_OVERLAY = "nnunetv2.preprocessing.preprocessors.mstkd"
_NOT_EMPTY = "mstkd_not_empty"  # a mark in a configuration, never on disk: the subset that must hold something


class MSTKDPreprocessor(DefaultPreprocessor):
    """DefaultPreprocessor that knows absent modalities, and refuses a case whose channel files are not the dataset's.

    nnU-Net takes whatever `_XXXX` files a case has, in sorted order: with one missing the network fails in a
    convolution, and when another is there in its place, channels are mislabelled silently.

    A channel that is constant counts as absent: it does not move the crop, and is zero after the normalisation,
    whatever the scheme. nnU-Net's own leaves zeros at zero with z-scores, but not with CT normalisation. Where every
    channel is constant the case is a blank image (the outermost slice of a 2D dataset), which is left to nnU-Net's own.

    A network with an encoder for each modality takes a zero-filled file for an image, unless it is told that the
    channel is absent: else such a case is refused.
    """

    _case = "This case"

    def run_case(
        self,
        image_files: list[str],
        seg_file: str | None,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        dataset_json: dict | str,
    ) -> Any:
        """Preprocess one case from files.

        Raises:
            ModalityError: if the files are not one per channel, in channel order; the message names missing and extra.
                Or as `run_case_npy`.
        """
        self._case = f"The case of {os.path.basename(image_files[0])}" if image_files else self._case
        if isinstance(dataset_json, dict):
            modalities = Modalities.from_dataset_json(dataset_json)
            if not (_lists(dataset_json, image_files) and len(image_files) == len(modalities)):
                require_channel_files(image_files, modalities, dataset_json["file_ending"])
        return super().run_case(image_files, seg_file, plans_manager, configuration_manager, dataset_json)

    def run_case_npy(
        self,
        data: NDArray,
        seg: NDArray | None,
        properties: dict,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        dataset_json: dict | str,
    ) -> Any:
        """Preprocess one case (C, z, y, x), with zeros in channels that are constant.

        Raises:
            CaseError: if all of them are, and one is NaN.
            ModalityError: if some are that the network would take for images (see `check_channel_files_of`).
        """
        how = [find_emptiness(channel) for channel in data]
        settings = plans_manager, configuration_manager, dataset_json
        if all(how):
            if np.isnan(data).any():
                raise CaseError(f"The case has nothing: its channels are {', '.join(map(str, how))}")
            return DefaultPreprocessor(self.verbose).run_case_npy(data, seg, properties, *settings)
        absent = [channel for channel, emptiness in enumerate(how) if emptiness]
        expected: ModalitySubset | None = configuration_manager.configuration.get(_NOT_EMPTY)
        if expected is not None and any(expected.present[channel] for channel in absent):
            raise _unexpectedly_empty(self._case, expected, absent)
        if data[absent].any():  # else they are zero already
            data = data.copy()
            data[absent] = 0
        return super().run_case_npy(data, seg, properties, *settings)

    def _normalize(self, data: NDArray, seg: NDArray, *args: Any, **kwargs: Any) -> NDArray:
        # the crop keeps all that is not zero, so that these are the channels that were zero before it
        absent = [channel for channel in range(len(data)) if not np.any(data[channel])]
        data = super()._normalize(data, seg, *args, **kwargs)
        data[absent] = 0
        return data


def _unexpectedly_empty(case: str, expected: ModalitySubset, absent: list[int]) -> ModalityError:
    modalities = expected.modalities
    holds = [channel not in absent for channel in range(len(modalities))]
    empty = [named and not there for named, there in zip(expected.present, holds, strict=True)]
    there = [name for name, is_there in zip(modalities, holds, strict=True) if is_there]
    present = [name for name in there if name in expected.names] or there
    takes = "every channel for an image unless it is told"
    if expected != modalities.all:
        takes = f"what {MODALITIES_VARIABLE} names for an image"
    return ModalityError(
        f"{case} holds nothing in {modalities.channel_files(empty)}, and this model takes {takes}: the segmentation "
        f"would be wrong. Name the modalities of the case, such as {MODALITIES_VARIABLE}={','.join(present)} (all of "
        f"them, if the zeros are an image), or use mstkd predict, which finds out."
    )


def _lists(dataset_json: dict, image_files: list[str]) -> bool:
    """Return whether the dataset lists these files as a case's: then their order says what they are, not their names.

    While nnU-Net preprocesses a dataset, the list has the very paths that the files are given by.
    """
    return any(case["images"] == image_files for case in dataset_json.get("dataset", {}).values())


def require_channel_files(image_files: list[str], modalities: Modalities, file_ending: str) -> None:
    """Check that a case's files are _0000, _0001, ... of the modalities, complete and in order.

    Files that do not follow nnU-Net's naming (given one by one through the Python API) are only counted.

    Raises:
        ModalityError: if not.
    """
    names = [os.path.basename(file) for file in image_files]
    pattern = re.compile(r"_(\d{4})" + re.escape(file_ending) + "$")
    found = [int(match.group(1)) for name in names if (match := pattern.search(name))]
    expected = list(range(len(modalities)))
    follows_naming = len(found) == len(names)
    if found == expected if follows_naming else len(names) == len(expected):
        return
    missing = [channel in set(expected) - set(found) for channel in expected]
    extra = sorted(set(found) - set(expected))
    raise ModalityError(
        f"The channel files of this case are {names}; the model needs {modalities.channel_files()}."
        + (f" Missing: {modalities.channel_files(missing)}." if any(missing) else "")
        + (f" Not a channel of the model: {[f'_{channel:04d}' for channel in extra]}." if extra else "")
        + " Write a zero-filled image, with the geometry of the others, for each absent modality, and name the present"
        " ones in MSTKD_MODALITIES."
    )


def check_channel_files_of(configuration: ConfigurationManager, not_empty: ModalitySubset | None = None) -> None:
    """Have the stock predictor check channel files: replace nnU-Net's default preprocessor for this process.

    Nothing on disk changes. A preprocessor of the user's own stays; so does the default one where the overlay is
    not installed (an editable install), in which case only the number of channels is checked.

    Args:
        configuration: of the model; copied into nnU-Net's preprocessing workers.
        not_empty: what a network takes for images that has to be told what is absent: cases in which one of these is
            empty are refused; None: any channel may be.
    """
    take_as_told(configuration)
    if not_empty is not None:
        configuration.configuration[_NOT_EMPTY] = not_empty
    is_default = configuration.configuration.get("preprocessor_name") == DefaultPreprocessor.__name__
    if is_default and find_spec(_OVERLAY) is not None:
        configuration.configuration["preprocessor_name"] = MSTKDPreprocessor.__name__


def take_as_told(configuration: ConfigurationManager) -> None:
    """Refuse no empty channel from now on: the network is told for each case."""
    configuration.configuration.pop(_NOT_EMPTY, None)
