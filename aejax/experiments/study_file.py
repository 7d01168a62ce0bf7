"""The file of a study: data sets, methods, label budgets and questions, in TOML or Python."""

import dataclasses
import itertools
import json
import re
import runpy
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from aejax.config import CompareConfig
from aejax.config.serialization import check_type
from aejax.config.settings import replace_settings
from aejax.errors import InputError, require, require_known_names, suggest_names, summarize_error
from aejax.experiments.resolve import check_methods
from aejax.experiments.run_naming import dataset_slug, is_path
from aejax.recipes import compare_defaults
from aejax.storage.atomic_io import to_jsonable

RUN_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
FIX = "see aejax docs study"
PATH_SETTINGS = ("dataset", "test", "data_dir")
NAMED_PATH_SETTINGS = ("features", "encoder")  # NAME=PATH


class StudySettings(TypedDict, total=False):
    """`[study]`: what all data sets have in common; every other field is a flag of `aejax compare`."""

    title: str
    label_budgets: list[int]
    methods: list[str]
    seeds: int
    margin: float


class QuestionSettings(TypedDict):
    """`[[question]]`: every one of `methods` is compared with every one of `against`."""

    name: str
    methods: list[str]
    against: list[str]
    text: NotRequired[str]


class StudyFile(TypedDict):
    """The content of a study file; `dataset` and `variant` have flags of `aejax compare` and a name."""

    study: NotRequired[StudySettings]
    defaults: NotRequired[dict[str, Any]]
    dataset: list[dict[str, Any]]
    variant: NotRequired[list[dict[str, Any]]]
    question: NotRequired[list[QuestionSettings]]


class Question(NamedTuple):
    """Comparisons whose verdicts are adjusted together."""

    name: str
    text: str
    pairs: tuple[tuple[str, str], ...]  # (method, baseline)


class StudyRun(NamedTuple):
    """A comparison of a study, with its label budgets."""

    dataset: str  # name of the data set in the study
    variant: str  # "" or the name of other settings
    config: CompareConfig
    label_budgets: tuple[int, ...]  # labels per class, in addition to all labels

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.dataset + self.suffix

    @property
    def suffix(self) -> str:
        """What follows the names of its methods in the study."""
        return f"@{self.variant}" if self.variant else ""


class Study(NamedTuple):
    """What a study file declares."""

    title: str
    runs: tuple[StudyRun, ...]
    questions: tuple[Question, ...]  # none: every method against its controls
    declared: dict[str, Any]  # the content of the file

    @property
    def config(self) -> CompareConfig:
        """The settings of the first comparison, for what all have in common."""
        return self.runs[0].config


def read_study(path: Path) -> Study:
    """Returns the study that a TOML file declares, or the dict `study` of a Python file, which is run.

    Relative paths in it are those from the folder of the file, if there is such a file.

    Raises:
        InputError: it cannot be read, or names a setting, method or section that does not exist.
    """
    content = _read_content(path)
    where = str(path)
    require_known_names(f"{where}: section", "section", list(content), StudyFile.__annotations__)
    check_type(StudyFile, content, where, FIX)
    try:
        return make_study(content, path.parent)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _read_content(path: Path) -> dict[str, Any]:
    """Returns the content of a study file as JSON values."""
    require(path.is_file(), f"{path}: no such file; give the TOML or Python file of a study ({FIX})")
    require(path.suffix in (".toml", ".py"), f"{path}: expected a file .toml or .py; {FIX}")
    try:
        is_toml = path.suffix == ".toml"
        content = tomllib.loads(path.read_text(encoding="utf-8")) if is_toml else runpy.run_path(str(path)).get("study")
        values = json.loads(json.dumps(to_jsonable(content)))
    except Exception as error:  # of the user's code, too
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {summarize_error(error)})") from error
    require(isinstance(values, dict), f"{path}: defines no dict named study; {FIX}")
    return dict(values)


