// @ts-check
/** Pictures, sounds and videos: what a file is, whether the model takes it, how it is sent and shown. */

import { h, icon } from "./dom.js";

/** @import { Kind, Medium, Model } from "./types.d.ts" */

/** @type {Record<Kind, string>} */
export const KIND_NAMES = { image: "pictures", audio: "sound", video: "video" };

const ENDINGS = /** @type {const} */ ({
  image: /\.(png|jpe?g|webp|gif|bmp)$/i,
  audio: /\.(wav|mp3|flac|ogg|opus|m4a)$/i,
  video: /\.(mp4|webm|mov|mkv|avi|m4v)$/i,
});

/** The server's limits of one medium, in MiB. */
const MEBIBYTES = { image: 10, audio: 25, video: 32 };

/**
 * @param {Blob} file
 * @param {string} name
 * @returns {Kind | null}
 */
export function kindOf(file, name) {
  const kinds = /** @type {Kind[]} */ (Object.keys(ENDINGS));
  return kinds.find((kind) => file.type.startsWith(`${kind}/`)) ??
    kinds.find((kind) => ENDINGS[kind].test(name)) ?? null;
}

/**
 * Throws an Error for people.
 * @param {Blob} file
 * @param {string} name
 * @param {Model | null} model
 * @returns {Medium}
 */
export function mediumOf(file, name, model) {
  const kind = kindOf(file, name);
  if (kind === null) throw new Error(`“${name}” is not a picture, a sound or a video.`);
  if (model && !model.modalities.includes(kind)) {
    throw new Error(`“${name}” was not attached: ${model.id} takes no ${KIND_NAMES[kind]}.`);
  }
  if (file.size > MEBIBYTES[kind] * 2 ** 20) {
    throw new Error(
      `“${name}” has ${megabytes(file.size)}; one ${kind === "image" ? "picture" : kind} may have ${
        MEBIBYTES[kind]
      } MB.`,
    );
  }
  return { kind, name, blob: file };
}

/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;

/**
 * @param {Medium} medium
 * @returns {Promise<Record<string, unknown>>} a part of a message
 */
export async function partOf({ kind, blob }) {
  const data = await dataUrl(blob);
  if (kind === "image") return { type: "image_url", image_url: { url: data } };
  if (kind === "video") return { type: "video_url", video_url: { url: data } };
  return { type: "audio_url", audio_url: { url: data } };
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      // Parameters such as codecs=vp8 have no place in the address.
      resolve(String(reader.result).replace(/^data:([^;,]*)[^,]*,/, "data:$1;base64,"));
    };
    reader.onerror = () => reject(new Error("The file can't be read any more. Attach it again."));
    reader.readAsDataURL(blob);
  });
}

/**
 * A thumbnail or a player.
 * @param {Medium} medium
 * @param {(() => void) | null} remove
 */
export function mediumView({ kind, name, blob }, remove) {
  const src = URL.createObjectURL(blob);
  const label = `${{ image: "Picture", audio: "Sound", video: "Video" }[kind]}: ${name}`;
  const view = kind === "image"
    ? h("img", { src, alt: label })
    : h(kind, { src, controls: true, preload: "metadata", "aria-label": label });
  const button = remove && h("button", {
    type: "button",
    class: "remove",
    title: `Remove ${name}`,
    "aria-label": `Remove ${name}`,
    onclick: () => {
      URL.revokeObjectURL(src);
      remove();
    },
  }, icon("close"));
  return h("li", { class: `medium ${kind}` }, view, h("span", { class: "name" }, name), button);
}
