"""What a plan rests on, as tables."""

from aejax.benchmark.planning.constants import PESSIMISTIC
from aejax.benchmark.planning.planning import OnPaper
from aejax.benchmark.planning.wording import size
from aejax.report.table import markdown_rows


def measured_table(paper: OnPaper) -> str:
    """Each constant with the file that it is from."""
    training, probing, saving, host, streaming = paper.measured
    rows = [
        ["seconds per epoch and seed", f"{training.seconds:.3g}", f"{training.contender}, `{training.source}`"],
        ["GFLOP per epoch and seed", f"{training.gflop:.3g}", f"`{training.source}`"],
        ["GFLOP per second, a large product", f"{training.product_gflop_per_second:.0f}", f"`{training.source}`"],
        ["compiling, s", f"{training.compile_seconds:.3g}", f"`{training.source}`"],
        ["peak memory", size(training.peak_memory), f"{training.contender}, `{training.source}`"],
        [
            "a seed's probe, all strengths, s",
            f"{probing.seconds:.3g}",
            f"{probing.contender}, {probing.features} features, `{probing.source}`",
        ],
        ["a save, per seed", size(saving.bytes_per_seed), f"`{saving.source}`"],
        ["saving, by what it adds to an epoch", f"{size(saving.bytes_per_second)}/s", f"`{saving.source}`"],
    ]
    if host is not None:
        rows += [
            ["an epoch's order of a seed, ms", f"{1e3 * host.order_seconds:.3g}", f"`{host.source}`"],
            ["its copy for a setting, ms", f"{1e3 * host.laid_seconds:.3g}", f"`{host.source}`"],
        ]
    if streaming is not None:
        said = f"while two cores trained on them, `{streaming.source}`"
        rows += [["examples read a second", f"{streaming.examples:,.0f}, {size(streaming.bytes)}/s", said]]
        if streaming.extra_decoding is not None:
            extra = f"{1e6 * streaming.extra_decoding:.3g}"
            rows += [["encoded images beside arrays, µs per example", extra, f"`{streaming.source}`"]]
    return markdown_rows(["what", "value", "of"], "lrl", rows) + f"\n\nAll on {_machines(paper)}."


def _machines(paper: OnPaper) -> str:
    return "; ".join(sorted({part.machine for part in paper.measured if part is not None}))


def declared_table(paper: OnPaper) -> str:
    """The published figures."""
    device = paper.accelerator
    rows = [
        ["float32", f"{device.flops / 1e12:g} TFLOP/s"],
        ["bfloat16, dense, tensor cores", f"{device.bfloat16 / 1e12:g} TFLOP/s"],
        ["device memory", f"{size(device.memory)}, of which JAX takes {device.share:.0%}, {size(device.bandwidth)}/s"],
        ["to its host, each way", f"{size(device.host_link)}/s"],
        ["to GPUs of its host, each way", f"{size(device.peer_link)}/s"],
        ["to other hosts", f"{size(device.network)}/s"],
        ["of a host", f"{device.per_host} GPUs, {size(device.host_memory)} of memory"],
        ["a pessimist's share of the float32 peak", f"{PESSIMISTIC:.0%}, a guess"],
    ]
    return markdown_rows(["what", "rate or size"], "ll", rows)


def sizes_table(paper: OnPaper) -> str:
    """What one run holds, computes and moves."""
    own = paper.sizes
    rows = [
        ["weights, optimizer state, best weights", size(own.fit)],
        ["the state of the epoch under way", size(own.state)],
        [f"working memory, steps of {own.batch}", size(own.working)],
        ["an epoch's order, int32", size(own.order)],
        ["its rows on the host", size(own.rows)],
        ["products of a step", f"{own.batch * own.flops / 1e6:.0f} MFLOP"],
        ["device memory moved in a step", size(own.moved(own.batch))],
    ]
    return markdown_rows(["what", "size"], "lr", rows)
