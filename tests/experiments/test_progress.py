"""The display of progress: it moves with time on any machine, ends with the work, and shows text as it is."""

import io
import itertools
import re
import time

import pytest

from aejax.config import OutputConfig
from aejax.experiments import progress
from aejax.experiments.progress import LineReporter, TimeEstimate, Work, open_reporter
from aejax.experiments.work import summarize_model
from aejax.models.architectures import dense_autoencoder
from aejax.report.terminal import RunConsole

STEPS = 40  # of each stage
# Seconds by stage: estimated, and in truth on a machine of the usual speed. Training is at first underestimated.
CLOSED_FORM = {"compile": (0.5, 1.0), "probe": (2.0, 3.0), "diagnose": (0.5, 0.2)}
TRAINED = {"compile": (2.0, 3.0), "train": (3.0, 9.0), "probe": (1.5, 1.0), "diagnose": (0.5, 0.2)}
PARTS = [
    *((f"control-{number}", CLOSED_FORM) for number in range(4)),
    *((f"kind-{number}", TRAINED) for number in range(4)),
]
PARTS += [("figures", {"figures": (5.0, 6.0)})]


def simulate(slowness):
    """Yields the true share, the shown one and the seconds left of a run whose clock is ours."""
    now = 0.0
    works = [Work(name, {stage: seconds[0] for stage, seconds in stages.items()}, 20) for name, stages in PARTS]
    estimate = TimeEstimate(works, lambda: now)
    total = slowness * sum(seconds for _, stages in PARTS for _, seconds in stages.values())
    for name, stages in PARTS:
        for stage, (_, seconds) in stages.items():
            if stage != "train":
                estimate.start(name, stage)
            for _ in range(STEPS):
                now += slowness * seconds / STEPS
                if stage == "train":
                    estimate.advance(20 / STEPS)
                yield now / total, estimate.share, estimate.left
        estimate.finish()
    yield 1.0, estimate.share, estimate.left


@pytest.mark.parametrize("slowness", [0.2, 1.0, 10.0])
def test_the_bar_follows_the_time_on_slow_and_fast_machines_and_ends_with_the_work(slowness):
    course = list(simulate(slowness))
    truth, shown, left = zip(*course, strict=True)
    assert list(shown) == sorted(shown)
    assert (shown[-1], left[-1]) == (1.0, pytest.approx(0, abs=1e-9))
    assert max(abs(share - true) for true, share in zip(truth, shown, strict=True) if true > 0.25) < 0.15
    moved = [true for true, share, before in zip(truth[1:], shown[1:], shown, strict=False) if share > before]
    assert max(later - earlier for earlier, later in itertools.pairwise(moved)) < 0.1


HOSTILE = "[/bold][red]x\x1b[31m"


@pytest.mark.parametrize("terminal", [False, True])
def test_every_stage_and_hostile_text_are_shown_as_they_are(terminal):
    console = RunConsole(width=80, file=io.StringIO(), force_terminal=terminal, color_system=None)
    with open_reporter(console) as reporter:
        reporter.describe("folder", HOSTILE, [f"{HOSTILE} `--fix`"])
        reporter.begin([Work(HOSTILE, {"compile": 1.0, "train": 1.0}, 10), Work("end", {"end": 1.0}, is_counted=False)])
        reporter.start_method(HOSTILE)
        stages = [reporter.describe_stage()]
        reporter.advance(5, 0.25)
        stages.append(reporter.describe_stage())
        reporter.start_stage("probe")
        reporter.set_status("seed 1 of 2")
        stages.append(reporter.describe_stage())
        reporter.finish_method("done")
        reporter.start_method("end")
        assert reporter.describe_stage() == "end"
        time.sleep(0.3 * terminal)  # for a frame of the live display
    ends = ["compile", "train, epoch 5 of 10, loss 0.25", "probe, seed 1 of 2, loss 0.25"]
    assert stages == [f"{HOSTILE}: {end}" for end in ends]
    text = console.file.getvalue()
    assert r"folder   [/bold][red]x\x1b[31m" in text
    assert r"1/1      [/bold][red]x\x1b[31m: done" in text
    assert "\x1b[31m" not in text
    assert terminal or "\x1b" not in text


def test_a_log_has_a_line_at_least_every_30_seconds(monkeypatch):
    assert progress.SECONDS_BETWEEN_LINES < 30
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.05)
    console = RunConsole(file=io.StringIO())
    with open_reporter(console) as reporter:
        assert isinstance(reporter, LineReporter)
        reporter.begin([Work("raw", {"probe": 60.0})])
        reporter.start_method("raw")
        time.sleep(0.5)
    lines = console.file.getvalue().splitlines()
    assert 3 <= len(lines) <= 10
    assert all(re.fullmatch(r"\.\.\.      raw: probe; \d %  0:0\d, about [01]:\d\d left", line) for line in lines)


def test_a_quiet_console_shows_no_progress():
    console = RunConsole(OutputConfig(quiet=True), file=io.StringIO())
    with open_reporter(console) as reporter:
        reporter.describe("data", "digits")
        reporter.start_method("raw")
        reporter.finish_method("done")
    assert console.file.getvalue() == ""


def test_the_summary_of_a_model_has_the_parameters_and_flops_of_its_layers(make_problem_spec):
    model = dense_autoencoder(make_problem_spec((6,), model={"hidden": (4,), "latent_dim": 2}).model, 6)
    encoder, hidden, code, decoder, *_ = summarize_model(model)
    assert (hidden.name.strip(), hidden.parameters) == ("hidden/Dense_0", 6 * 4 + 4)
    assert (code.name.strip(), code.output_shape[-1]) == ("code", 2)
    assert encoder.parameters == hidden.parameters + code.parameters == 6 * 4 + 4 + 4 * 2 + 2
    assert encoder.flops >= 2 * (6 * 4 + 4 * 2)  # a multiplication and an addition for each weight
    assert (decoder.name, decoder.output_shape) == ("decoder", (6,))
