"""Pixels -> patch rows, as the official processor orders them."""
import numpy as np

PATCH, TEMPORAL, MERGE = 16, 2, 2


def patch_rows(frames: np.ndarray) -> np.ndarray:
    """uint8 frames (t, height, width, 3), t even, or one picture (1, …) whose frame is repeated.

    Returns float32 rows (temporal patches, patches, 3·2·16·16) with values from −1 to 1, in merge-block order.
    """
    if len(frames) == 1:
        frames = np.repeat(frames, TEMPORAL, 0)
    t, height, width, _ = frames.shape
    h, w = height // (PATCH * MERGE), width // (PATCH * MERGE)
    x = frames.reshape(t // TEMPORAL, TEMPORAL, h, MERGE, PATCH, w, MERGE, PATCH, 3)
    x = x.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)  # t, block row, block column, row, column, channel, temporal, y, x
    return (x.reshape(t // TEMPORAL, h * w * MERGE * MERGE, -1).astype(np.float32) / 255 - 0.5) / 0.5
