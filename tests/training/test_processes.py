"""Several processes compute what one computes, under torchrun and under accelerate launch."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from segedu.training import read_log, train
from tests.training.toy import TOY

# With batch normalisation, ignored pixels in uneven numbers, clipping and moving average.
RECIPE = dataclasses.replace(TOY, steps=12, model_args={"dropout": 0.0})


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def launch(launcher: str, folder: Path, *overrides: str) -> None:
    port = free_port()
    start = {
        "torchrun": [
            "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}",
        ],
        "accelerate": [
            "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1",
            "--mixed_precision=no", "--dynamo_backend=no", f"--main_process_port={port}",
        ],
    }[launcher]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", *start, "-m", "tests.training.toy", str(folder), *overrides],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_as_one(launcher: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one, two = tmp_path / "one", tmp_path / "two"
    train(RECIPE, one, device="cpu")
    torch.set_num_threads(threads)
    launch(launcher, two, "steps=12", "model.dropout=0")
    losses = [[entry["loss"] for entry in read_log(folder)] for folder in (one, two)]
    assert len(losses[0]) == 12
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    scores = [[e["scores"]["miou"] for e in read_log(f) if e["scores"]] for f in (one, two)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)
    weights = [load_file(folder / "final.safetensors") for folder in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=1e-4)
