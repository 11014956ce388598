"""Scenes: what is shown and said, with every question about it; still as pictures, clips and waves."""
import random
from dataclasses import dataclass, field

import numpy as np

from . import ask_media, ask_pictures, pictures, sentences, speech, videos
from .items import Item
from .template import PADS
from .words import NAMES

KINDS = ["shapes", "product", "speech", "sequence", "moving", "voice_over", "tagged_speech"]
SOUND_IN_VIDEO = "<|vision_start|><|audio_start|><|video_pad|><|audio_pad|><|audio_end|><|vision_end|>"


@dataclass
class Sound:
    wave: np.ndarray  # mono, −1 to 1
    rate: int  # Hz
    seconds: float


@dataclass
class Scene:
    kind: str
    items: list[Item]
    pads: str  # the placeholders, in prompt order
    weights: dict[str, float] = field(default_factory=dict)  # of questions
    picture: pictures.Picture | None = None
    clip: videos.Clip | None = None
    sound: Sound | None = None


def say(rng: random.Random, s: sentences.Sentence, seconds: float, unseen: bool) -> Sound:
    """The sentence spoken somewhere in a clip of this length."""
    wave, hz, _ = speech.speak(rng, s.words, unseen, seconds)
    clip, _ = speech.place(rng, wave, hz, seconds)
    return Sound(clip, hz, seconds)


def draw(rng: random.Random, split: str, kind: str, size: tuple[int, int], seconds: float = 3.0, products: int = 2,
         unseen: bool = False) -> Scene:
    """A scene of one of KINDS; size (width, height) of pictures, seconds of sounds, products in a sequence."""
    if kind == "shapes":
        p = pictures.shapes_picture(rng, split, size)
        return Scene(kind, ask_pictures.shapes(rng, p), PADS["image"], picture=p)
    if kind == "product":
        p = pictures.product_picture(rng, split, size, unseen_vendor=unseen, unseen_font=unseen)
        return Scene(kind, ask_pictures.product(rng, p), PADS["image"], picture=p)
    if kind == "speech":
        s = sentences.draw(rng, split)
        return Scene(kind, ask_media.speech(rng, s), PADS["audio"], {"speech_transcript": 2.0},
                     sound=say(rng, s, seconds, unseen))
    if kind == "moving":
        clip = videos.moving(rng, split, size)
        return Scene(kind, ask_media.moving(rng, clip), PADS["video"], {"video_direction": 2.0}, clip=clip)
    if kind == "sequence":
        clip = videos.sequence(rng, split, size, products)
        return Scene(kind, ask_media.sequence(rng, clip), PADS["video"], {"video_order": 2.0}, clip=clip)
    p = pictures.product_picture(rng, split, size, tagged=1.0)
    spoken = p.product if rng.random() < 0.75 else rng.choice(NAMES)
    price = p.tag.price if rng.random() < 0.5 else ask_media.close_price(rng, p.tag.price)
    s = sentences.draw(rng, split, spoken, price)
    scene = Scene(kind, ask_media.voice_over(rng, p, s), SOUND_IN_VIDEO, {"vv_verdict_equal": 3.0, "vv_verdict_unequal": 3.0},
                  picture=p, sound=say(rng, s, seconds, unseen))
    if kind == "tagged_speech":
        scene.pads = rng.choice([PADS["image"] + PADS["audio"], PADS["audio"] + PADS["image"]])
    else:
        scene.clip = videos.still(rng, p)
    return scene
