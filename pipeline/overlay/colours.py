"""Colours, most of them of Okabe and Ito's palette, which colour-blind people tell apart."""

from affect_pipe.pipeline.overlay.writing import Colour

BACK: Colour = (20, 22, 27)
TEXT: Colour = (238, 239, 242)
DIM: Colour = (158, 164, 174)
GROOVE: Colour = (56, 60, 69)
POSITIVE: Colour = (86, 180, 233)
NEGATIVE: Colour = (230, 159, 0)
NEUTRAL: Colour = (190, 190, 190)
FELT: Colour = (0, 176, 128)
NOT_FELT: Colour = (112, 118, 128)
UNIT: Colour = (214, 135, 180)
SPEAKER: Colour = (255, 225, 60)
OTHER: Colour = (210, 214, 220)
OUTLINE: Colour = (0, 0, 0)
WARNING: Colour = (255, 150, 110)
