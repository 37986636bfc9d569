"""Synthetic street scenes with perfect ground truth.

A scene is drawn from a seed: the plan (`layout`), the camera, the weather; then the things, as a
list of shapes from back to front (`street`, `nature`, `furniture`, `vehicles`, `people`); kernels
find which shape is seen where (`raster`) and colour it (`shading`, `weather`). So labels,
instances, depth and keypoints come from the same list as the colours: they cannot disagree.
"""

from segedu.data.scenes.dataset import (
    CLASS_OF_TRAIN_ID,
    SCENE_CLASSES,
    SceneClass,
    SceneDataset,
    scene_seeds,
)
from segedu.data.scenes.scene import Scene, street_scene

__all__ = [
    "CLASS_OF_TRAIN_ID",
    "SCENE_CLASSES",
    "Scene",
    "SceneClass",
    "SceneDataset",
    "scene_seeds",
    "street_scene",
]
