"""PyTorch as a contender: the encoder alone, without gradients, over resident rows in large batches."""

from collections.abc import Sequence
from typing import Any

import torch

from aejax.benchmark.training.job import Job, Trainer
from aejax.benchmark.training.torch_layers import dense_encoder
from aejax.benchmark.training.torch_peer import best_device, scaled_inputs

BATCH = 4096  # larger ones are no faster


def make_encoder(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    """One encoder per seed, one after the other; each "epoch" encodes all rows and takes the codes to the host."""
    torch.set_num_threads(threads)
    device = best_device()
    inputs = scaled_inputs(job, device)
    encoders = []
    for seed in seeds:
        torch.manual_seed(seed)
        encoders.append(dense_encoder(job.config, inputs.shape[1]).train(False).to(device))

    def encode(rounds: int) -> dict[str, Any]:
        with torch.inference_mode():
            for _ in range(rounds):
                for encoder in encoders:
                    codes = torch.cat([encoder(batch) for batch in inputs.split(BATCH)]).cpu().numpy()
        return {"codes": list(codes.shape)}

    return Trainer(encode, lambda: {"version": torch.__version__, "device": str(device), "compile_seconds": None})
