"""`key=value` on the command line: typed, checked, with the nearest names in errors.

A plain key is a field of the recipe (`lr=0.01`); `model.width=16`, `data.height=64` and
`loss.gamma=2` are arguments of the builder, the data and the loss.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import difflib
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from segedu.training.recipe import Recipe

GROUPS = ("model", "data", "loss")
FIXED = ("name", "about", "model", "data", "simulate", "loss", "evaluation")


def with_overrides(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """A recipe with some values changed.

    Args:
        recipe: the one to begin with.
        overrides: texts "key=value".

    Raises:
        ValueError: no such key, or not a value of its type; the message names what there is.
    """
    changes: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"{override!r} is not key=value, such as lr=0.01")
        group, dot, argument = key.partition(".")
        if dot and group in GROUPS:
            hint = _argument_hint(getattr(recipe, group), argument, group)
            name = f"{group}_args"
            known = changes.get(name, getattr(recipe, name))
            changes[name] = {**known, argument: parse(text, hint, key)}
        else:
            changes[key] = parse(text, _field_hint(key), key)
    return dataclasses.replace(recipe, **changes)


def _field_hint(key: str) -> Any:
    hints = get_type_hints(Recipe)
    names = [
        f.name
        for f in dataclasses.fields(Recipe)
        if f.name not in FIXED and not f.name.endswith("_args")
    ]
    if key not in names:
        groups = [f"{group}.…" for group in GROUPS]
        raise ValueError(f"a recipe has no {key!r}{nearest(key, names)}; it has {names + groups}")
    return hints[key]


def _argument_hint(function: Callable[..., Any], argument: str, group: str) -> Any:
    """The annotation of a function's argument."""
    parameters = inspect.signature(function).parameters
    names = [
        p.name
        for p in parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "num_classes"
    ]
    if argument not in names and not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        raise ValueError(
            f"{function.__name__} has no argument {argument!r}{nearest(argument, names)}; "
            f"there are {[f'{group}.{name}' for name in names]}"
        )
    try:
        return get_type_hints(function).get(argument, Any)
    except (NameError, TypeError):  # a type that only the type checker sees
        return Any


def nearest(name: str, names: Iterable[str]) -> str:
    """ " (did you mean …?)" where a name is like another, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=2, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def parse(text: str, hint: Any, key: str) -> Any:
    """Read a value of a type from text.

    Args:
        text: such as "0.01", "none", "true", "64,128".
        hint: the annotation: bool, int, float, str, Literal, tuple or list of these, a mapping
            written as in Python, or a union with None.
        key: for the error message.

    Raises:
        ValueError: the text is no such value.
    """
    try:
        return _parse(text.strip(), hint)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{key}={text} is not {_describe(hint)}") from error


def _parse(text: str, hint: Any) -> Any:
    origin, choices = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _parse_union(text, choices)
    if origin is Literal:
        return _choice(text, choices)
    if hint is bool:
        return _choice(text.lower(), ("false", "true")) == "true"
    if hint is int:
        number = float(text) if "e" in text.lower() else int(text)  # 2e4 is a whole number too
        if number != int(number):
            raise ValueError(text)
        return int(number)
    if hint in (float, str):
        return hint(text)
    if origin in (tuple, list, collections.abc.Sequence):
        of = choices[0] if choices else Any
        parts = text.strip("()[]").split(",")
        return (list if origin is list else tuple)(_parse(p.strip(), of) for p in parts if p)
    if origin in (dict, collections.abc.Mapping):
        value = ast.literal_eval(text)
        if not isinstance(value, dict):
            raise ValueError(text)
        return value
    return _guess(text)


def _parse_union(text: str, choices: tuple[Any, ...]) -> Any:
    if type(None) in choices and text.lower() in ("none", ""):
        return None
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _parse(text, choice)
        except (ValueError, SyntaxError):
            continue
    raise ValueError(text)


def _choice(text: str, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if str(choice) == text:
            return choice
    raise ValueError(text)


def _guess(text: str) -> Any:
    """A number or another literal of Python where it is one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _describe(hint: Any) -> str:
    origin, choices = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, choices))
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(choice) for choice in choices)
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "none",
    }
    return names.get(hint, f"of type {getattr(hint, '__name__', hint)}")
