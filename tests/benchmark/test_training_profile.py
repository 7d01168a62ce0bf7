"""The profile of a training: times without nested ones, parts by scope, and the whole on a small workload."""

import json

import pytest
from benchmark import training_profile
from benchmark.training_profile import TRAININGS, Operation, instruction_scopes, part_of, render_markdown, self_times
from rich.console import Console

from aejax.errors import InputError


def test_an_operations_time_is_without_the_operations_within_it():
    loop = Operation("while.1", 0, 100)
    within = [Operation("dot.1", 10, 30), Operation("call.2", 50, 40), Operation("add.3", 60, 10)]
    assert self_times([*within, loop, Operation("dot.1", 100, 5)]) == {
        "while.1": 30,
        "dot.1": 35,
        "call.2": 30,
        "add.3": 10,
    }


def test_an_instruction_belongs_to_the_part_that_its_scope_names():
    program = """
%fused (p: f32[2]) -> f32[2] {
  %dot.7 = f32[2]{0} dot(%p, %p), metadata={op_name="jit(epochs)/while/body/jvp(loss)/dot_general" source_line=1}
  ROOT %tanh.2 = f32[2]{0} tanh(%dot.7), metadata={op_name="jit(epochs)/while/body/jvp(loss)/tanh"}
}

ENTRY %main (a: f32[2]) -> f32[2] {
  %dot.3 = f32[2]{0} dot(%a, %b), metadata={op_name="jit(epochs)/while/body/jvp(loss)/dot_general" source_line=1}
  %fusion.1 = f32[2]{0} fusion(%a), kind=kLoop, calls=%fused, metadata={op_name="jit(epochs)/jvp(loss)/tanh"}
  %tanh.1 = f32[2]{0} tanh(%a), metadata={op_name="jit(epochs)/jvp(loss)/tanh"}
  ROOT %add.1 = f32[2]{0} add(%a, %b), metadata={op_name="jit(epochs)/while/body/optimizer/add"}
}
"""
    parts = {name: part_of(scope) for name, scope in instruction_scopes(program).items()}
    assert (parts["dot.3"], parts["fusion.1"], parts["add.1"]) == ("products", "products", "optimizer")
    assert parts["tanh.1"] == "loss and activations"
    assert part_of("") == "other"


@pytest.mark.slow
def test_a_training_is_profiled_and_shown(tmp_path, monkeypatch):
    monkeypatch.setitem(TRAININGS, "tabular", TRAININGS["tabular"]._replace(units=2))
    args = training_profile.Args(workload=("tabular",), seeds=1, out=tmp_path)
    results = training_profile.run_profiles(args, Console(quiet=True))
    (tabular,) = results["workloads"]
    assert tabular["parts"]["products"] > 0
    assert tabular["parts"]["optimizer"] > 0
    assert 0 < sum(tabular["parts"].values()) < 2 * tabular["seconds"]
    assert json.loads((tmp_path / "profile.json").read_text())["workloads"] == [tabular]
    assert (tmp_path / "profile.md").read_text() == render_markdown(results)


@pytest.mark.parametrize("flag", [{"workload": ("unknown",)}, {"seeds": 0}])
def test_what_cannot_be_profiled_is_one_line(flag, tmp_path):
    with pytest.raises(InputError, match=r"--(workload|seeds)"):
        training_profile.run_profiles(training_profile.Args(out=tmp_path, **flag), Console(quiet=True))
