"""People: a skeleton of COCO's 17 joints in a pose, dressed with capsules.

The skeleton stands in the world: joints are (forward, right, up) of the person, in body heights,
then turned, scaled and projected. What a joint may be seen through ("parts") is kept, so that a
keypoint is called visible only where the picture shows its own limb.
"""

from __future__ import annotations

from dataclasses import dataclass

from segedu.data.scenes.camera import Point
from segedu.data.scenes.dice import Dice, cosine, sine
from segedu.data.scenes.shapes import Color, Shapes
from segedu.data.scenes.street import PERSON, draw_round_shadow, draw_shadow
from segedu.data.scenes.weather import Weather

# COCO's order of keypoints.
NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
SHOULDER, ELBOW, WRIST, HIP, KNEE, ANKLE = 5, 7, 9, 11, 13, 15  # left ones; right is one more
KEYPOINTS = 17

# Parts of a body, and through which of them a joint is seen.
HEAD, TORSO = 1, 2
UPPER_ARM, FOREARM, THIGH, SHANK = 3, 5, 7, 9  # left ones; right is one more

Joint = tuple[float, float, float]  # forward, right, up

SKINS: tuple[Color, ...] = (
    (0.87, 0.68, 0.56),
    (0.80, 0.58, 0.45),
    (0.62, 0.43, 0.31),
    (0.43, 0.28, 0.20),
    (0.30, 0.19, 0.14),
)
HAIR: tuple[Color, ...] = (
    (0.08, 0.06, 0.05),
    (0.22, 0.14, 0.08),
    (0.45, 0.32, 0.18),
    (0.70, 0.58, 0.35),
    (0.55, 0.54, 0.52),
)
CLOTHES: tuple[Color, ...] = (
    (0.12, 0.12, 0.14),
    (0.18, 0.22, 0.38),
    (0.55, 0.10, 0.12),
    (0.80, 0.80, 0.78),
    (0.30, 0.42, 0.25),
    (0.75, 0.60, 0.25),
    (0.35, 0.35, 0.38),
    (0.50, 0.35, 0.22),
    (0.25, 0.50, 0.62),
    (0.62, 0.35, 0.50),
    (0.85, 0.40, 0.15),
)


@dataclass(frozen=True)
class Pose:
    """Angles in turns; 0 hangs straight down, positive swings forward; (left, right)."""

    legs: tuple[float, float]
    knees: tuple[float, float]
    arms: tuple[float, float]
    elbows: tuple[float, float]
    lean: float = 0.0
    spread: tuple[float, float] = (0.02, 0.02)


def roll_pose(dice: Dice) -> Pose:
    """Walking mostly; also standing, running, phoning, waving."""
    kind = dice.choice(("walk", "walk", "walk", "stand", "run", "phone", "wave"))
    swing = {"walk": 0.07, "run": 0.13, "phone": 0.04}.get(kind, 0.01)
    phase = dice.unit()
    s = sine(phase)
    bend = 0.03 if kind != "run" else 0.13
    knees = (0.01 + bend * (1 - sine(phase + 0.1)), 0.01 + bend * (1 + sine(phase + 0.1)))
    elbows = (0.03 + dice.uniform(0, 0.05),) * 2 if kind != "run" else (0.22, 0.22)
    arms = (-swing * s * 0.9, swing * s * 0.9)
    spread = (dice.uniform(0.01, 0.05), dice.uniform(0.01, 0.05))
    if kind == "phone":
        arms, elbows = (arms[0], 0.08), (elbows[0], 0.40)
    if kind == "wave":
        spread, elbows = (spread[0], 0.30), (elbows[0], 0.12)
    return Pose((swing * s, -swing * s), knees, arms, elbows, swing * 0.25, spread)


