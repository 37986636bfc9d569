"""The bar above the labeller's canvas: images, categories, progress, and the keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

if TYPE_CHECKING:
    from segedu.widgets.applications.labeller import Labeller

_HERE = Path(__file__).parent
MOST_TICKS = 400  # images that are shown one by one in the progress line


class LabellerBar(anywidget.AnyWidget):
    """What the page shows of a labeller beside the canvas, and what it says to it."""

    _esm = _HERE / "labeller.js"
    _css = _HERE / "labeller.css"
    _state = traitlets.Dict().tag(sync=True)

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller
        self._events = 0  # of the page's events, the last one that the state reflects
        self._doing = False  # something that the page asked for, and that it hears of at its end
        super().__init__()
        self.on_msg(self._receive)

    def show(self) -> None:
        """Show the labeller's state."""
        it = self._labeller
        if self._doing or not hasattr(it, "segmenter"):
            return
        done, total = it.progress
        labels = it.file.categories_of(it.image_name)
        self._state = {
            "file": it.image_name,
            "at": it._at,
            "count": len(it.names),
            "labelled": done,
            "total": total,
            "ticks": self._ticks() if len(it.names) <= MOST_TICKS else "",
            "categories": [{"name": n, "here": labels.count(n)} for n in it.file.categories],
            "category": it.category,
            "objects": len(it.file),
            "output": it.file.path.name,
            "path": str(it.file.path),
            "saved": it._saved_at,
            "message": it.message,
            "problem": it.is_problem,
            "skipped": [[name, why] for name, why in it.skipped.items()],
            "event": self._events,
        }

    def _ticks(self) -> str:
        """One letter an image: labelled, begun, open, skipped."""
        file, skipped = self._labeller.file, self._labeller.skipped
        begun = file.images_with_labels()
        return "".join(
            "s" if n in skipped else "l" if file.is_labelled(n) else "b" if n in begun else "o"
            for n in self._labeller.names
        )

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        """Do what the page asks for; whatever is wrong with it is shown, not raised."""
        it = self._labeller
        actions = {
            "accept": lambda: self._accept(message),
            "next": it.next,
            "previous": it.previous,
            "goto": lambda: it.go_to(it.names[int(message["at"])]),
        }
        self._doing = True
        try:
            self._events = int(message.get("event", self._events))
            actions[message["type"]]()
        except Exception as error:  # the user reads it in the bar; the kernel has no reader
            known = isinstance(error, ValueError | OSError)
            it._say(str(error) if known else f"{type(error).__name__}: {error}", True)
        finally:
            self._doing = False
        self.show()

    def _accept(self, message: dict[str, Any]) -> None:
        category = message.get("category")
        if category is not None and message.get("new"):
            self._labeller.file.add_category(str(category))
            category = str(category).strip()
        self._labeller.accept(category)
