"""Build the notebooks that people open from the text files that people review.

`python -m tests.notebooks.build [NAME.py …]` runs each notebook and writes the `.ipynb` beside its
text, with outputs; without names, all lectures. The text (jupytext's percent format) is the source
of truth. What is written depends on the source and its results alone: cell ids come from the cells'
text, counts and times of execution, the state of widgets and the machine's name are left out.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

REPOSITORY = Path(__file__).resolve().parents[2]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SECONDS_AT_MOST = 600
QUANTIZED_FROM = 40_000  # bytes of a PNG
FLAT_COLORS = 64  # of the 256 at most are kept as they are, such as those of classes
FLAT_PIXELS = 64  # that such a colour has at least


def lecture_sources() -> list[Path]:
    """The text files of all lectures."""
    return sorted((REPOSITORY / "lectures").glob("*/*.py"))


def read_source(path: Path) -> nbformat.NotebookNode:
    """Read a text file as a notebook without outputs, with ids that its cells' text decides."""
    notebook = jupytext.read(path)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def run(notebook: nbformat.NotebookNode, folder: Path) -> float:
    """Run a notebook in place, in a folder; returns the seconds it took."""
    start = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=SECONDS_AT_MOST,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    )
    client.execute()
    return time.perf_counter() - start


def clean(notebook: nbformat.NotebookNode) -> None:
    """Leave what a reader without a kernel can see, and nothing that changes from run to run."""
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count
            data: dict[str, Any] = output.get("data", {})
            # A view needs a kernel; the picture beside it does not.
            if WIDGET_VIEW in data and len(data) > 2:
                del data[WIDGET_VIEW]
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
    notebook.metadata.pop("widgets", None)


def smaller(png: str) -> str:
    """The same picture, base64, in 256 colours of its own: a third of the bytes."""
    raw = base64.b64decode(png)
    if len(raw) < QUANTIZED_FROM:
        return png
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    pixels = np.asarray(picture)
    flat = flat_colors(pixels)
    places = [(pixels == color).all(axis=-1) for color in flat]
    rest = pixels[~np.any(places, axis=0)] if places else pixels.reshape(-1, 3)
    few_of_rest = Image.fromarray(rest[None]) if len(rest) else picture
    cut = few_of_rest.quantize(256 - len(flat), method=Image.Quantize.MEDIANCUT, kmeans=3)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*flat.ravel().tolist(), *(cut.getpalette() or [])][:768])
    index = np.array(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
    for k, place in enumerate(places):  # exactly: no dots in white or sky
        index[place] = k
    few = Image.fromarray(index, "P")
    few.putpalette(palette.getpalette() or [])
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    return base64.b64encode(min(out.getvalue(), raw, key=len)).decode()


def flat_colors(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (n, 3) that cover much, first those of flat areas: all corners of 4 x 4 pixels."""
    code = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colors, count = np.unique(code, return_counts=True)
    here = code[:-3, :-3]
    same = (here == code[3:, :-3]) & (here == code[:-3, 3:]) & (here == code[3:, 3:])
    flat = np.bincount(np.searchsorted(colors, here[same]), minlength=len(colors))
    order = np.lexsort((-count, -flat))[:FLAT_COLORS]
    kept = colors[order[count[order] >= FLAT_PIXELS]]
    return np.stack([kept >> 16, kept >> 8 & 255, kept & 255], axis=1).astype(np.uint8)


def build(source: Path) -> float:
    """Run one text file and write its notebook; returns the seconds it took."""
    notebook = read_source(source)
    seconds = run(notebook, source.parent)
    clean(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, source.with_suffix(".ipynb"))
    return seconds


def main(names: list[str]) -> None:
    """Build the named text files, or all lectures."""
    sources = [Path(name).resolve() for name in names] or lecture_sources()
    for source in (bar := tqdm(sources, unit="notebook")):
        bar.set_description(source.stem)
        seconds = build(source)
        size = source.with_suffix(".ipynb").stat().st_size / 1e6
        tqdm.write(f"{source.relative_to(REPOSITORY)}: {seconds:.0f} s, {size:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