def skeleton(pose: Pose) -> list[Joint]:
    """The 17 joints of a pose in body heights; the lower foot stands on the ground."""
    joints: list[Joint] = [(0.0, 0.0, 0.0)] * KEYPOINTS
    lean = sine(pose.lean)
    for i, side in enumerate((-1, 1)):
        hip = (0.0, side * 0.062, 0.51)
        a = pose.legs[i]
        knee = (hip[0] + 0.245 * sine(a), hip[1], hip[2] - 0.245 * cosine(a))
        b = a - pose.knees[i]
        ankle = (knee[0] + 0.225 * sine(b), knee[1], knee[2] - 0.225 * cosine(b))
        shoulder = (lean * 0.3, side * 0.112, 0.81)
        up, away = pose.arms[i], pose.spread[i]
        reach = 0.175 * cosine(away)
        elbow = (
            shoulder[0] + reach * sine(up),
            shoulder[1] + side * 0.175 * sine(away),
            shoulder[2] - reach * cosine(up),
        )
        fore = up + pose.elbows[i]
        # A raised arm bends at the elbow further upward instead of forward.
        raised = away > 0.2
        wrist = (
            elbow[0] + (0.02 if raised else 0.15 * sine(fore)),
            elbow[1] + side * (0.05 if raised else 0.1 * sine(away)),
            elbow[2] + (0.15 if raised else -0.15 * cosine(fore)),
        )
        for first, joint in zip(
            (SHOULDER, ELBOW, WRIST, HIP, KNEE, ANKLE),
            (shoulder, elbow, wrist, hip, knee, ankle),
            strict=True,
        ):
            joints[first + i] = joint
        joints[LEFT_EYE + i] = (lean * 0.4 + 0.036, side * 0.02, 0.937)
        joints[LEFT_EAR + i] = (lean * 0.4, side * 0.045, 0.925)
    joints[NOSE] = (lean * 0.4 + 0.05, 0.0, 0.918)
    low = min(joints[ANKLE][2], joints[ANKLE + 1][2]) - 0.04
    return [(f, r, u - low) for f, r, u in joints]


@dataclass
class Person:
    """A person in the scene, before it is known what hides it.

    Attributes:
        instance: number of the instance.
        points: the 17 joints in the picture.
        parts: for each joint the parts through which it is seen; none when turned away.
    """

    instance: int
    points: list[Point]
    parts: list[tuple[int, ...]]


def _seen_through(joints: list[Joint], turn: float) -> list[tuple[int, ...]]:
    """The parts through which each joint can be seen by a camera that looks along Z."""
    # How much nearer to the camera than the body's axis: (forward, right) . (-cos, sin).
    nearer = [-f * cosine(turn) + r * sine(turn) for f, r, _ in joints]
    parts: list[tuple[int, ...]] = []
    for k in range(KEYPOINTS):
        i = 1 - k % 2
        if k <= RIGHT_EAR:
            parts.append((HEAD,) if nearer[k] > -0.012 else ())
            continue
        first = k - i
        own: tuple[int, ...] = {
            SHOULDER: (UPPER_ARM + i,),
            ELBOW: (UPPER_ARM + i, FOREARM + i),
            WRIST: (FOREARM + i,),
            HIP: (THIGH + i,),
            KNEE: (THIGH + i, SHANK + i),
            ANKLE: (SHANK + i,),
        }[first]
        if first in (SHOULDER, HIP) and nearer[k] > -0.05:
            own = (*own, TORSO)
        parts.append(own)
    return parts


def draw_person(
    shapes: Shapes,
    x: float,
    z: float,
    instance: int,
    weather: Weather,
    dice: Dice,
    label: int = PERSON,
) -> Person:
    """Draw a person on the ground at (x, z) and return where its joints are."""
    shapes.label, shapes.instance = label, instance
    shapes.lie_on(shapes.camera.facing(z, x))
    tall = dice.uniform(1.55, 1.92) if dice.chance(0.85) else dice.uniform(1.0, 1.4)
    turn = dice.choice((0.0, 0.5, 0.25, 0.75, dice.unit()))
    joints = skeleton(roll_pose(dice))
    points = place(shapes, joints, x, z, tall, turn)
    draw_person_shadow(shapes, joints, x, z, tall, turn, weather)
    Dressing(shapes, joints, points, tall * shapes.camera.focal / z, turn, dice).draw()
    shapes.part = 0
    return Person(instance, points, _seen_through(joints, turn))