def make_study(content: Mapping[str, Any], folder: Path = Path()) -> Study:
    """Returns the study of a file's content; `folder` is that of the file. Raises as `read_study`."""
    settings = dict(content.get("study", {}))
    require_known_names("[study]", "key", list(settings), StudySettings.__annotations__)
    title, budgets = settings.pop("title", "Study"), settings.pop("label_budgets", [])
    shared = {**content.get("defaults", {}), **settings}
    variants = [{"name": ""}, *content.get("variant", [])]
    runs = []
    # Variants follow one another, so that every shard has some of each: the first takes the longest.
    for variant, entry in itertools.product(variants, content["dataset"]):
        runs.append(_make_run({**shared, "label_budgets": budgets, **entry}, variant, folder))
    require(runs, "[[dataset]]: none; give at least one")
    for field in ("metric", "margin"):
        values = sorted({getattr(run.config.evaluation, field) for run in runs})
        found = " and ".join(map(str, values))
        require(len(values) == 1, f"{field}: {found}; give one for all data sets, in [defaults]")
    questions = tuple(_make_question(entry, runs) for entry in content.get("question", []))
    names = [("[[dataset]]", run.folder) for run in runs] + [("[[question]]", question.name) for question in questions]
    for (section, name), count in Counter(names).items():
        require(count == 1, f"two {section} are called {name}; give each a name of its own")
    return Study(title, tuple(runs), questions, dict(content))


def _make_run(entry: Mapping[str, Any], variant: Mapping[str, Any], folder: Path) -> StudyRun:
    settings = {**entry, **{name: value for name, value in variant.items() if name != "name"}}
    dataset = settings.get("dataset")
    require(isinstance(dataset, str) and dataset, "[[dataset]]: a set lacks its key dataset; give a name or a path")
    name, budgets = settings.pop("name", dataset_slug(str(dataset))), settings.pop("label_budgets")
    other = variant.get("name")
    for given in (name, other or "main"):
        require(
            isinstance(given, str) and RUN_NAME.fullmatch(given),
            f"name = {given!r}: expected letters, digits and . _ + - for a folder; give name",
        )
    require(
        isinstance(budgets, list) and all(type(count) is int and count >= 2 for count in budgets),
        f"{name}: label_budgets: expected labels per class, each at least 2",
    )
    for key in ("shard", "labels_per_class", "label_fraction"):
        require(key not in settings, f"{name}: {key}: cannot be set here; label_budgets and --shard do this")
    extra = settings.pop("extra_methods", [])
    check_type(list[str], extra, f"{name}: extra_methods", FIX)
    located = {key: _locate(folder, key, value) for key, value in settings.items()}
    try:
        config = replace_settings(compare_defaults(located["dataset"]), located)
        if "methods" not in variant:
            config = dataclasses.replace(config, methods=tuple(dict.fromkeys([*config.methods, *extra])))
        check_methods(config.methods, own=_own_names(config))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return StudyRun(name, other or "", config, tuple(sorted(set(budgets))))


def _own_names(config: CompareConfig) -> list[str]:
    """Returns the names of representations of the user's."""
    return [text.partition("=")[0] for text in (*config.features, *config.encoder)]


def _locate(folder: Path, key: str, value: Any) -> Any:
    """Returns a setting with its relative paths below `folder`, where there are such files."""
    if key in NAMED_PATH_SETTINGS and isinstance(value, list):
        parts = [str(text).partition("=") for text in value]
        return [f"{name}={_locate_path(folder, rest)}" if equals else name for name, equals, rest in parts]
    return _locate_path(folder, value) if key in PATH_SETTINGS and isinstance(value, str) else value


def _locate_path(folder: Path, text: str) -> str:
    exists = is_path(text) and (folder / text.partition(":")[0]).exists()
    return str(folder / text) if exists else text


def _make_question(entry: QuestionSettings, runs: list[StudyRun]) -> Question:
    known: dict[str, None] = {}
    for run in runs:
        known |= {name + run.suffix: None for name in (*run.config.methods, *_own_names(run.config))}
    for name in [*entry["methods"], *entry["against"]]:
        require(
            name in known or "all" in known,
            f"[[question]] {entry['name']}: {name}: is no method of this study; {suggest_names(name, known)}",
        )
    pairs = dict.fromkeys(itertools.product(entry["methods"], entry["against"]))
    return Question(entry["name"], entry.get("text", ""), tuple(pair for pair in pairs if pair[0] != pair[1]))
