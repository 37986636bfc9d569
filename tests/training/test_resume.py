"""A run that is killed, stopped or fails goes on exactly where its last checkpoint was."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from segedu.losses import cross_entropy
from segedu.training import Progress, Recipe, TrainingError, read_log, train
from segedu.training.checkpoints import checkpoints, load_newest, save, write_atomically
from segedu.training.recipes.semantic import camvid
from tests.requirements_of_machine import needs_cuda
from tests.training.toy import TOY, Rectangles, rectangles


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The final weights of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(TOY, folder, device="cpu")
    torch.set_num_threads(threads)
    return (folder / "final.safetensors").read_bytes()


def final(folder: Path) -> bytes:
    return (folder / "final.safetensors").read_bytes()


def test_killed_at_any_point_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killing", str(tmp_path), "7"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert len(results) == 3
    for result in results:
        assert result["same"], result
        assert result["log_is_whole"], result
        assert result["kills"] >= 1
    assert sum(result["kills"] for result in results) >= 5
    assert sum(result["resumed_from"] for result in results) >= 2  # not always from the start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_after_a_step_and_resumes(
    number: signal.Signals, tmp_path: Path, whole: bytes
) -> None:
    def press(progress: Progress) -> None:
        if progress.step == 12:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 13; its state is written"):
        train(TOY, tmp_path, device="cpu", callbacks=[press])
    assert signal.getsignal(number) is before
    assert checkpoints(tmp_path)[-1].name.startswith("step_00000013-")
    train(TOY, tmp_path, device="cpu")
    assert final(tmp_path) == whole


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def press(progress: Progress) -> None:
        if progress.step == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(TOY, tmp_path, device="cpu", callbacks=[press])


bad_pixels_left = 0


def sometimes_nan(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """cross_entropy, but once, at the 18th call, nan."""
    global bad_pixels_left
    bad_pixels_left -= 1
    total, weight = cross_entropy(logits, target)
    return (total * torch.nan if bad_pixels_left == 0 else total), weight


def test_a_loss_that_is_nan_keeps_the_last_good_checkpoint(tmp_path: Path, whole: bytes) -> None:
    global bad_pixels_left
    bad_pixels_left = 18
    recipe = dataclasses.replace(TOY, loss=sometimes_nan)
    with pytest.raises(TrainingError, match=r"the loss is nan in step 18.*lower lr.*step_00000015"):
        train(recipe, tmp_path, device="cpu")
    train(recipe, tmp_path, device="cpu")
    assert final(tmp_path) == whole


def test_a_gradient_that_is_infinite_never_reaches_the_weights(tmp_path: Path) -> None:
    def overflow(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return (logits.sum() * 0).abs().sqrt() + 1, torch.ones(())  # sqrt'(0) is infinite

    with pytest.raises(TrainingError, match=r"the gradient is (nan|inf) in step 1"):
        train(dataclasses.replace(TOY, loss=overflow), tmp_path, device="cpu")
    assert not checkpoints(tmp_path)


class Fragile(Rectangles):
    broken = True

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if i == 33 and Fragile.broken:
            raise FileNotFoundError(2, "No such file or directory", "leftImg8bit/a.png")
        return super().__getitem__(i)


def fragile(n: int = 50) -> Any:
    return dataclasses.replace(rectangles(n), train=Fragile(0, n, True))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_image_is_named(workers: int, tmp_path: Path, whole: bytes) -> None:
    recipe = dataclasses.replace(TOY, data=fragile)
    Fragile.broken = True
    with pytest.raises(TrainingError, match=r"^in step \d+: .*leftImg8bit/a.png") as caught:
        train(recipe, tmp_path, device="cpu", workers=workers)
    assert "\n" not in str(caught.value)  # and no worker's traceback
    Fragile.broken = False
    train(recipe, tmp_path, device="cpu", workers=workers)
    assert final(tmp_path) == whole


def write_photographs(root: Path, n: int) -> None:
    """A small CamVid, of one grey."""
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        for i in range(n):
            Image.new("RGB", (48, 36), (99, 99, 99)).save(root / split / f"{i}.png")
            Image.new("L", (48, 36), i % 11).save(root / f"{split}annot" / f"{i}.png")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_photograph_is_named(workers: int, tmp_path: Path) -> None:
    root = tmp_path / "camvid"
    write_photographs(root, 4)
    recipe = dataclasses.replace(
        TOY, data=camvid, steps=8,
        data_args={"root": str(root), "height": 18, "width": 24, "validation": 1},
    )  # fmt: skip
    train(recipe, tmp_path / "good", device="cpu", workers=workers)
    damaged = root / "train" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(TrainingError, match=r"^in step \d+: .*1.png is not a complete") as caught:
        train(recipe, tmp_path / "bad", device="cpu", workers=workers)
    assert "\n" not in str(caught.value)


PRESSED = """
import sys
from pathlib import Path
import torch.multiprocessing
from segedu.training import train, with_overrides
from tests.training.toy import TOY

if __name__ == "__main__":
    torch.multiprocessing.set_start_method(sys.argv[2])
    torch.set_num_threads(1)
    report = lambda progress: print(progress.step, flush=True)
    recipe = with_overrides(TOY, ["steps=100000", "checkpoint_every=50000"])
    train(recipe, Path(sys.argv[1]), device="cpu", workers=2, callbacks=[report])