def place(
    shapes: Shapes, joints: list[Joint], x: float, z: float, tall: float, turn: float
) -> list[Point]:
    """Joints in the picture. The body is flat at depth z, so that limbs keep their thickness."""
    s, c = sine(turn), cosine(turn)
    return [shapes.camera.project(x + tall * (f * s + r * c), tall * up, z) for f, r, up in joints]


def draw_person_shadow(
    shapes: Shapes,
    joints: list[Joint],
    x: float,
    z: float,
    tall: float,
    turn: float,
    weather: Weather,
) -> None:
    """A dark spot below, and the long shadow of legs, trunk and head."""
    draw_round_shadow(shapes, x, z, (0.3, 0.22), 0.35)
    if weather.sun <= 0.05:
        return
    s, c = sine(turn), cosine(turn)
    dx, dz = weather.shadow

    def cast(joint: Joint) -> Point:
        f, r, up = joint
        h = up * tall
        return x + tall * (f * s + r * c) + dx * h, z + tall * (f * c - r * s) + dz * h

    head = (joints[NOSE][0], 0.0, 0.97)
    neck = (joints[NOSE][0], 0.0, 0.8)
    for a, b, wide in (
        (joints[HIP], joints[ANKLE], 0.07),
        (joints[HIP + 1], joints[ANKLE + 1], 0.07),
        (neck, (0.0, 0.0, 0.45), 0.2),
        (head, neck, 0.09),
    ):
        (ax, az), (bx, bz) = cast(a), cast(b)
        corners = [(ax - wide, az), (ax + wide, az), (bx + wide, bz), (bx - wide, bz)]
        draw_shadow(shapes, corners, weather.sun)


