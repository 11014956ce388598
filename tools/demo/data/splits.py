"""What is never trained: combinations by a hash rule, one vendor, two fonts, some espeak variants."""
import zlib

UNSEEN_VENDOR = "twemoji"
UNSEEN_FONTS = 2  # the last ones of assets/index.json
UNSEEN_VARIANTS = ["f4", "m7", "klatt3", "Andy", "steph", "quincy", "Michael", "linda"]
SHARE = 10  # one combination in SHARE is held out


def held_out(*parts: object) -> bool:
    """Whether a combination (product and price, shape and colour and place …) is kept for evaluation."""
    return zlib.crc32("|".join(map(str, parts)).encode()) % SHARE == 0


def fits(split: str, *parts: object) -> bool:
    """Whether a combination may be drawn in a split: "train" never sees the held-out ones, "eval" only those."""
    return held_out(*parts) == (split == "eval")
