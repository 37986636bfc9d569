"""What stands where: rolls a whole scene and draws it from far to near."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segedu.data.scenes import furniture, nature, street, vehicles
from segedu.data.scenes.camera import Camera
from segedu.data.scenes.dice import Dice
from segedu.data.scenes.people import Person, draw_person
from segedu.data.scenes.shading import MOOD
from segedu.data.scenes.shapes import Shapes
from segedu.data.scenes.street import Street
from segedu.data.scenes.weather import Weather, roll_weather

# How far things reach to the sides, and how high they are, in metres.
SIZES = {
    "car": (2.8, 2),
    "lorry": (4.5, 4),
    "bus": (6.2, 3.5),
    "person": (0.8, 2),
    "tree": (3.5, 9),
}


@dataclass
class Plan:
    """A scene as it is being drawn.

    Attributes:
        shapes: what has been drawn.
        weather: the scene's.
        people: everyone, with joints in the picture.
        lights: lamps that burn: x, y in the picture, Z, radius, r, g, b.
        instances: how many countable objects there are so far.
    """

    shapes: Shapes
    weather: Weather
    people: list[Person] = field(default_factory=list)
    lights: list[tuple[float, ...]] = field(default_factory=list)
    instances: int = 0

    def mood(self) -> Any:
        """The numbers of the weather that shading needs, a record."""
        w = self.weather
        return np.array([(w.ambient, w.haze, w.density, w.sky_haze, w.lit)], dtype=MOOD)[0]

    def next_instance(self) -> int:
        """A new instance's number, also set on the shapes."""
        self.instances += 1
        self.shapes.instance = self.instances
        return self.instances


@dataclass(frozen=True)
class Item:
    """Something that will be drawn at a depth: kind and position."""

    z: float
    kind: str
    x: float
    extra: float = 0.0


def roll_camera(dice: Dice) -> Camera:
    """A camera in a car mostly, or a pedestrian's, or one a little higher."""
    return Camera(
        height=dice.choice((dice.uniform(1.15, 1.5), dice.uniform(1.4, 2.0), dice.uniform(2, 3.2))),
        focal=dice.uniform(1.0, 1.8),
        horizon=dice.uniform(0.36, 0.56),
        vanish=dice.near(0, 0.3),
    )


def draw_scene(dice: Dice, height: int, width: int) -> Plan:
    """Roll and draw a scene for a picture of a size."""
    weather = roll_weather(dice)
    shapes = Shapes(roll_camera(dice), height, width)
    plan = Plan(shapes, weather)
    plan_of_street = street.plan_street(dice)
    street.draw_sky(shapes, weather)
    street.draw_ground(shapes, plan_of_street, weather, dice)
    street.draw_end(shapes, plan_of_street, weather, dice)
    for side in (0, 1):
        _draw_background(plan, plan_of_street, side, dice)
    items = _roll_traffic(plan_of_street, dice) + _roll_pavements(plan_of_street, dice)
    reach = abs(weather.shadow[0]) if weather.sun > 0.05 else 0.0
    for item in sorted(items, key=lambda item: -item.z):
        size, tall = SIZES.get(item.kind, (1.5, 4.0))
        hand = dice.hand()
        if shapes.shows(item.x, item.z, size + reach * tall):
            _draw_item(plan, item, hand)
    return plan


def _draw_background(plan: Plan, place: Street, side: int, dice: Dice) -> None:
    """What is behind the pavement: trees behind, houses, gardens with hedges and fences."""
    shapes, weather, out = plan.shapes, plan.weather, (-1, 1)[side]
    style, line = place.styles[side], place.lines[side]
    if style != "city":
        spots = [(dice.uniform(8, 70), dice.uniform(0, 25)) for _ in range(dice.integer(3, 6))]
        for z, away in sorted(spots, reverse=True):
            nature.draw_tree(shapes, line + out * (3 + away), z, weather, dice.hand())
    street.draw_buildings(shapes, place, side, weather, dice)
    if style == "city":
        return
    walk = place.walks[side]
    for z in sorted((dice.uniform(4, 60) for _ in range(dice.integer(2, 6))), reverse=True):
        x = walk + out * dice.uniform(0.8, max(1.0, abs(line - walk)))
        if dice.chance(0.5):
            nature.draw_bush(shapes, x, z, dice.hand())
        else:
            nature.draw_tree(shapes, x, z, weather, dice.hand())
    border = dice.choice(("fence", "hedge", "none", "fence"))
    near, far = dice.uniform(1.2, 8), dice.uniform(20, 60)
    if place.crossing:
        far = min(far, place.crossing[0] - 1)
    x = walk + out * 0.3
    if border == "fence" and far > near + 2:
        furniture.draw_fence(shapes, x, near, far, dice)
    elif border == "hedge" and far > near + 2:
        nature.draw_hedge(shapes, x, near, far, dice)


def _clear_of(place: Street, z: float, margin: float = 0.0) -> bool:
    """True when z is not on the crossing street."""
    if place.crossing is None:
        return True
    return not place.crossing[0] - margin < z < place.crossing[1] + margin


