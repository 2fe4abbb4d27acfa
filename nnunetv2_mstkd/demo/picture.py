"""A picture of one test patient: what each model makes of each subset (L2). matplotlib is loaded when it is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from nnunetv2_mstkd.demo.dice import Score
from nnunetv2_mstkd.demo.folder import DemoFolder
from nnunetv2_mstkd.demo.recipe import MODALITIES, Recipe
from nnunetv2_mstkd.demo.slice_view import (
    ENHANCING,
    NECROSIS,
    OEDEMA,
    Labels,
    Slice,
    SliceView,
    choose_case,
    read_slice,
)
from nnunetv2_mstkd.whole_file import whole_file

COLOURS = {NECROSIS: "#e0485a", OEDEMA: "#35b58b", ENHANCING: "#f6c445"}
NAMES = {NECROSIS: "necrosis and non-enhancing core", OEDEMA: "oedema", ENHANCING: "enhancing tumour"}
BACKGROUND, TEXT, DIM = "#101418", "#f2f4f6", "#8b949e"
BENEATH = "FLAIR"  # the image under the labels: it shows the whole tumour
FINER = 5  # labels are drawn on a finer grid, so that their outlines are no staircases
OPACITY = 0.6
PANEL_WIDTH_IN = 1.45


def draw_picture(folder: DemoFolder, recipe: Recipe, scores: Sequence[Score], file: Path) -> None:
    """Draw the test patient who shows most.

    Args:
        folder: with the predictions.
        recipe: what was compared.
        scores: of all subsets and models.
        file: PNG to write.
    """
    view = _read(folder, recipe)
    dice = {(score.subset, score.model): score.by_case[view.case] for score in scores}
    draw(view, [str(subset) for subset in recipe.modality_subsets()], [m.title for m in recipe.models], dice, file)


def draw(
    view: SliceView,
    subsets: Sequence[str],
    models: Sequence[str],
    dice: Mapping[tuple[str, str], Mapping[str, float]],
    file: Path,
) -> None:
    """Draw a slice: a row for each subset, with what is present, the reference, and each model's segmentation.

    Args:
        view: the slice.
        subsets: of the rows, as in "T1ce+FLAIR".
        models: of the columns.
        dice: Dice by region, for each (subset, model).
        file: PNG to write.
    """
    titles = [*view.images, "reference", *models]
    figure, axes = _grid(len(subsets), len(titles), view.reference.shape)
    for column, title in zip(axes[0], titles, strict=True):
        column.set_title(title, color=TEXT, fontsize=11, pad=5)
    for row, subset in zip(axes, subsets, strict=True):
        _draw_row(row, view, subset, models, dice)
    _add_legend(figure, f"{view.case}: labels on its {BENEATH} slice, Dice of the whole volume")
    with whole_file(file) as partial:
        figure.savefig(partial, dpi=150, facecolor=BACKGROUND)


def _grid(rows: int, columns: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return a figure and its panels, which fit images of this shape; lengths are in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, whatever the user's settings are
    from matplotlib.figure import Figure

    values, top, bottom = 0.22, 0.32, 0.43  # room for the Dice below each row, for the titles, for the legend
    image = PANEL_WIDTH_IN * shape[0] / shape[1]
    height = top + rows * (image + values) + bottom
    figure = Figure(figsize=(PANEL_WIDTH_IN * columns, height), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(top=1 - top / height, bottom=(bottom + values) / height, hspace=values / image)
    figure.subplots_adjust(left=0.002, right=0.998, wspace=0.03)
    return figure, panels


def _read(folder: DemoFolder, recipe: Recipe) -> SliceView:
    root = folder.root
    case = choose_case(root / folder.raw / "labelsTs")
    images = {n: root / folder.raw / "imagesTs" / f"{case}_{i:04d}.nii.gz" for i, n in enumerate(MODALITIES)}
    predictions = {
        (str(subset), model.title): root / folder.prediction(recipe, model, subset) / f"{case}.nii.gz"
        for subset in recipe.modality_subsets()
        for model in recipe.models
    }
    return read_slice(case, images, root / folder.raw / "labelsTs" / f"{case}.nii.gz", predictions)


def _draw_row(
    row: Sequence[Any],
    view: SliceView,
    subset: str,
    models: Sequence[str],
    dice: Mapping[tuple[str, str], Mapping[str, float]],
) -> None:
    present = MODALITIES.subset(subset).names
    panels = iter(row)
    for name, image in view.images.items():
        _draw_image(next(panels), image, is_present=name in present)
    beneath = view.images[BENEATH]
    _draw_labels(next(panels), beneath, view.reference)
    for model in models:
        panel = next(panels)
        _draw_labels(panel, beneath, view.predictions[subset, model])
        values = "  ".join(f"{region} {value:.2f}" for region, value in dice[subset, model].items())
        panel.set_xlabel(values, color=TEXT, fontsize=7.2, labelpad=2)


def _draw_image(panel: Any, image: Slice, *, is_present: bool) -> None:
    _frame(panel)
    if is_present:
        panel.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="bicubic")
        return
    panel.imshow(np.zeros_like(image), cmap="gray", vmin=0, vmax=1)
    panel.text(0.5, 0.5, "absent", color=DIM, fontsize=9, ha="center", va="center", transform=panel.transAxes)


def _draw_labels(panel: Any, image: Slice, labels: Labels) -> None:
    _frame(panel)
    height, width = image.shape
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    panel.imshow(image, cmap="gray", vmin=0, vmax=1.15, interpolation="bicubic", extent=extent)
    panel.imshow(_coloured(_smooth(labels)), interpolation="bilinear", extent=extent)


def _smooth(labels: Labels) -> Labels:
    """Return the labels on a grid FINER times as fine: at each place the label that is interpolated highest."""
    shares = [
        zoom((labels == label).astype(np.float32), FINER, order=1, grid_mode=True, mode="nearest")
        for label in (0, *COLOURS)
    ]
    return np.asarray((0, *COLOURS), np.uint8)[np.argmax(shares, axis=0)]


def _coloured(labels: Labels) -> NDArray:
    """Return labels as colours (y, x, RGBA), the background transparent."""
    from matplotlib.colors import to_rgba

    colours = np.zeros((*labels.shape, 4), np.float32)
    for label, colour in COLOURS.items():
        colours[labels == label] = to_rgba(colour, OPACITY)
    return colours


def _frame(panel: Any) -> None:
    """Leave the axes no ticks and no frame, but their labels."""
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_facecolor("black")
    for side in panel.spines.values():
        side.set_visible(False)


def _add_legend(figure: Any, note: str) -> None:
    from matplotlib.patches import Patch

    figure.text(0.99, 0.1 / figure.get_figheight(), note, color=DIM, fontsize=8, ha="right", va="bottom")
    patches = [Patch(color=COLOURS[label], label=NAMES[label]) for label in COLOURS]
    figure.legend(handles=patches, loc="lower left", ncols=len(patches), frameon=False, labelcolor=TEXT, fontsize=9.5)
