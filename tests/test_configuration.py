from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from ppyr.cli import main
from ppyr.errors import ConfigurationError
from ppyr.models import configuration, modelfile, registry
from ppyr.models.configuration import TrainingConfig
from ppyr.models.data import Augmentation
from ppyr.models.network import NetworkConfig
from ppyr.models.weights import STAGES


def read(folder: Path, text: str) -> dict[str, TrainingConfig]:
    file = folder / "mine.toml"
    file.write_text(text, "utf-8")
    return configuration.read(file)


def test_a_network_has_what_all_have_and_its_own(tmp_path: Path) -> None:
    text = """
        steps = 60
        network.width = 32
        network.trunk_blocks = 1
        augmentation = { gray = 1 }
        [next]
        seed = 7
        network.trunk_blocks = 3
        begin_with = "rest"
        [rest]
        steps = 5
        autocast = true
    """
    found = read(tmp_path, text)
    assert tuple(found) == STAGES
    gray, narrow = Augmentation(gray=1.0), NetworkConfig(width=32, trunk_blocks=1)
    assert found["finest"] == TrainingConfig(steps=60, network=narrow, augmentation=gray)
    deep = NetworkConfig(width=32, trunk_blocks=3)
    assert found["next"] == TrainingConfig(
        steps=60, network=deep, augmentation=gray, seed=7, begin_with="rest"
    )
    assert found["rest"] == TrainingConfig(steps=5, network=narrow, augmentation=gray, autocast=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps 60", "mine.toml is no TOML file: Expected '='"),
        ("seed = 1", "finest: give steps, more than 0"),
        ("steps = 0", "finest: give steps, more than 0"),
        ("steps = 1\nbias_rate = -1", "finest, bias_rate: -1 is no float from 0 on"),
        ("steps = 1\nbias_rate = inf", "finest, bias_rate: inf is no float from 0 on"),
        ("steps = 1\nbias_rate = nan", "finest, bias_rate: nan is no float from 0 on"),
        ("steps = '1'", "finest, steps: '1' is no int from 0 on"),
        ("steps = 1\nseed = 1.5", "finest, seed: 1.5 is no int from 0 on"),
        ("steps = 1\nautocast = 1", "finest, autocast: 1 is no bool"),
        ("steps = 1\nbegin_with = 'last'", "finest, begin_with: 'last' is no network: use one of finest, "),
        ("steps = 1\nbegin_with = 1", "finest, begin_with: 1 is no network"),
        ("steps = 1\nnetwork = 48", "finest, network: 48 is no NetworkConfig"),
        ("steps = 1\nnext = 48", "mine.toml: next has to be a table"),
        ("steps = 1\n[second]", "finest: second is no setting: use some of steps, "),
        ("steps = 1\n[rest.network]\ndepth = 2", "rest, network: depth is no setting: use some of width, "),
        ("steps = 1\n[rest.network]\nwidth = 0", "widths are 1 or more"),
    ],
)
def test_bad_settings_are_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("name", ["fast", "medium", "default", "graphics", "max"])
def test_shipped_configurations_are_those_of_the_shipped_models(name: str) -> None:
    assert name in configuration.shipped()
    configs = configuration.read(configuration.FOLDER / f"{name}.toml")
    model = modelfile.read(registry.by_id(registry.by_name(name)))
    for stage, config in configs.items():
        assert model.provenance[stage]["config"]["network"] == asdict(config.network)


def test_the_command_refuses_bad_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text("steps = 1\nspeed = 2", "utf-8")
    words = ["train", str(tmp_path), "--output", str(tmp_path / "run"), "--config"]
    assert main([*words, str(tmp_path / "bad.toml")]) == 1
    assert "speed is no setting" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]
