"""Media files: WAV, and MP4 by ffmpeg, written and read as the server reads them."""
import json
import pathlib
import subprocess
import tempfile
import wave

import numpy as np
from PIL import Image

from .geometry import fit
from .scenes import Sound
from .speech import TARGET, resample
from .videos import Clip, frame_count


def write_sound(path: pathlib.Path, sound: Sound, rate: int) -> None:
    """16-bit mono WAV at this rate (Hz)."""
    samples = np.clip(resample(sound.wave, sound.rate, rate), -1, 1)
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes((samples * 32767).astype("<i2").tobytes())


def write_video(path: pathlib.Path, clip: Clip, seconds: float, rate: float, sound: Sound | None) -> None:
    """H.264 (nearly lossless) in MP4, `rate` frames a second, with AAC where there is a sound."""
    count = max(4, round(seconds * rate))
    frames = [clip.frame(i / (count - 1)) for i in range(count)]
    width, height = frames[0].size
    command = ["ffmpeg", "-loglevel", "error", "-y", "-threads", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
               f"{width}x{height}", "-r", str(rate), "-i", "-"]
    with tempfile.TemporaryDirectory() as folder:
        if sound:
            write_sound(pathlib.Path(folder) / "sound.wav", sound, sound.rate)
            command += ["-i", f"{folder}/sound.wav", "-c:a", "aac", "-b:a", "96k"]
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p", "-threads", "1", str(path)]
        subprocess.run(command, input=b"".join(f.tobytes() for f in frames), check=True)


def read_wave(path: pathlib.Path) -> np.ndarray:
    """Samples of a 16-bit mono WAV at 16 kHz, −1 to 1."""
    with wave.open(str(path)) as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768
        return resample(samples, f.getframerate(), TARGET)


def read_video(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Sampled and resized frames uint8 (t, height, width, 3), and the soundtrack's samples at 16 kHz if any."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)], capture_output=True, check=True)
    streams = {s["codec_type"]: s for s in json.loads(probe.stdout)["streams"]}
    width, height = streams["video"]["width"], streams["video"]["height"]
    over, under = map(int, streams["video"]["avg_frame_rate"].split("/"))
    raw = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-vsync",
                          "passthrough", "-"], capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    count = frame_count(len(frames) / (over / under), over / under)
    chosen = np.round(np.linspace(0, len(frames) - 1, count)).astype(int)
    fitted = np.stack([np.asarray(fit(Image.fromarray(frames[i]))) for i in chosen])
    if "audio" not in streams:
        return fitted, None
    raw = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(path), "-f", "f32le", "-ac", "1", "-"], capture_output=True,
                         check=True).stdout
    return fitted, resample(np.frombuffer(raw, np.float32), int(streams["audio"]["sample_rate"]))
