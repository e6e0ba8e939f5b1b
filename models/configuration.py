"""Everything that decides a training run besides its images: one TOML file for the three networks of a model.

A file has the fields of `TrainingConfig` as keys and sub-tables. Those at the top hold for every network,
those in a table `finest`, `next` or `rest` for one::

    steps = 20000
    network.width = 48
    augmentation.noise = 0.5

    [rest]
    steps = 5000
    network.trunk_blocks = 3
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ppyr.errors import ConfigurationError

from .data import Augmentation
from .network import NetworkConfig
from .optimization import Schedule
from .weights import STAGES

FOLDER = Path(__file__).parent / "configurations"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Schedule):
    """The settings of one network's training.

    `begin_with` names another network of the same run whose trained weights this one begins with.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    begin_with: str = ""


def shipped() -> list[str]:
    """Names of the configurations that come with ppyr."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(path: Path, sizes: Mapping[str, NetworkConfig] | None = None) -> dict[str, TrainingConfig]:
    """The settings of every stage.

    Args:
        path: the file.
        sizes: of the networks where it says nothing, by stage; by default those of `NetworkConfig`.

    Raises:
        ConfigurationError: the file is no TOML, has a key or a value that is not known, or lacks `steps`.
        OSError: it can not be read.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML file: {error}") from None
    return parse(content, str(path), sizes)


def parse(
    content: Mapping[str, Any], where: str, sizes: Mapping[str, NetworkConfig] | None = None
) -> dict[str, TrainingConfig]:
    """The settings of every stage from what a file says; `where` begins the message of an error.

    Raises:
        ConfigurationError: a key or a value is not known, or `steps` is not there.
    """
    common = {key: value for key, value in content.items() if key not in STAGES}
    configs = {}
    for stage in STAGES:
        own = content.get(stage, {})
        if not isinstance(own, Mapping):
            raise ConfigurationError(f"{where}: {stage} has to be a table", found=own)
        given = {"network": asdict(sizes[stage])} if sizes else {}
        said = merged(given, merged(common, own))
        configs[stage] = _checked(TrainingConfig, said, f"{where}, {stage}")
    return configs


def merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of both, the own value before the common one, table by table."""
    both = {**common, **own}
    for key in common.keys() & own.keys():
        if isinstance(common[key], Mapping) and isinstance(own[key], Mapping):
            both[key] = merged(common[key], own[key])
    return both


def _checked(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    """The dataclass `kind` of these values.

    Raises:
        ConfigurationError: a value is missing, unknown, of another type or negative.
    """
    hints, made = get_type_hints(kind), {}
    for name, value in values.items():
        if name not in hints:
            raise ConfigurationError(
                f"{where}: {name} is no setting: use some of {', '.join(hints)}",
                expected=list(hints),
                found=name,
            )
        wanted, inside = hints[name], f"{where}, {name}"
        if is_dataclass(wanted) and isinstance(value, Mapping):
            made[name] = _checked(wanted, value, inside)
            continue
        if wanted is str:
            if value not in ("", *STAGES):
                raise ConfigurationError(
                    f"{inside}: {value!r} is no network: use one of {', '.join(STAGES)}",
                    expected=STAGES,
                    found=value,
                )
            made[name] = value
            continue
        number = float(value) if wanted is float and type(value) is int else value
        if type(number) is not wanted or not 0 <= number < float("inf"):
            raise ConfigurationError(
                f"{inside}: {value!r} is no {wanted.__name__} from 0 on", expected=wanted, found=value
            )
        made[name] = number
    if kind is TrainingConfig and not made.get("steps"):
        raise ConfigurationError(f"{where}: give steps, more than 0", found=made.get("steps"))
    return kind(**made)
