/**
 * ffmpeg and ffprobe as locked-down subprocesses (5.1 and later): no standard input, no environment, local files
 * only, one demuxer (told by magic bytes), known codecs, a cap on pixels, CPU seconds and output; what they write
 * to standard error is dropped, so that none of it can reach a client.
 */

import { joined } from "../common/joined.ts";
import { PromptError } from "../families/family.ts";
import type { VideoFormat } from "./video_probe.ts";

export interface VideoTools {
  ffmpeg: string;
  ffprobe: string;
  /** Seconds for one video in all. */
  seconds: number;
  maxVideoSeconds: number;
  maxAudioSeconds: number;
}

/** 8K. */
export const MAX_FRAME_PIXELS = 8192 * 4320;

const CODECS = [
  ...["h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1"],
  ...["mpeg4", "msmpeg4v3", "mpeg1video", "mpeg2video", "h263", "mjpeg", "theora"],
  ...["aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "ac3", "eac3"],
  ...["pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8"],
].join(",");

/** Options that go before the input, the input included. */
export function inputOptions(path: string, format: VideoFormat): string[] {
  return [
    ...["-v", "quiet", "-protocol_whitelist", "file", "-f", format, "-codec_whitelist", CODECS],
    ...["-max_pixels", String(MAX_FRAME_PIXELS), "-i", `file:${path}`],
  ];
}

/** A deadline that all of a video's subprocesses share. */
export class Deadline {
  readonly #end: number;
  readonly #seconds: number;

  constructor(seconds: number) {
    this.#seconds = seconds;
    this.#end = performance.now() + seconds * 1000;
  }

  get leftMs(): number {
    return Math.max(0, this.#end - performance.now());
  }

  error(): PromptError {
    return new PromptError(`The medium took longer than ${this.#seconds} seconds to read`, "media_timeout");
  }
}

/**
 * Runs a command and hands its output on piece by piece. Resolves with whether it ended well; rejects with
 * `media_timeout`, or with what `take` throws (the process is then ended).
 */
export async function pipe(
  command: string,
  args: string[],
  deadline: Deadline,
  take: (piece: Uint8Array) => void,
): Promise<boolean> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    throw new PromptError(
      "This server cannot run ffmpeg: send the video as a list of frames",
      "video_unavailable",
    );
  }
  let late = false;
  const end = (): void => {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
  };
  const timer = setTimeout(() => {
    late = true;
    end();
  }, deadline.leftMs);
  try {
    for await (const piece of child.stdout) take(piece);
    const { success } = await child.status;
    if (late) throw deadline.error();
    return success;
  } catch (error) {
    end();
    await child.status;
    if (late) throw deadline.error();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Output of a command as a whole, null where it failed. Throws `tooMuch` beyond `maxBytes`. */
export async function output(
  command: string,
  args: string[],
  deadline: Deadline,
  maxBytes: number,
  tooMuch: () => PromptError,
): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const ended = await pipe(command, args, deadline, (piece) => {
    if ((size += piece.length) > maxBytes) throw tooMuch();
    pieces.push(piece);
  });
  return ended ? joined(pieces) : null;
}
