"""Targets are judged from results by their numbers; these results are made up."""

from typing import Any

import pytest
from benchmark.interleaved import summarize
from benchmark.summary import summary_table
from benchmark.targets import FASTER, verdicts


def contender(name: str, peer: str, seeds: int, each: list[float], processes: int = 1) -> dict[str, Any]:
    seconds = {"seconds_per_epoch_and_seed": summarize(each)}
    return {"name": name, "library": peer, "peer": peer, "seeds": seeds, "processes": processes, **seconds}


def results(*contenders: dict[str, Any], share: float = 0.7, **changes: Any) -> dict[str, Any]:
    entry = {"name": "deep", "contenders": [{**one, "share_of_product": share} for one in contenders]}
    return {"environment": {"backend": "cpu"}, "workloads": [entry], "curves": [], **changes}


SEVERAL = contender("aejax, 4 seeds", "aejax", 4, [1.0, 2.0, 1.0])
ALONE = contender("aejax, 1 seed", "aejax", 1, [2.0, 2.0, 2.0])


def found(made: dict[str, Any]) -> dict[str, bool]:
    return {verdict.target: verdict.met for verdict in verdicts(made)}


@pytest.mark.parametrize(("seconds", "met"), [(3.0, True), (2.9, False)])
def test_the_fastest_setting_of_a_peer_counts(seconds: float, met: bool) -> None:
    slow = contender("torch, slow", "torch", 2, [99.0] * 3)
    fast = contender("torch, fast", "torch", 2, [seconds, 2 * seconds, seconds], processes=2)
    made = results(SEVERAL, ALONE, slow, fast)
    assert found(made)["deep, 4 seeds: 3 times faster per seed than PyTorch"] is met
    assert next(v for v in verdicts(made) if "PyTorch" in v.target).measured.endswith("its fastest: torch, fast")


def test_repetitions_are_compared_in_turn() -> None:
    """The peer is 3 times slower in each repetition; its median over this project's would not be."""
    own = contender("aejax, 4 seeds", "aejax", 4, [1.0, 2.0, 10.0])
    peer = contender("torch", "torch", 2, [3.0, 6.0, 30.0])
    (verdict,) = [v for v in verdicts(results(own, peer)) if "PyTorch" in v.target]
    assert verdict.measured.startswith("3.00 (3.00 to 3.00)")


def test_keras_must_be_twice_as_slow_as_torch_must() -> None:
    assert {name: times / 2 for name, times in FASTER["keras"].items()} == FASTER["torch"]
    keras = contender("keras, JAX", "keras", 2, [5.9] * 3)
    assert found(results(SEVERAL, keras))["deep, 4 seeds: 6 times faster per seed than Keras"] is False


def test_the_summary_sets_several_seeds_beside_each_peers_fastest_setting() -> None:
    slow, fast = contender("torch, slow", "torch", 2, [99.0] * 3), contender("torch, fast", "torch", 2, [3.0, 8.0, 2.0])
    made = results(ALONE, SEVERAL, slow, fast, share=0.5)["workloads"]
    assert summary_table(made).splitlines()[-1] == "| deep | 1 | 3.00 (2.00 to 4.00) times as long |  | 50% |"
    assert summary_table(results(SEVERAL)["workloads"]) == ""


@pytest.mark.parametrize(("seconds", "met"), [(2.0, True), (1.99, False)])
def test_one_seed_alone_is_held_against_one_process(seconds: float, met: bool) -> None:
    one = contender("torch, 2 threads", "torch", 2, [seconds] * 3)
    several = contender("torch, 2 x 1 thread", "torch", 2, [0.1] * 3, processes=2)
    assert (
        found(results(SEVERAL, ALONE, one, several))["deep, one seed alone: not slower than PyTorch in one process"]
        is met
    )


@pytest.mark.parametrize(("share", "met"), [(0.70, True), (0.69, False)])
def test_the_share_of_a_product(share: float, met: bool) -> None:
    assert found(results(SEVERAL, share=share)) == {"deep, 4 seeds: 70% of the rate of a matrix product": met}


def test_two_seeds_are_not_several() -> None:
    two = contender("aejax, 2 seeds", "aejax", 2, [1.0] * 3)
    assert not found(results(two, contender("torch", "torch", 2, [9.0] * 3, processes=2)))


@pytest.mark.parametrize(("seconds", "peak", "met"), [(59.9, 1.49e9, True), (60.0, 1.5e9, False)])
def test_commands(seconds: float, peak: float, met: bool) -> None:
    one = {"name": "python compare.py", "seconds": summarize([seconds]), "peak_memory_bytes": peak}
    entries = [{"name": name, "kind": "command", "contenders": [one]} for name in ("cold-start", "memory-mnist")]
    assert [v.met for v in verdicts({"environment": {"backend": "cpu"}, "workloads": entries})] == [met, met]


def test_accelerators_have_targets_of_their_own() -> None:
    timed = [(1, [256.0] * 3), (256, [7.9] * 3)]
    points = [{"x": n, "contenders": [contender(f"aejax, {n}", "aejax", n, each)]} for n, each in timed]
    points[0]["contenders"].append(contender("torch", "torch", 1, [800.0] * 3))
    path = {"name": "aejax, path", "library": "aejax", "seeds": 10, "seconds": summarize([1.9])}
    made: dict[str, Any] = {
        "environment": {"backend": "gpu"},
        "workloads": [{"name": "probe-path-64", "kind": "path", "contenders": [path]}],
        "curves": [{"name": "seeds", "points": points}],
    }
    assert [(v.met, v.measured[:5]) for v in verdicts(made)] == [(True, "7.9"), (True, "101.2"), (True, "1.90 ")]
    points[1]["contenders"][0]["seconds_per_epoch_and_seed"] = summarize([8.1] * 3)
    assert [v.met for v in verdicts(made)] == [False, False, True]
    made["environment"]["backend"] = "cpu"
    assert not verdicts(made)