"""


@pytest.mark.parametrize(
    ("start", "number"),
    [("fork", signal.SIGINT), ("forkserver", signal.SIGINT), ("fork", signal.SIGTERM)],
)
def test_a_signal_to_the_whole_group_spares_the_workers(
    start: str, number: signal.Signals, tmp_path: Path
) -> None:
    """A terminal sends Ctrl-C to every process; a cluster SIGTERM likewise."""
    script = tmp_path / "script.py"
    script.write_text(PRESSED)
    run = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "run"), start],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) == 3:
                break
        os.killpg(run.pid, number)
        _, told = run.communicate(timeout=60)
    finally:
        run.kill()
    assert re.search(r"KeyboardInterrupt: stopped after step \d+; its state is written", told)
    assert len(checkpoints(tmp_path / "run")) == 1


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, whole: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(progress: Progress) -> None:
        if progress.step == 12:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    try:
        with pytest.raises(TrainingError, match=r"cannot write .*step_00000015.* MB are free"):
            train(TOY, tmp_path, device="cpu", callbacks=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name[:13] for path in checkpoints(tmp_path)] == ["step_00000005", "step_00000010"]
    assert not list(tmp_path.glob(".*"))  # nothing half written is left
    train(TOY, tmp_path, device="cpu")
    assert final(tmp_path) == whole


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_checkpoints(
    tmp_path: Path, whole: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    train(TOY, tmp_path, device="cpu")
    last, before = tmp_path / "last", tmp_path / "both"
    for folder in (last, before):
        folder.mkdir()
        for path in (*checkpoints(tmp_path), tmp_path / "recipe.json"):
            shutil.copy(path, folder)
    damage(checkpoints(last)[-1])  # one flipped bit; the one before serves
    train(TOY, last, device="cpu")
    assert "step_00000040" in capsys.readouterr().out
    assert final(last) == whole
    damage(checkpoints(before)[-1])
    checkpoints(before)[0].write_bytes(b"")
    with pytest.raises(TrainingError, match=r"every checkpoint in .* is damaged.*--fresh"):
        train(TOY, before, device="cpu")
    train(TOY, before, device="cpu", fresh=True)
    assert final(before) == whole


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    train(dataclasses.replace(TOY, steps=5), tmp_path, device="cpu")
    with pytest.raises(TrainingError, match=r"another recipe \(lr: 0.02 -> 0.5\).*--fresh"):
        train(dataclasses.replace(TOY, steps=5, lr=0.5), tmp_path, device="cpu")


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    recipe = dataclasses.replace(TOY, steps=5)
    first = train(recipe, tmp_path, device="cpu")
    calls: list[Progress] = []
    assert train(recipe, tmp_path, device="cpu", callbacks=[calls.append]) == first
    assert not calls


def test_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot use the folder"):
        train(TOY, tmp_path / "file", device="cpu")


def test_the_newest_whole_checkpoint_and_one_before_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        save(tmp_path, step, {"step": step})
    assert len(checkpoints(tmp_path)) == 2
    assert load_newest(tmp_path) == {"step": 10}
    assert load_newest(tmp_path / "elsewhere") is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(file: Any) -> None:
        file.write(b"new")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="No space left on device"):
        write_atomically(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_workers_change_nothing(tmp_path: Path, whole: bytes) -> None:
    train(TOY, tmp_path, device="cpu", workers=2)
    assert final(tmp_path) == whole


def test_the_log_can_be_cut_anywhere(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [entry["step"] for entry in read_log(tmp_path)] == [1, 2]
    assert read_log(tmp_path / "elsewhere") == []


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    train(dataclasses.replace(TOY, steps=2), tmp_path, device="cpu")
    assert torch.equal(torch.rand(2), want)


def identity_net(num_classes: int) -> nn.Module:
    return nn.Conv2d(3, num_classes, 1)


def test_accumulation_changes_nothing(tmp_path: Path) -> None:
    # Pieces have different numbers of pixels that count: the mean of their means would differ.
    one = dataclasses.replace(TOY, model=identity_net, steps=6, batch=8, ema=None)
    four: Recipe = dataclasses.replace(one, accumulate=4)
    train(one, tmp_path / "one", device="cpu")
    train(four, tmp_path / "four", device="cpu")
    losses = [[e["loss"] for e in read_log(tmp_path / name)] for name in ("one", "four")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_half_precision_resumes_exactly_too(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 7:
            signal.raise_signal(signal.SIGINT)

    recipe = dataclasses.replace(TOY, steps=12, precision="bf16")
    train(recipe, tmp_path / "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", device="cpu", callbacks=[stop])
    train(recipe, tmp_path / "cut", device="cpu")
    assert final(tmp_path / "cut") == final(tmp_path / "whole")
    full = train(dataclasses.replace(TOY, steps=12), tmp_path / "full", device="cpu")
    losses = [[e["loss"] for e in read_log(tmp_path / name)] for name in ("whole", "full")]
    assert losses[0] != losses[1]  # it was computed in half precision …
    assert losses[0] == pytest.approx(losses[1], rel=0.05)  # … and nearly the same
    assert full.steps == 12


@needs_cuda
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_on_a_gpu(precision: str, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TOY, steps=12, precision=precision)
    train(recipe, tmp_path / "gpu")
    train(dataclasses.replace(TOY, steps=12), tmp_path / "cpu", device="cpu")
    gpu, cpu = ([e["loss"] for e in read_log(tmp_path / name)] for name in ("gpu", "cpu"))
    assert gpu[0] == pytest.approx(cpu[0], rel=0.05)
    assert gpu[-1] < gpu[0]