def _roll_traffic(place: Street, dice: Dice) -> list[Item]:
    """Vehicles: parked at both kerbs, driving ahead, coming towards us, crossing."""
    items = []
    left, right = place.kerbs
    for kerb, inward, turn in ((left, 1, 0.5), (right, -1, 0.0)):
        if dice.chance(0.6):
            z, share = dice.uniform(4, 10), dice.uniform(0.2, 0.9)
            while z < 50:
                x = kerb + inward * 1.05
                if dice.chance(share) and _clear_of(place, z, 4) and abs(x) > 1.4:
                    heading = turn if dice.chance(0.85) else 0.5 - turn
                    items.append(Item(z, "car", x, heading))
                z += dice.uniform(5.2, 8)
    inset = 3.2 if right - left > 7.5 else 1.9
    for lane, turn in ((right - inset, 0.0), (left + inset, 0.5)):
        z = dice.uniform(7, 30)
        for _ in range(dice.integer(0, 3)):
            if _clear_of(place, z, 5):
                kind = dice.choice(("car", "car", "car", "lorry", "bus"))
                shift = 4 if kind != "car" else 0
                items.append(Item(z + shift, kind, lane + dice.near(0, 0.3), turn))
            z += dice.uniform(9, 30)
    if place.crossing and dice.chance(0.7):
        z = (place.crossing[0] + place.crossing[1]) / 2
        for _ in range(dice.integer(1, 2)):
            way = dice.choice((0.25, 0.75))
            kind = dice.choice(("car", "car", "bus", "lorry"))
            items.append(Item(z + (1.8 if way == 0.25 else -1.8), kind, dice.uniform(-9, 9), way))
    return items


def _roll_pavements(place: Street, dice: Dice) -> list[Item]:
    """Trees, lamps, signs, lights, bollards at the kerbs; people on pavements and the road."""
    items = []
    for side, out in ((0, -1), (1, 1)):
        kerb, walk = place.kerbs[side], place.walks[side]
        lamps = kerb + out * 0.45
        z, gap = dice.uniform(5, 20), dice.uniform(16, 30)
        while z < 75 and dice.chance(0.97):
            if _clear_of(place, z):
                items.append(Item(z, "lamp", lamps, out))
            z += gap
        if dice.chance(0.5):
            z, gap = dice.uniform(6, 16), dice.uniform(7, 16)
            while z < 65:
                if _clear_of(place, z) and dice.chance(0.85):
                    items.append(Item(z, "tree", kerb + out * 0.9))
                z += gap
        for _ in range(dice.integer(0, 3)):
            z = dice.uniform(4.5, 32)
            if _clear_of(place, z):
                items.append(Item(z, "sign", kerb + out * dice.uniform(0.3, 0.6)))
        if place.crossing:
            items.append(Item(place.crossing[0] - 1, "light", kerb + out * 0.5))
            items.append(Item(place.crossing[1] + 1, "light", kerb + out * 0.5))
        elif dice.chance(0.3):
            items.append(Item(dice.uniform(7, 30), "light", kerb + out * 0.5))
        if dice.chance(0.15):
            items.append(Item(dice.uniform(5, 20), "bollards", kerb + out * 0.35))
        for _ in range(dice.integer(0, 4)):
            x = dice.uniform(min(kerb, walk), max(kerb, walk))
            items.append(Item(_person_depth(dice), "person", x))
    for _ in range(dice.integer(0, 3) if dice.chance(0.5) else 0):
        z = place.crossing[0] - 3 if place.crossing else _person_depth(dice)
        x = dice.uniform(place.kerbs[0], place.kerbs[1])
        items.append(Item(z + dice.near(0, 1), "person", x))
    return items


def _person_depth(dice: Dice) -> float:
    """More people near than evenly: they should be large enough to see how they stand."""
    return 3.2 + 30 * dice.unit() * dice.unit()


def _draw_item(plan: Plan, item: Item, dice: Dice) -> None:
    shapes, weather = plan.shapes, plan.weather
    if item.kind in ("car", "lorry", "bus"):
        plan.next_instance()
        body = {"lorry": vehicles.LORRY, "bus": vehicles.BUS_BODY}.get(item.kind)
        body = body or dice.choice(vehicles.CARS)
        turn = item.extra + dice.near(0, 0.008)
        plan.lights += vehicles.draw_vehicle(shapes, body, item.x, item.z, turn, weather, dice)
        shapes.instance = 0
    elif item.kind == "person":
        number = plan.next_instance()
        plan.people.append(draw_person(shapes, item.x, item.z, number, weather, dice))
        shapes.instance = 0
    elif item.kind == "tree":
        nature.draw_tree(shapes, item.x, item.z, weather, dice)
    elif item.kind == "lamp":
        furniture.pole_shadow(shapes, item.x, item.z, 6, weather)
        light = furniture.draw_lamp(shapes, item.x, item.z, int(item.extra), weather, dice)
        plan.lights += [light] if light else []
    elif item.kind == "sign":
        furniture.draw_sign(shapes, item.x, item.z, weather, dice)
    elif item.kind == "light":
        plan.lights.append(furniture.draw_traffic_light(shapes, item.x, item.z, weather, dice))
    else:
        furniture.draw_bollards(shapes, item.x, item.z, dice)
