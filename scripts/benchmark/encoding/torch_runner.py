"""PyTorch as a contender: the encoder alone, without gradients, over resident rows in large batches."""

from collections.abc import Sequence
from typing import Any

import torch

from benchmark.training.job import Runner, TrainingJob
from benchmark.training.torch_layers import dense_encoder
from benchmark.training.torch_runner import default_device, scaled_inputs

BATCH_SIZE = 4096  # larger ones are no faster


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """One encoder per seed, one after the other; each "epoch" encodes all rows and takes the codes to the host."""
    torch.set_num_threads(threads)
    device = default_device()
    inputs = scaled_inputs(job, device)
    encoders = []
    for seed in seeds:
        torch.manual_seed(seed)
        encoders.append(dense_encoder(job.config, inputs.shape[1]).train(False).to(device))

    def encode(rounds: int) -> dict[str, Any]:
        with torch.inference_mode():
            for _ in range(rounds):
                for encoder in encoders:
                    codes = torch.cat([encoder(batch) for batch in inputs.split(BATCH_SIZE)]).cpu().numpy()
        return {"codes": list(codes.shape)}

    return Runner(encode, lambda: {"version": torch.__version__, "device": str(device), "compile_seconds": None})
