"""What is recorded of the environment of a run."""

from importlib.metadata import PackageNotFoundError

import aejax
from aejax.experiments import environment


def test_versions_are_recorded_where_the_package_is_on_the_path_but_not_installed(monkeypatch):
    def version(package):
        if package == "aejax":
            raise PackageNotFoundError(package)
        return f"version of {package}"

    monkeypatch.setattr(environment, "version", version)
    versions = environment.code_version()["versions"]
    assert versions["aejax"] == aejax.__version__
    assert versions["jax"] == "version of jax"
