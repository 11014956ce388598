/** Sound formats by magic bytes, and the length that a file itself declares. */

/** Formats that are decoded in the worker. */
export type StreamFormat = "wav" | "mp3" | "flac" | "opus" | "vorbis";
/** mov: MP4, M4A; matroska: WebM. Containers that go through ffmpeg. */
export type AudioFormat = StreamFormat | "mov" | "matroska";

export function sniffAudio(bytes: Uint8Array): AudioFormat | null {
  if (bytes.length < 12) return null;
  const text = (at: number, length: number): string =>
    String.fromCharCode(...bytes.subarray(at, at + length));
  if (text(0, 4) === "RIFF" && text(8, 4) === "WAVE") return "wav";
  if (text(0, 4) === "fLaC") return "flac";
  if (text(0, 4) === "OggS") {
    const head = text(0, Math.min(bytes.length, 256));
    return head.includes("OpusHead") ? "opus" : head.includes("\x01vorbis") ? "vorbis" : null;
  }
  if (text(4, 4) === "ftyp") return "mov";
  if (bytes[0] === 0x1A && bytes[1] === 0x45 && bytes[2] === 0xDF && bytes[3] === 0xA3) return "matroska";
  if (text(0, 3) === "ID3") return "mp3";
  // MPEG audio frame sync: version not reserved, layer III, rates not reserved.
  const layer3 = bytes[0] === 0xFF && (bytes[1] & 0xE6) === 0xE2 && (bytes[1] & 0x18) !== 0x08;
  return layer3 && (bytes[2] & 0xF0) !== 0xF0 && (bytes[2] & 0x0C) !== 0x0C ? "mp3" : null;
}

/** Seconds by the file's own header, where it tells cheaply; null: not told (or told in a stream). */
export function declaredSeconds(bytes: Uint8Array, format: StreamFormat): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case "flac": { // STREAMINFO: 20 bits of rate, 3 of channels, 5 of depth, 36 of samples
      if (bytes.length < 26) return null;
      const rate = view.getUint32(18) >>> 12;
      const samples = (view.getUint8(21) & 15) * 2 ** 32 + view.getUint32(22);
      return rate === 0 || samples === 0 ? null : samples / rate;
    }
    case "opus":
    case "vorbis": { // granule position of the last page
      const page = lastIndexOf(bytes, "OggS");
      if (page < 0 || page + 14 > bytes.length) return null;
      const granule = view.getUint32(page + 6, true) + view.getInt32(page + 10, true) * 2 ** 32;
      const rate = format === "opus" ? 48000 : view.getUint32(indexOf(bytes, "\x01vorbis", 0) + 12, true);
      return rate === 0 || granule < 0 ? null : granule / rate;
    }
    default:
      return null;
  }
}

function matches(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function indexOf(bytes: Uint8Array, text: string, from: number): number {
  for (let at = from;; at++) {
    at = bytes.indexOf(text.charCodeAt(0), at);
    if (at < 0 || matches(bytes, at, text)) return at;
  }
}

function lastIndexOf(bytes: Uint8Array, text: string): number {
  for (let at = bytes.length - text.length; at >= 0; at--) if (matches(bytes, at, text)) return at;
  return -1;
}
