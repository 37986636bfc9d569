"""Data: annotated photographs, synthetic street scenes, readers of the official formats."""

from segedu.data.photographs import (
    Instance,
    Photograph,
    data_root,
    load_photograph,
    photograph_names,
)
from segedu.data.scenes import (
    SCENE_CLASSES,
    Scene,
    SceneClass,
    SceneDataset,
    scene_seeds,
    street_scene,
)

__all__ = [
    "SCENE_CLASSES",
    "Instance",
    "Photograph",
    "Scene",
    "SceneClass",
    "SceneDataset",
    "data_root",
    "load_photograph",
    "photograph_names",
    "scene_seeds",
    "street_scene",
]
