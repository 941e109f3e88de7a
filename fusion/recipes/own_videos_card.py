"""The model card of a checkpoint trained on a user's own videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affect_pipe.fusion.checkpoint import CheckpointConfig

_CARD = """\
# {name}

A `{backbone}` fusion model trained by `affect-pipe train --videos` on {data}.

It reads

{features}

and predicts {tasks}.

## Measured

```
{measured}
```

`dev` chose the epoch, the emotion thresholds and the evidence limit, if there is one, which
flatters it; `test`, where there is one, was used for nothing else. Nobody is in two splits by the
measure the training was given (speaker or video).

{calibration}
## Warnings

{warnings}

## Limits

It knows the people, the language, the cameras and the labels it was trained on. Affect recognition
infers what a display suggests to observers, not what a person feels; do not use it to decide about
people.
"""


def card(config: CheckpointConfig, measured: str, warnings: Sequence[str], calibration: str) -> str:
    """Write the card from what is known of the training; ``calibration`` is a section of it."""
    return _CARD.format(
        name=config.name,
        backbone=config.backbone,
        data="; ".join(config.training_data),
        features="\n".join(
            f"- {spec.name}: {spec.modality}, {spec.dim}" for spec in config.features
        ),
        tasks=", ".join(task.name.replace("_", " ") for task in config.tasks),
        measured=measured,
        calibration=calibration,
        warnings="\n".join(f"- {warning}" for warning in warnings) or "None.",
    )
