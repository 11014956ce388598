/** Video containers by magic bytes; the name is the only demuxer that ffmpeg may then use. */

export type VideoFormat = "mov" | "matroska" | "avi";

/** mov: MP4, MOV, M4V; matroska: WebM, MKV; null: none of them. */
export function sniffVideo(bytes: Uint8Array): VideoFormat | null {
  if (bytes.length < 16) return null;
  const text = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (["ftyp", "moov", "mdat", "wide", "free", "skip"].includes(text(4))) return "mov";
  if (bytes[0] === 0x1A && bytes[1] === 0x45 && bytes[2] === 0xDF && bytes[3] === 0xA3) return "matroska";
  if (text(0) === "RIFF" && text(8) === "AVI ") return "avi";
  return null;
}
