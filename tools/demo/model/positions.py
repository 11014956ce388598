"""Placeholders -> token ids and M-RoPE positions of a prompt."""
from dataclasses import dataclass, field

SECOND = 13  # position_id_per_seconds, of the processor and of the config alike


@dataclass
class Media:
    """What the placeholders of a prompt stand for, each kind in prompt order."""
    pictures: list[tuple[int, int]] = field(default_factory=list)  # merged (rows, columns)
    videos: list[tuple[int, int, int, float]] = field(default_factory=list)  # merged (t, rows, columns, second_per_grid)
    sounds: list[int] = field(default_factory=list)  # tokens


class Prompt:
    """Token ids, positions (t, h, w) of each, and which tokens are visual or audio."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[tuple[float, float, float]] = []
        self.visual: list[int] = []
        self.audio: list[int] = []
        self.next: float = 0

    def text(self, ids: list[int]) -> None:
        self.ids += ids
        self.positions += [(self.next + i,) * 3 for i in range(len(ids))]
        self.next += len(ids)

    def run(self, token: int, positions: list[tuple[float, float, float]], visual: bool) -> None:
        """Media tokens with their positions; `next` becomes one more than the largest."""
        kind = self.visual if visual else self.audio
        kind += range(len(self.ids), len(self.ids) + len(positions))
        self.ids += [token] * len(positions)
        self.positions += positions
        self.next = 1 + max(max(p) for p in positions)


def grid(start: float, t: int, rows: int, columns: int, step: float) -> list[tuple[float, float, float]]:
    return [(start + i * step, start + r, start + c) for i in range(t) for r in range(rows) for c in range(columns)]


def build(ids: list[int], special: dict[str, int], media: Media) -> Prompt:
    """Expands a tokenised prompt in which each placeholder stands once."""
    image, video, audio = (special[f"<|{k}_pad|>"] for k in ("image", "video", "audio"))
    pictures, videos, sounds = iter(media.pictures), iter(media.videos), iter(media.sounds)
    prompt, i = Prompt(), 0
    while i < len(ids):
        if ids[i] == image:
            prompt.run(image, grid(prompt.next, 1, *next(pictures), 0), True)
        elif ids[i] == video and ids[i + 1:i + 2] == [audio]:
            t, rows, columns, step = next(videos)
            interleave(prompt, video, audio, grid(prompt.next, t, rows, columns, step * SECOND),
                       [(prompt.next + j,) * 3 for j in range(next(sounds))])
            i += 1
        elif ids[i] == video:
            t, rows, columns, step = next(videos)
            prompt.run(video, grid(prompt.next, t, rows, columns, step * SECOND), True)
        elif ids[i] == audio:
            prompt.run(audio, [(prompt.next + j,) * 3 for j in range(next(sounds))], False)
        else:
            prompt.text([ids[i]])
        i += 1
    return prompt


def interleave(prompt: Prompt, video: int, audio: int, seen: list[tuple], heard: list[tuple]) -> None:
    """Merges a video's and its sound's tokens by time, the video's first on ties; what is left over is one run."""
    v = a = 0
    while v < len(seen) and a < len(heard):
        if seen[v][0] <= heard[a][0]:
            prompt.run(video, [seen[v]], True)
            v += 1
        else:
            prompt.run(audio, [heard[a]], False)
            a += 1
    if v < len(seen):
        prompt.run(video, seen[v:], True)
    if a < len(heard):
        prompt.run(audio, heard[a:], False)
