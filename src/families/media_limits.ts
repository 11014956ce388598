/** Limits that a request may ask of preprocessing, as all families check them. */
import { PromptError, type VideoPlan } from "./family.ts";

/** `asked` as it is where it fits; throws PromptError naming the limit else. */
export function wholeLimit(name: string, asked: number | undefined, most: number): number | undefined {
  if (asked === undefined || (Number.isInteger(asked) && asked >= 1 && asked <= most)) return asked;
  throw new PromptError(
    `${name} must be a whole number from 1 to ${most}`,
    "invalid_media_limit",
    "mm_processor_kwargs",
  );
}

/** How the older families take a video file: frames spread over it, at the file's own size. */
export const SPREAD = {
  defaultFps: 1,
  minFrames: 1,
  frameFactor: 1,
  spread: true,
  raw: true,
  totalPixels: null,
} as const satisfies Partial<VideoPlan>;
