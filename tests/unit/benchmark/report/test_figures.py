"""The figures for a manuscript: nothing runs off them, and they have what the page has."""

import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, MadeUpModel, write_benchmark
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from nnunetv2_mstkd.benchmark.report.figure_style import figure_style
from nnunetv2_mstkd.benchmark.report.figures import _figures
from nnunetv2_mstkd.benchmark.report.write import make_content
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.regions import Region

LONG = "A network of a very long title, which nobody would want on a figure (ResEncL, 3d_fullres)"


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    models = (MadeUpModel(f"{LONG} 0", trained_for_missing=False), MadeUpModel(f"{LONG} 1", 0.1), MSTKD)
    made_up = MadeUpBenchmark(models=models, cases=4, modalities=("CT", "PET"), regions=(Region("liver", (1,)),))
    folder = write_benchmark(tmp_path_factory.mktemp("figures"), made_up)
    # as nnU-Net's training leaves it, which enlarges the fonts of all figures
    with rc_context({"font.size": 30, "axes.labelsize": 30, "xtick.labelsize": 30}), figure_style():
        return dict(_figures(make_content(read_results(folder), ReportOptions(viewer=False))))


@pytest.mark.parametrize("name", ["heat_map_dice", "heat_map_hd95_difference", "ranks_dice", "shapley_dice"])
def test_no_text_runs_off(figures, name):
    figure = figures[name]
    canvas = FigureCanvasAgg(figure)
    with figure_style():
        canvas.draw()
    ticks = {tick for axes in figure.axes for tick in axes.get_xticklabels()}  # numbers, some beyond the axis, undrawn
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and text not in ticks]
    assert texts
    width, height = canvas.get_width_height()
    for text in texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()


def test_colours_and_marks_are_told(figures):
    texts = {text.get_text() for text in figures["heat_map_hd95_difference"].axes[0].texts}
    assert {"better", "worse", "by ranks, Holm p < 0.05"} <= texts
    assert any(text.endswith(" mm (better)") for text in texts)


def test_contributions_are_drawn_of_whichever_model_has_them(tmp_path):
    models = (MadeUpModel("CT alone", needs="CT"), NNUNET)
    folder = write_benchmark(tmp_path, MadeUpBenchmark(models=models, cases=2, modalities=("CT", "PET")))
    drawn = dict(_figures(make_content(read_results(folder), ReportOptions(viewer=False))))
    assert "shapley_dice" in drawn
