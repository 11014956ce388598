/** The server's limits, in one table; going over any of them is an error that names it. */

export interface Limits {
  /** Bytes of a request body: a video of `videoBytes` fits in base64. */
  bodyBytes: number;
  jsonDepth: number;
  messages: number;
  /** Content parts over all messages. */
  parts: number;
  /** Media over all messages. */
  images: number;
  audios: number;
  videos: number;
  /** Bytes of one medium, decoded from base64. */
  imageBytes: number;
  audioBytes: number;
  videoBytes: number;
  /** Frames in a video given as a list of pictures. */
  videoFrames: number;
  stopStrings: number;
  stopChars: number;
  stopIds: number;
  choices: number;
  tools: number;
  /** Seconds without news after which a stream gets a comment, so that nobody thinks it dead. */
  pingSeconds: number;
}

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 48 << 20,
  jsonDepth: 32,
  messages: 256,
  parts: 64,
  images: 16,
  audios: 8,
  videos: 4,
  imageBytes: 10 << 20,
  audioBytes: 25 << 20,
  videoBytes: 32 << 20,
  videoFrames: 256,
  stopStrings: 4,
  stopChars: 64,
  stopIds: 64,
  choices: 8,
  tools: 128,
  pingSeconds: 5,
};
