"""`--config` starts from the settings of a run, and other flags change them."""

import json
from pathlib import Path

import pytest

from aejax.cli.arguments import name_source
from aejax.cli.commands import compare, pretrain, sweep
from aejax.config import to_dict
from aejax.errors import InputError


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_a_config_makes_the_same_run(comparison, tmp_path):
    folder = Path(comparison[-1])
    compare.main(["--config", str(folder / "config.json"), "--out", str(tmp_path / "run")])
    assert read(tmp_path / "run", "config.json") == read(folder, "config.json")
    assert (tmp_path / "run" / "correct.npz").read_bytes() == (folder / "correct.npz").read_bytes()


@pytest.fixture
def started(monkeypatch):
    """Returns a function that returns the config with which a command line would start a run."""

    def start(command, function, argv):
        class StartedError(Exception):
            pass

        def record(config, *_):
            raise StartedError(config)

        monkeypatch.setattr(f"aejax.experiments.{function}", record)
        with pytest.raises(StartedError) as raised:
            command.main(argv)
        return raised.value.args[0]

    return start


def test_flags_change_a_config(comparison, started):
    config = started(compare, "compare.load_comparison", ["--seeds", "3", "--config", comparison[-1], "--latent-dim=5"])
    assert (config.seeds, config.model.latent_dim, config.data.dataset) == (3, 5, "wine")
    assert config.methods == ("raw", "pca")


@pytest.mark.parametrize(
    ("command", "name", "flags"),
    [
        (pretrain, "pretrain.pretrain", ["--recipe", "vae", "--dataset", "wine", "--beta", "2"]),
        (sweep, "sweep.sweep", ["--dataset", "wine", "--axis", "beta=1,2", "--axis", "l1=0,1"]),
    ],
)
def test_commands_read_what_they_wrote(command, name, flags, started, tmp_path):
    config = started(command, name, flags)
    (tmp_path / "config.json").write_text(json.dumps(to_dict(config)))
    assert started(command, name, ["--config", str(tmp_path / "config.json")]) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"recipe": "vae", "seeds": 2}', "unknown field recipe"),
        ('{"seeds": "two"}', "seeds: expected an integer, found two"),
        ("[]", "expected an object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_what_is_no_config_of_the_command_is_rejected(content, message, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        compare.main(["--config", str(tmp_path)])


@pytest.mark.parametrize(
    ("argv", "message", "source"),
    [
        ("--config RUN --scaler standard", "--reconstruction bce: needs a range; use mse", "--reconstruction"),
        ("--config=RUN", "--k: must be at least 1", "--k"),
        ("--config RUN --k 0", "--k: must be at least 1", None),
        ("--config RUN", "--out runs/a: cannot be written", None),
        ("--config RUN", "set.csv: no such file", None),
        ("--dataset wine", "--k: must be at least 1", None),
    ],
)
def test_a_message_about_a_setting_of_the_config_says_where_it_is_from(argv, message, source):
    expected = message if source is None else f"{message}; {source} is from --config RUN"
    assert name_source(message, argv.split()) == expected
