"""nnU-Net's preprocessor with a check of each case's channel files (L3)."""

import os
import re
from importlib.util import find_spec
from typing import Any

from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.modalities import Modalities

_OVERLAY = "nnunetv2.preprocessing.preprocessors.mstkd"


class MSTKDPreprocessor(DefaultPreprocessor):
    """DefaultPreprocessor that refuses a case whose channel files are not the dataset's.

    nnU-Net takes whatever `_XXXX` files a case has, in sorted order: with one missing the network fails in a
    convolution, and when another is there in its place, channels are mislabelled silently.
    """

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
        """
        if isinstance(dataset_json, dict):
            require_channel_files(image_files, Modalities.from_dataset_json(dataset_json), dataset_json["file_ending"])
        return super().run_case(image_files, seg_file, plans_manager, configuration_manager, dataset_json)


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


def check_channel_files_of(configuration: ConfigurationManager) -> None:
    """Have the stock predictor check channel files: replace nnU-Net's default preprocessor for this process.

    Nothing on disk changes. A preprocessor of the user's own stays; so does the default one where the overlay is
    not installed (an editable install), in which case only the number of channels is checked.
    """
    is_default = configuration.configuration.get("preprocessor_name") == DefaultPreprocessor.__name__
    if is_default and find_spec(_OVERLAY) is not None:
        configuration.configuration["preprocessor_name"] = MSTKDPreprocessor.__name__
