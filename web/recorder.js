// @ts-check
/** Microphone and camera. Sound leaves as WAV, which every server reads; video as the browser's own WebM or MP4. */

/** A recording under way. */
export class Recording {
  /**
   * @param {MediaStream} stream
   * @param {boolean} video
   */
  constructor(stream, video) {
    this.stream = stream;
    this.video = video;
    /** @type {Blob[]} */
    this.pieces = [];
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = ({ data }) => this.pieces.push(data);
    this.recorder.start(250);
  }

  /** @returns {Promise<File>} */
  async stop() {
    await new Promise((resolve) => {
      this.recorder.onstop = resolve;
      this.recorder.stop();
    });
    close(this.stream);
    const blob = new Blob(this.pieces, { type: this.recorder.mimeType.replace(/;.*/, "") });
    const stamp = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
    if (!this.video) return new File([await toWav(blob)], `Recording ${stamp}.wav`, { type: "audio/wav" });
    return new File([blob], `Recording ${stamp}.${/mp4/.test(blob.type) ? "mp4" : "webm"}`, {
      type: blob.type,
    });
  }
}

/**
 * Asks for the devices. Throws an Error for people.
 * @param {MediaStreamConstraints} wanted
 * @returns {Promise<MediaStream>}
 */
export async function openDevices(wanted) {
  const what = wanted.video ? "camera" : "microphone";
  if (!navigator.mediaDevices) {
    throw new Error(`The browser lends the ${what} only over HTTPS or on localhost.`);
  }
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (error) {
    const refused = error instanceof DOMException && error.name === "NotAllowedError";
    throw new Error(
      refused ? `The browser was not allowed to use the ${what}.` : `There is no ${what} to use.`,
    );
  }
}

/** @param {MediaStream} stream */
export function close(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * What a video element shows now.
 * @param {HTMLVideoElement} video
 * @returns {Promise<File>}
 */
export async function snapshot(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  const stamp = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  return new File([blob], `Photo ${stamp}.jpg`, { type: "image/jpeg" });
}

const RATE = 16000;

/**
 * Any sound that the browser reads → mono, 16-bit, 16 kHz.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
async function toWav(blob) {
  const context = new AudioContext({ sampleRate: RATE });
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
    return new Blob([wavOf(channels)], { type: "audio/wav" });
  } finally {
    await context.close();
  }
}

/** @param {Float32Array[]} channels */
function wavOf(channels) {
  const count = channels[0].length, view = new DataView(new ArrayBuffer(44 + 2 * count));
  /** @param {number} at @param {string} text */
  const word = (at, text) => [...text].forEach((char, i) => view.setUint8(at + i, char.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * count, true);
  for (let i = 0; i < count; i++) {
    const sample = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    view.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  }
  return view.buffer;
}
