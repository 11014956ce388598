"""Rows of an evaluation (OpenAI-style messages with media files) -> prompt text and arrays, as the server makes them."""
import functools
import json
import pathlib

import jinja2
import numpy as np
from PIL import Image

from data import geometry
from data.files import read_video, read_wave, write_sound
from data.scenes import SOUND_IN_VIDEO, Sound
from data.speech import TARGET, log_mel
from data.template import JINJA, POLICY
from model.audio import token_count
from model.patches import patch_rows
from model.positions import Media


@functools.cache
def template() -> jinja2.Template:
    """The checkpoint's own template."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(JINJA)


def render(row: dict) -> str:
    """The conversation through the checkpoint's own template."""
    messages = row["messages"]
    if row.get("reasoning_effort"):
        messages = [{"role": "system", "content": POLICY.format(effort=row["reasoning_effort"])}, *messages]
    text = template().render(messages=messages, tools=row.get("tools"), add_generation_prompt=True)
    if "mm_processor_kwargs" in row:
        text = text.replace("<|vision_start|><|video_pad|><|vision_end|>", SOUND_IN_VIDEO)
    return text


def media_of(row: dict, folder: pathlib.Path, write_frames: bool = False) -> tuple[Media, tuple]:
    """Decodes a row's media as the server would: (media, (patch rows, grid, mel)).

    `write_frames`: also a video's sampled frames, resized, as PNG files, and its sound as WAV, so that a test can
    leave the decoder out.
    """
    media, rows, grid, mel = Media(), None, (0, 0), None
    parts = [p for m in row["messages"] if isinstance(m["content"], list) for p in m["content"]]
    for part in parts:
        if part["type"] == "text":
            continue
        path = folder / part[part["type"]]["url"].removeprefix("file:")
        if part["type"] == "image_url":
            frames = np.asarray(geometry.fit(Image.open(path).convert("RGB")))[None]
            media.pictures.append((frames.shape[1] // 32, frames.shape[2] // 32))
        elif part["type"] == "video_url":
            frames, sound = read_video(path)
            if write_frames:
                row["frames"] = [f"media/{path.stem}-{i:02d}.png" for i in range(len(frames))]
                for name, frame in zip(row["frames"], frames):
                    Image.fromarray(frame).save(folder / name)
            media.videos.append((len(frames) // 2, frames.shape[1] // 32, frames.shape[2] // 32, 2.0))
            if sound is not None and write_frames:
                row["sound"] = f"media/{path.stem}.wav"
                write_sound(folder / row["sound"], Sound(sound, TARGET, len(sound) / TARGET), TARGET)
                sound = read_wave(folder / row["sound"])
            mel = None if sound is None else log_mel(sound)
        else:
            mel = log_mel(read_wave(path))
        if part["type"] != "audio_url":
            rows, grid = patch_rows(frames), (frames.shape[1] // 16, frames.shape[2] // 16)
    if mel is not None:
        media.sounds.append(token_count(mel.shape[1]))
    return media, (rows, grid, mel)
