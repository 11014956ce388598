"""Speech from espeak-ng's C library, with the time of every word; resampling and the log-mel spectrogram."""
import ctypes
import functools
import random
import threading

import numpy as np

from .splits import UNSEEN_VARIANTS

ACCENTS = ["en-gb", "en-gb", "en-us", "en-us", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
           "en-us-nyc", "en-029"]
VARIANTS = ["m1", "m2", "m3", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f5", "klatt", "klatt2", "klatt4", "klatt5",
            "klatt6", "Alex", "Alicia", "Andrea", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo",
            "Jacky", "Lee", "Marco", "Mario", "Mike", "Mr serious", "Nguyen", "RicishayMax", "adam", "anika", "antonio",
            "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa", "gustave",
            "iven", "john", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "rob", "robert",
            "sandro", "shelby", "steph2", "travis", "victor", "zac"]
TARGET = 16000  # Hz
HOP, WINDOW, BINS = 160, 400, 128
_lock = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", _Id)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    """The loaded library; gathers samples and word marks of one utterance at a time."""

    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.library.espeak_Initialize(2, 0, None, 0)  # retrieval, synchronous by espeak_Synth's callback
        self.samples: list[np.ndarray] = []
        self.marks: list[tuple[int, int]] = []  # (ms, first character of the word, from 1)
        self.callback = _Callback(self._take)
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, wave, count, events) -> int:
        if count > 0:
            self.samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == 1:
                self.marks.append((events[i].audio_position, events[i].text_position))
            i += 1
        return 0

    def speak(self, text: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
        self.samples, self.marks = [], []
        self.library.espeak_SetVoiceByName(voice.encode())
        self.library.espeak_SetParameter(1, speed, 0)
        self.library.espeak_SetParameter(3, pitch, 0)
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        self.library.espeak_Synchronize()
        wave = np.concatenate(self.samples) if self.samples else np.zeros(1, np.int16)
        return wave.astype(np.float32) / 32768, self.marks


@functools.cache
def engine() -> _Engine:
    return _Engine()


def draw_voice(rng: random.Random, unseen: bool = False) -> str:
    """An accent with a variant: trained ones, or one of the variants held out."""
    return f"{rng.choice(ACCENTS)}+{rng.choice(UNSEEN_VARIANTS if unseen else VARIANTS)}"


def speak(rng: random.Random, words: list[str], unseen: bool = False,
          limit: float = 60.0) -> tuple[np.ndarray, int, list[float]]:
    """Speaks words in a drawn voice: samples (mono, −1 to 1), their rate in Hz, the start of each word in seconds.

    Faster where it would take more than `limit` seconds.
    """
    text = " ".join(words)
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    with _lock:
        e = engine()
        plain = rng.random() < 0.25
        voice = rng.choice(ACCENTS) if plain and not unseen else draw_voice(rng, unseen)
        speed, pitch = (170, 50) if plain else (rng.randint(125, 215), rng.randint(25, 75))
        wave, marks = e.speak(text, voice, speed, pitch)
        if len(wave) > limit * e.rate:
            wave, marks = e.speak(text, voice, min(400, round(1.1 * speed * len(wave) / (limit * e.rate))), pitch)
    times = [np.nan] * len(words)
    for ms, position in marks:
        index = max(i for i, s in enumerate(starts[:-1]) if s <= max(0, position - 1))
        if np.isnan(times[index]):
            times[index] = ms / 1000
    for i in range(len(times) - 1, -1, -1):  # words that espeak joined with the next one
        if np.isnan(times[i]):
            times[i] = times[i + 1] if i + 1 < len(times) else len(wave) / e.rate
    return wave, e.rate, times


def resample(wave: np.ndarray, rate: int, target: int = TARGET) -> np.ndarray:
    """Band-limited resampling of a whole sound in the frequency domain; ⌈n · target / rate⌉ samples."""
    if rate == target:
        return wave
    count = -(-len(wave) * target // rate)
    padded = np.concatenate([wave, np.zeros(-len(wave) % rate if len(wave) < rate else (-len(wave)) % 441, np.float32)])
    spectrum = np.fft.rfft(padded)
    length = round(len(padded) * target / rate)
    return (np.fft.irfft(spectrum, length) * (length / len(padded)))[:count].astype(np.float32)


@functools.cache
def _filters() -> tuple[np.ndarray, np.ndarray]:
    """Periodic Hann window (400) and Slaney mel filters (201, 128), 0 to 8000 Hz."""
    def mel(hz):
        hz = np.asarray(hz, np.float64)
        return np.where(hz >= 1000, 15 + np.log(np.maximum(hz, 1e-9) / 1000) * 27 / np.log(6.4), hz * 3 / 200)

    def hertz(m):
        return np.where(m >= 15, 1000 * np.exp(np.log(6.4) / 27 * (m - 15)), m * 200 / 3)

    edges = hertz(np.linspace(mel(0), mel(8000), BINS + 2))
    bins = np.linspace(0, 8000, WINDOW // 2 + 1)
    slopes = edges[None] - bins[:, None]
    width = np.diff(edges)
    bank = np.maximum(0, np.minimum(-slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]))
    bank *= 2 / (edges[2:] - edges[:-2])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return window.astype(np.float32), bank.astype(np.float32)


def log_mel(wave: np.ndarray) -> np.ndarray:
    """Samples at 16 kHz -> log-mel (128, samples // 160), float32, as the official feature extractor makes it."""
    window, bank = _filters()
    padded = np.pad(wave.astype(np.float32), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:len(wave) // HOP]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log = np.log10(np.maximum(power @ bank, 1e-10)).T
    return ((np.maximum(log, log.max() - 8) + 4) / 4).astype(np.float32)


def place(rng: random.Random, wave: np.ndarray, rate: int, seconds: float | None = None) -> tuple[np.ndarray, float]:
    """Puts speech into a clip with silence or faint noise around; returns the clip and the speech's start in seconds.

    `seconds` is the clip's length (speech is cut if longer); drawn where None. Gain and noise vary.
    """
    if seconds is None:
        seconds = len(wave) / rate + rng.choice([0.0, rng.uniform(0, 0.4), rng.uniform(0, 2.5)])
    total = max(1, round(seconds * rate))
    start = rng.randint(0, max(0, total - len(wave)))
    clip = np.zeros(total, np.float32)
    part = wave[:total - start]
    clip[start:start + len(part)] = part * rng.choice([1.0, rng.uniform(0.15, 1.0)])
    if rng.random() < 0.5:
        level = 10 ** rng.uniform(-4.5, -2.3)
        clip += np.random.default_rng(rng.getrandbits(32)).normal(0, level, total).astype(np.float32)
    return clip, start / rate
