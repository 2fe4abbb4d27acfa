"""What is shown of a running command."""

import io

import pytest

from nnunetv2_mstkd.demo.progress import Display, Progress, clock

# as nnU-Net 2.8 prints it
EPOCH = """
2026-01-01 10:00:00.000000: Epoch 0
2026-01-01 10:00:00.000000: Current learning rate: 0.01
2026-01-01 10:00:40.000000: Pseudo dice [np.float32(0.9355), np.float32(0.8584), np.float32(nan)]
2026-01-01 10:00:40.000000: Epoch time: 40.26 s
2026-01-01 10:00:41.000000: Epoch 1
"""
VALIDATION = """
2026-01-01 10:01:20.000000: Training done.
2026-01-01 10:01:21.000000: predicting SIM-00000-000
2026-01-01 10:01:21.000000: SIM-00000-000, shape torch.Size([4, 46, 58, 47]), rank 0
2026-01-01 10:01:25.000000: predicting SIM-00005-000
"""


def progress_after(text, epochs=5):
    progress = Progress(epochs)
    for i in range(0, len(text), 7):  # what is read ends anywhere in a line
        progress.feed(text[i : i + 7])
    return progress.text()


def test_a_training_shows_epoch_dice_and_time():
    assert progress_after("") == "epoch 1 of 5"
    assert progress_after(EPOCH) == "epoch 2 of 5, pseudo Dice 0.94 0.86 nan, 40 s an epoch"


def test_the_final_validation_is_counted():
    assert progress_after(EPOCH + VALIDATION) == "final validation, case 2, pseudo Dice 0.94 0.86 nan"


def test_other_commands_show_nothing_but_their_time():
    assert progress_after(EPOCH, epochs=0) == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_one_line_that_is_overwritten():
    stream = Terminal()
    display = Display(stream)
    display.update("long text")
    display.update("short")
    display.say("done")
    assert stream.getvalue() == f"long text\r{' ' * 9}\rshort\r{' ' * 5}\rdone\n"


@pytest.mark.parametrize(("every_s", "lines"), [(0.0, ["a", "b"]), (60.0, [])])
def test_elsewhere_a_line_comes_now_and_then(every_s, lines):
    stream = io.StringIO()
    display = Display(stream, every_s)
    display.update("a")
    display.update("b")
    assert stream.getvalue().splitlines() == lines


def test_clock():
    assert [clock(s) for s in (0, 65.9, 3600)] == ["0:00", "1:05", "60:00"]
