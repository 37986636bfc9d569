"""The recipes of the course, by name; one file a section."""

from __future__ import annotations

from segedu.training.overrides import nearest
from segedu.training.recipe import Recipe
from segedu.training.recipes import interactive, sam, semantic

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*semantic.RECIPES, *interactive.RECIPES, *sam.RECIPES)
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: there is none; the message names the nearest ones.
    """
    if name not in RECIPES:
        raise ValueError(
            f"there is no recipe {name!r}{nearest(name, RECIPES)}; `segedu train --list` shows all"
        )
    return RECIPES[name]


__all__ = ["RECIPES", "find_recipe"]
