"""Official weights, from a server of this test."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import inspect
import pickle
import re
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from segedu.weights import load, official, official_names
from segedu.weights.official import OFFICIAL, cache_folder, fetch, load_entry, read_tensors
from segedu.weights.registry import ENTRIES, Official
from segedu.weights.shipped import WeightsError, build
from tests.parity.helpers import read_manifest


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGEDU_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return cache_folder()


def from_theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("theirs."): value for key, value in state.items()}


def theirs() -> dict[str, Tensor]:
    from segedu.semantic import unet

    torch.manual_seed(1)
    return {f"theirs.{k}": v for k, v in unet(2, channels=(4, 8)).state_dict().items()}


def entry(url: str, file: str, **changes: object) -> Official:
    known = Official(
        name="tiny", about="", url=f"{url}/{file}", file=file, megabytes=0.1, licence="",
        model="segedu.semantic.unet:unet", model_args={"num_classes": 2, "channels": (4, 8)},
        converter=f"{__name__}:from_theirs",
    )  # fmt: skip
    return dataclasses.replace(known, **changes)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_loaded(net: nn.Module) -> None:
    assert not net.training
    for key, value in theirs().items():
        assert torch.equal(net.state_dict()[key.removeprefix("theirs.")], value)


@pytest.mark.parametrize("file", ["net.safetensors", "net.pth"])
def test_downloaded_checked_converted_and_cached(
    file: str, server: tuple[str, Path], cache: Path
) -> None:
    url, folder = server
    if file.endswith(".pth"):
        torch.save({"state_dict": theirs(), "epoch": 3}, folder / file)
    else:
        save_file(theirs(), folder / file)
    inside = ("state_dict",) if file.endswith(".pth") else ()
    wanted = entry(url, file, sha256=digest(folder / file)[:8], inside=inside)
    check_loaded(load_entry(wanted))
    (folder / file).unlink()  # from the cache
    check_loaded(load_entry(wanted))
    assert [path.name for path in cache.iterdir()] == [file]


def test_the_wrong_file_is_refused(server: tuple[str, Path], cache: Path) -> None:
    url, folder = server
    save_file(theirs(), folder / "net.safetensors")
    with pytest.raises(WeightsError, match=r"should\s+begin with 00000000; delete it"):
        load_entry(entry(url, "net.safetensors", sha256="00000000"))


def test_a_file_without_published_hash_must_stay_the_same(
    server: tuple[str, Path], cache: Path
) -> None:
    url, folder = server
    save_file(theirs(), folder / "net.safetensors")
    known = entry(url, "net.safetensors")
    check_loaded(load_entry(known))
    save_file({"theirs.w": torch.zeros(2)}, cache / "net.safetensors")
    with pytest.raises(WeightsError, match="damaged or not the published file"):
        load_entry(known)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_offline_it_says_what_to_put_where(url: str, cache: Path) -> None:
    with pytest.raises(WeightsError) as error:
        load_entry(entry(url, "net.pth"))
    message = str(error.value)
    assert f"{url}/net.pth" in message
    assert str(cache / "net.pth") in message
    assert not list(cache.iterdir())  # nothing half downloaded


def test_a_missing_file_on_the_server(server: tuple[str, Path]) -> None:
    with pytest.raises(WeightsError, match="404"):
        load_entry(entry(server[0], "gone.pth"))


def test_files_without_direct_link(cache: Path) -> None:
    known = entry("https://drive.google.com/x", "net.pth", by_hand=True)
    with pytest.raises(WeightsError, match="no direct link: download it from https://drive"):
        fetch(known)
    cache.mkdir(parents=True)
    torch.save(theirs(), cache / "net.pth")
    check_loaded(load_entry(known))


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code was run",)


def test_files_that_could_run_code_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"w": torch.zeros(1), "x": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    for name in ("evil.pth", "old.pth"):
        with pytest.raises(WeightsError, match="could run code"):
            read_tensors(tmp_path / name)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth", "empty.pth", "empty.safetensors"])
def test_damaged_files_are_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("pth"):
        torch.save(theirs(), path)
    else:
        save_file(theirs(), path)
    path.write_bytes(path.read_bytes()[:200] if name.startswith("cut") else b"")
    with pytest.raises(WeightsError, match=str(path)):
        read_tensors(path)


def test_weights_of_another_network_are_told(server: tuple[str, Path]) -> None:
    url, folder = server
    save_file({"theirs.head": torch.zeros(3)}, folder / "net.safetensors")
    with pytest.raises(WeightsError, match=r"does not fit segedu\.semantic"):
        load_entry(entry(url, "net.safetensors"))


def test_unknown_names_bring_the_nearest() -> None:
    with pytest.raises(
        WeightsError, match=r"no official weights 'unet-carvanna-0\.5' \(did you mean"
    ):
        load("unet-carvanna-0.5")
    assert official_names() == sorted(OFFICIAL)


@pytest.mark.parametrize("known", ENTRIES, ids=lambda known: known.name)
def test_entries_of_the_registry_hold_together(known: Official) -> None:
    assert known.url.startswith(("https://", "http://www-personal.umich.edu/"))
    assert known.licence
    assert len({e.file for e in ENTRIES}) == len({e.name for e in ENTRIES}) == len(ENTRIES)
    for path, arguments in (
        (known.model, known.model_args),
        (known.converter, known.converter_args),
    ):
        module, _, name = path.partition(":")
        function = getattr(importlib.import_module(module), name)
        inspect.signature(function).bind_partial(**arguments)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("fcn-r50-voc", "fcn_resnet50"),
        ("fcn-r101-voc", "fcn_resnet101"),
        ("deeplab-v3-r50-voc", "deeplabv3_resnet50"),
        ("deeplab-v3-r101-voc", "deeplabv3_resnet101"),
    ],
)
def test_torchvisions_files_fit(name: str, theirs: str) -> None:
    known = OFFICIAL[name]
    with torch.device("meta"):
        net = build(known.model, **known.model_args)
        published = getattr(torchvision.models.segmentation, theirs)(
            weights=None, weights_backbone=None, num_classes=21, aux_loss=True
        ).state_dict()
    module, _, function = known.converter.partition(":")
    converted = getattr(importlib.import_module(module), function)(published)
    want = {key: value.shape for key, value in net.state_dict().items()}
    assert {key: value.shape for key, value in converted.items()} == want
    size = sum(value.numel() * value.element_size() for value in published.values())
    assert size / 2**20 == pytest.approx(known.megabytes, rel=0.02)
    urls = [weights.url for weights in torchvision.models.get_model_weights(theirs)]
    assert known.url in urls


def assert_fits(known: Official, published: Mapping[str, Tensor]) -> None:
    """The converted names and shapes are those of the entry's network."""
    with torch.device("meta"):
        net = build(known.model, **known.model_args)
    module, _, function = known.converter.partition(":")
    converted = getattr(importlib.import_module(module), function)(published)
    want = {key: value.shape for key, value in net.state_dict().items()}
    assert {key: value.shape for key, value in converted.items()} == want


@pytest.mark.parametrize("width", [18, 32, 48])
def test_timms_backbones_fit(width: int) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(f"hrnet_w{width}", pretrained=False)
    known = OFFICIAL[f"hrnet-w{width}-imagenet"]
    assert_fits(known, theirs.state_dict())
    assert f"{theirs.pretrained_cfg['hf_hub_id']}.".startswith(f"timm/hrnet_w{width}.")
    assert f"/{theirs.pretrained_cfg['hf_hub_id']}/resolve/" in known.url


def test_the_authors_hrnet_fits() -> None:
    """Their file has the network as `model.…` and the weights of their loss beside it."""
    shapes = read_manifest("hrnet_w48")
    published = {f"model.{k}": torch.empty(s, device="meta") for k, s in shapes.items()}
    published["loss.criterion.weight"] = torch.empty(19, device="meta")
    assert_fits(OFFICIAL["hrnet-w48-cityscapes"], published)


def test_the_name_in_the_documentation_exists() -> None:
    names = re.findall(r'load\("([^"]+)"\)', inspect.getdoc(official) or "")
    assert names and set(names) <= set(official_names())
