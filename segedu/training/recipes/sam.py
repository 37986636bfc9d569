"""The recipe of Segment Anything: the small network, on what RITM is trained on too.

`sam-vit-tiny` answers on a laptop's CPU, and the lecture's data engine starts from it. Data as in
`segedu/training/recipes/interactive.py`: synthetic scenes alone, or photographs as well where
`data.root` names their folder.
"""

from __future__ import annotations

from segedu.interactive import sam_vit_tiny
from segedu.interactive.sam_training import sam_loss
from segedu.training.recipe import Recipe
from segedu.training.recipes.interactive import objects
from segedu.training.sam_scores import sam_scores

SAM_TINY = Recipe(
    name="sam-vit-tiny",
    about="Segment Anything with a tiny ViT, 256 pixels, on objects of photographs and scenes",
    model=sam_vit_tiny,
    data=objects,
    # Some of what is shown lies in whole photographs, as in use, where most objects are small; and
    # several objects of one picture: only the prompt says which is meant.
    data_args={
        "size": 256, "evaluated_size": 256, "whole": 0.4, "masks": 4,
        "photographs": 0.3, "segments": 0.2, "instances": 0.4,
    },
    loss=sam_loss,
    # The paper's 20 and 0.25 suppose long training: within thousands of steps masks stay empty.
    loss_args={"points": 3, "focal": 4.0, "alpha": 0.5, "stride": 2},
    evaluation=sam_scores,
    best="iou",
    steps=4000,
    batch=32,
    lr=1e-3,
    weight_decay=0.1,
    schedule="cosine",
    warmup=300,
    clip=1.0,
    ema=0.999,
    precision="bf16",
    evaluate_every=1000,
    checkpoint_every=500,
)  # fmt: skip
RECIPES = [SAM_TINY]
