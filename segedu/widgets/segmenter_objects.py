"""The objects in the click widget: their names, colours and ground truths; one is active."""

from __future__ import annotations

from collections.abc import Iterator

from segedu.drawing import palette
from segedu.widgets.history import SegmentedObject
from segedu.widgets.segmenter_truth import Truths


class Objects:
    """Objects in order, never none.

    Args:
        names: of the objects to begin with; "object 1" where there are none.
        truths: where their ground truths come from.

    Attributes:
        active: the object that is being edited.
    """

    def __init__(self, names: tuple[str, ...], truths: Truths) -> None:
        self._truths = truths
        self._made = 0
        self._things: list[SegmentedObject] = []
        self._before: tuple[list[SegmentedObject], SegmentedObject] | None = None
        for name in names or ("object 1",):
            self.add(name)
        self.active = self._things[0]

    def __iter__(self) -> Iterator[SegmentedObject]:
        return iter(self._things)

    @property
    def names(self) -> list[str]:
        """Names, in order."""
        return [thing.name for thing in self._things]

    def add(self, name: str | None = None) -> SegmentedObject:
        """Another object, under the name given or, where that is taken, a numbered one."""
        self.forget_deleted()
        self._made += 1
        number = self._made
        while name is None or name in self.names:
            name, number = f"object {number}", number + 1
        r, g, b = (int(v) for v in palette(self._made)[-1])
        truth = self._truths.of(name, is_first=not self._things)
        self._things.append(SegmentedObject(self._made, name, (r, g, b), truth))
        return self._things[-1]

    def rename(self, old: str, new: str) -> None:
        """Rename an object; one that gets the name of a ground truth is compared with that.

        Raises:
            ValueError: the new name is empty or another object has it.
        """
        thing, new = self.named(old), new.strip()
        if not new or any(other.name == new and other is not thing for other in self):
            raise ValueError(f"an object's name must be new and not empty, got {new!r}")
        self.forget_deleted()
        thing.name = new
        if truth := self._truths.by_name.get(new):
            thing.compare_with(truth)

    def delete(self, name: str) -> None:
        """Delete an object; where it was the last one, an empty one takes its place."""
        before = list(self._things), self.active
        self._things.remove(self.named(name))
        if not self._things:
            self.add()
        if self.active not in self._things:
            self.active = self._things[-1]
        self._before = before

    @property
    def can_restore(self) -> bool:
        """Whether the last change was a deletion."""
        return self._before is not None

    def restore(self) -> None:
        """Bring back the object that was deleted last, where nothing has changed since."""
        if self._before is not None:
            self._things, self.active = self._before
            self._before = None

    def forget_deleted(self) -> None:
        """Something else has changed: what was deleted stays so."""
        self._before = None

    def named(self, name: str) -> SegmentedObject:
        """The object of that name.

        Raises:
            ValueError: there is none.
        """
        for thing in self._things:
            if thing.name == name:
                return thing
        raise ValueError(f"there is no object named {name!r}; there are {self.names}")

    def with_id(self, number: object) -> SegmentedObject:
        """The object that the page knows by this number.

        Raises:
            ValueError: there is none.
        """
        for thing in self._things:
            if thing.id == number:
                return thing
        raise ValueError(f"there is no object with id {number!r}")
