/** The sound of a container (MP4, M4A, WebM, AVI) through ffmpeg. */

import { PromptError, type Wave } from "../families/family.ts";
import { type Deadline, inputOptions, output, type VideoTools } from "./ffmpeg.ts";
import type { VideoFormat } from "./video_probe.ts";
import { readWav } from "./wav.ts";

/** 16-bit at its own rate and channels, as librosa gets it from audioread; then the mean of the channels. */
export async function readSoundtrack(
  path: string,
  format: VideoFormat,
  { ffmpeg, maxAudioSeconds }: VideoTools,
  deadline: Deadline,
): Promise<Wave> {
  const tooLong = (): PromptError =>
    new PromptError(`The sound is longer than ${maxAudioSeconds} seconds`, "audio_too_long");
  const wav = await output(
    ffmpeg,
    [
      ...["-nostdin", "-threads", "1", "-t", String(maxAudioSeconds + 1)],
      ...inputOptions(path, format),
      ...["-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "wav", "pipe:1"],
    ],
    deadline,
    (maxAudioSeconds + 2) * 192_000 * 2,
    tooLong,
  );
  if (wav === null || wav.length < 44) {
    throw new PromptError("The sound cannot be read", "corrupt_audio");
  }
  const wave = readWav(wav, maxAudioSeconds);
  if (wave.samples.length === 0) throw new PromptError("The sound cannot be read", "corrupt_audio");
  return wave;
}
