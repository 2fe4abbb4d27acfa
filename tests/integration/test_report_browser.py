"""The report in a real browser: it renders, the viewer draws, and no request leaves the machine."""

import io
import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from benchmark_records import MadeUpBenchmark, write_benchmark
from matplotlib.image import imread

from nnunetv2_mstkd.benchmark.report.page import make_page
from nnunetv2_mstkd.benchmark.report.write import make_content
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results

webdriver = pytest.importorskip("selenium.webdriver")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver"),
]
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # continuous integration runs as root
    "--no-first-run",
    "--disable-background-networking",  # the browser's own requests, which are none of the page's
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--use-gl=angle",
    "--use-angle=swiftshader",  # WebGL2 without a graphics card
    "--enable-unsafe-swiftshader",
    "--window-size=1000,700",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = write_benchmark(tmp_path_factory.mktemp("report"), MadeUpBenchmark(cases=3, images=True))
    file = folder / "report.html"
    file.write_text(make_page(make_content(read_results(folder), ReportOptions())), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def opened(browser, page):
    """The browser with the page; opened once, for that takes seconds without a graphics card."""
    browser.get(page)
    wait_for_drawing(browser, 1)
    return browser


def times_drawn(browser) -> int:
    return browser.execute_script("return Number(document.getElementById('viewer').dataset.drawn || 0)")


def wait_for_drawing(browser, times: int) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda _: times_drawn(browser) >= times)


def panels(browser) -> list[np.ndarray]:
    """Return what the panels of the viewer show, float (y, x, RGB) of 0..1, without their rounded rims."""
    script = """document.getElementById('viewer').scrollIntoView({behavior: 'instant'});
        return [...document.querySelectorAll('#viewer canvas')].map(c => c.getBoundingClientRect().toJSON())"""
    places = browser.execute_script(script)
    screen = imread(io.BytesIO(browser.get_screenshot_as_png()))[..., :3]  # one picture: each costs a drawing of all
    edges = [[round(place[side]) for side in ("top", "bottom", "left", "right")] for place in places]
    return [screen[top + 8 : bottom - 8, left + 8 : right - 8] for top, bottom, left, right in edges]


def choose(browser, control: str, value: str) -> None:
    script = """const c = document.querySelector(`[data-control=${arguments[0]}]`); c.value = arguments[1];
        c.dispatchEvent(new Event('change')); c.dispatchEvent(new Event('input'))"""
    before = times_drawn(browser)
    browser.execute_script(script, control, value)
    if control in ("case", "subset", "modality"):
        wait_for_drawing(browser, before + 1)


def test_nothing_is_requested_and_nothing_is_complained_about(opened):
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    # the browser's own start page, too, but it has its resources inside
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in sent if url.startswith("file:") and url.endswith("report.html")]
    assert [url for url in sent if url.startswith(("http:", "https:", "ws:", "wss:"))] == []
    assert opened.get_log("browser") == []


def test_the_viewer_draws_the_image_and_the_labels(opened):
    image, reference = panels(opened)[:2]
    assert image.std() > 0.05
    # the image is grey but for the cross; the labels are blue, red and yellow
    colourful = [np.ptp(panel, axis=-1) > 0.25 for panel in (image, reference)]
    assert colourful[0].mean() < 0.001
    assert colourful[1].mean() > 0.02


def test_another_subset_changes_the_models_and_not_the_reference(opened):
    before = panels(opened)
    choose(opened, "subset", "T1+T1ce+T2+FLAIR")  # all modalities find more than one does
    changed = [float(np.abs(now - old).max()) for now, old in zip(panels(opened), before, strict=True)]
    assert changed[0] == changed[1] == 0
    assert min(changed[2:]) > 0.05


def test_another_patient_changes_everything(opened):
    before = panels(opened)
    choose(opened, "case", "1")
    assert all(np.abs(now - old).max() > 0.1 for now, old in zip(panels(opened), before, strict=True))


def test_outlines_leave_the_inside_to_the_image(opened):
    choose(opened, "opacity", "0")
    without = panels(opened)[1]
    opened.execute_script("document.querySelector('[data-control=outline]').click()")
    with_outlines = panels(opened)[1]
    opened.execute_script("document.querySelector('[data-control=outline]').click()")
    choose(opened, "opacity", "0.6")
    share = (np.abs(with_outlines - without).max(axis=-1) > 0.1).mean()
    assert 0.005 < share < 0.5


def test_choices_show_one_pane_each(opened):
    shown = "return [...document.querySelectorAll('.section-heat .pane')].filter(p => p.offsetParent).length"
    text = "return [...document.querySelectorAll('.section-heat .pane')].find(p => p.offsetParent).innerText"
    assert opened.execute_script(shown) == 1
    assert "Mean Dice" in opened.execute_script(text)
    opened.execute_script("document.getElementById('hm-1').click(); document.getElementById('hv-1').click()")
    assert opened.execute_script(shown) == 1
    assert "Median paired difference in HD95 in mm" in opened.execute_script(text)


def test_a_heading_sorts_the_patients(opened):
    script = """document.querySelectorAll('details').forEach(d => { d.open = true });
        const table = document.querySelector('#cases table[data-sortable]');
        const head = table.tHead.rows[0].cells[1].querySelector('button');
        for (let i = 0; i < arguments[0]; i++) head.click();
        return [...table.tBodies[0].rows].map(row => Number(row.cells[1].textContent))"""
    ascending = opened.execute_script(script, 1)
    assert ascending == sorted(ascending)
    assert opened.execute_script(script, 1) == ascending[::-1]


def test_light_and_dark_follow_the_reader(opened):
    backgrounds = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        backgrounds.append(imread(io.BytesIO(opened.get_screenshot_as_png()))[2, 2, :3].mean())
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert backgrounds[0] > 0.9 > 0.2 > backgrounds[1]


def test_the_page_fits_a_narrow_window(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 794, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    width = opened.execute_script("return document.documentElement.scrollWidth")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 794


def test_still_pictures_take_the_place_of_the_viewer_without_scripts(browser, page):
    browser.get("about:blank")  # or the page of the tests before may still be there, with its viewer
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    visible = "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent).length"
    assert browser.execute_script(visible, ".stills img") == 3
    assert browser.execute_script(visible, "#viewer") == 0
    assert browser.execute_script(visible, ".section-heat .pane") == 1