class Dressing:
    """Draws the limbs, clothes and head of one person; `size` is its height in the picture."""

    def __init__(
        self,
        shapes: Shapes,
        joints: list[Joint],
        points: list[Point],
        size: float,
        turn: float,
        dice: Dice,
    ) -> None:
        self.shapes, self.joints, self.points, self.size = shapes, joints, points, size
        self.turn, self.dice = turn, dice
        self.fine = size > 30 * shapes.pixel  # hands and shoes are seen
        self.skin, self.hair = dice.choice(SKINS), dice.choice(HAIR)
        self.top, self.legwear = dice.choice(CLOTHES), dice.choice(CLOTHES)
        self.shoes = dice.choice(((0.08, 0.07, 0.07), (0.3, 0.2, 0.12), (0.85, 0.85, 0.85)))
        self.sleeves, self.shorts = dice.chance(0.65), dice.chance(0.15)
        self.coat = dice.chance(0.2)
        self.stout = dice.uniform(0.85, 1.25)
        middle = (points[SHOULDER][0] + points[SHOULDER + 1][0]) / 2
        slope = dice.choice((-1, 1)) * 0.9 / size
        self.light = (1.0 - slope * middle, slope, 0.0)

    def limb(self, a: Point, b: Point, radii: tuple[float, float], color: Color, part: int) -> None:
        """A capsule; radii in body heights."""
        self.shapes.part = part
        r0, r1 = radii[0] * self.size * self.stout, radii[1] * self.size * self.stout
        self.shapes.capsule(a, b, (r0, r1), color, self.light)

    def draw(self) -> None:
        """Far limbs, then legs, trunk, head, near arms."""
        right_is_far = sine(self.turn) < 0
        far, near = (1, 0) if right_is_far else (0, 1)
        sideways = abs(sine(self.turn)) > 0.5
        if sideways:
            self.arm(far, 0.75)
        self.leg(far, 0.8)
        self.leg(near, 1.0)
        self.trunk()
        self.head()
        if not sideways:
            self.arm(far, 0.95)
        self.arm(near, 0.95)

    def leg(self, i: int, tone: float) -> None:
        """Thigh, shank and shoe."""
        hip, knee, ankle = (self.points[k + i] for k in (HIP, KNEE, ANKLE))
        thigh = _dim(self.legwear, tone)
        shank = _dim(self.skin if self.shorts else self.legwear, tone)
        self.limb(hip, knee, (0.05, 0.036), thigh, THIGH + i)
        self.limb(knee, ankle, (0.035, 0.026), shank, SHANK + i)
        if not self.fine:
            return
        toe = (ankle[0] + sine(self.turn) * 0.07 * self.size, ankle[1] + 0.022 * self.size)
        self.limb(
            (ankle[0], ankle[1] + 0.015 * self.size), toe, (0.025, 0.02), self.shoes, SHANK + i
        )

    def arm(self, i: int, tone: float) -> None:
        """Upper arm, forearm and hand."""
        shoulder, elbow, wrist = (self.points[k + i] for k in (SHOULDER, ELBOW, WRIST))
        self.limb(shoulder, elbow, (0.034, 0.027), _dim(self.top, tone), UPPER_ARM + i)
        fore = _dim(self.top if self.sleeves else self.skin, tone)
        self.limb(elbow, wrist, (0.026, 0.02), fore, FOREARM + i)
        if not self.fine:
            return
        hand = (wrist[0] + (wrist[0] - elbow[0]) * 0.2, wrist[1] + (wrist[1] - elbow[1]) * 0.2)
        self.limb(wrist, hand, (0.021, 0.019), _dim(self.skin, tone), FOREARM + i)

    def trunk(self) -> None:
        """Shoulders to hips; a coat reaches to the knees."""
        left, right = self.points[SHOULDER], self.points[SHOULDER + 1]
        hip_l, hip_r = self.points[HIP], self.points[HIP + 1]
        chest, pelvis = _middle(left, right), _middle(hip_l, hip_r)
        self.limb(chest, pelvis, (0.062, 0.066), self.top, TORSO)
        if abs(left[0] - right[0]) > 0.05 * self.size:  # not seen from the side
            self.shapes.polygon([left, right, hip_r, hip_l], self.top, light=self.light)
            if self.fine:
                self.limb(left, right, (0.036, 0.036), self.top, TORSO)
                self.limb(hip_l, hip_r, (0.04, 0.04), self.top, TORSO)
        if self.coat:
            knee_l, knee_r = self.points[KNEE], self.points[KNEE + 1]
            wide = 0.05 * self.size
            a, b = (hip_l, hip_r) if hip_l[0] < hip_r[0] else (hip_r, hip_l)
            c, d = (knee_l, knee_r) if knee_l[0] < knee_r[0] else (knee_r, knee_l)
            corners = [(a[0] - wide, a[1]), (b[0] + wide, b[1])]
            corners += [(d[0] + wide, d[1]), (c[0] - wide, c[1])]
            self.shapes.polygon(corners, self.top, light=self.light)
        if self.dice.chance(0.25) and cosine(self.turn) > -0.5:  # a rucksack
            color, reach = self.dice.choice(CLOTHES), -0.07 * sine(self.turn) * self.size
            at = (chest[0] + reach, chest[1] * 0.65 + pelvis[1] * 0.35)
            axes = ((0.075 * self.size, 0.0), (0.0, 0.12 * self.size))
            self.shapes.ellipse(at, axes, color, light=self.light)

    def head(self) -> None:
        """Neck, head, hair or hat."""
        self.shapes.part = HEAD
        size, ears = self.size, _middle(self.points[LEFT_EAR], self.points[RIGHT_EAR])
        chest = _middle(self.points[SHOULDER], self.points[SHOULDER + 1])
        self.limb(chest, ears, (0.028, 0.026), _dim(self.skin, 0.85), HEAD)
        ahead = sine(self.turn) * 0.012 * size
        center = (ears[0] + ahead, ears[1])
        away = cosine(self.turn) > 0.4  # the back of the head
        face = self.hair if away else self.skin
        self.shapes.ellipse(center, ((0.05 * size, 0), (0, 0.066 * size)), face, light=self.light)
        crown = (ears[0] - ahead * 1.2, ears[1] - 0.028 * size)
        axes = ((0.054 * size, 0.0), (0.0, 0.046 * size))
        self.shapes.ellipse(crown, axes, self.hair, light=self.light)
        if self.dice.chance(0.2):
            hat = self.dice.choice(CLOTHES)
            axes = ((0.06 * size, 0.0), (0.0, 0.03 * size))
            self.shapes.ellipse((crown[0], crown[1] - 0.015 * size), axes, hat, light=self.light)


def _dim(color: Color, tone: float) -> Color:
    return color[0] * tone, color[1] * tone, color[2] * tone


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
