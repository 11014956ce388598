// @ts-check
/** The question under way: text, attachments, recording. */

import { byId } from "./dom.js";
import { mediumOf, mediumView } from "./media.js";
import { close, openDevices, Recording, snapshot } from "./recorder.js";

/** @import { Medium, Message, Model } from "./types.d.ts" */

/**
 * @typedef {object} Outside
 * @property {() => Model | null} model
 * @property {(text: string, media: Medium[]) => void} send
 * @property {() => void} stop
 * @property {() => void} cancelEdit
 */

export class Composer {
  #question = byId("question", HTMLTextAreaElement);
  /** @type {Medium[]} */
  #media = [];
  /** @type {Recording | null} */
  #recording = null;
  #running = false;

  /** @param {Outside} outside */
  constructor(outside) {
    this.outside = outside;
    const files = byId("files", HTMLInputElement);
    byId("attach", HTMLElement).onclick = () => files.click();
    files.onchange = () => {
      this.attach([...files.files ?? []]);
      files.value = "";
    };
    this.#question.oninput = () => this.#fit();
    this.#question.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    };
    byId("composer", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    byId("stop", HTMLElement).onclick = () => outside.stop();
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !document.querySelector("dialog[open]")) outside.stop();
    });
    byId("cancel-edit", HTMLElement).onclick = () => {
      outside.cancelEdit();
      this.fill("", []);
    };
    document.addEventListener("paste", ({ clipboardData }) => {
      if (clipboardData?.files.length) this.attach([...clipboardData.files]);
    });
    this.#listenForDrops();
    byId("microphone", HTMLElement).onclick = () => void this.#microphone();
    byId("camera", HTMLElement).onclick = () => void this.#camera();
    this.#fit();
  }

  #listenForDrops() {
    const drop = byId("drop", HTMLElement);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.hidden = !event.dataTransfer?.types.includes("Files");
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => drop.hidden ||= relatedTarget === null);
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.hidden = true;
      this.attach([...event.dataTransfer?.files ?? []]);
    });
  }

  /** @param {File[]} files */
  attach(files) {
    this.say("");
    for (const file of files) {
      try {
        this.#media.push(mediumOf(file, file.name, this.outside.model()));
      } catch (error) {
        this.say(error instanceof Error ? error.message : String(error));
      }
    }
    this.#showTray();
    this.#question.focus();
  }

  /** @param {string} message "": nothing */
  say(message) {
    const notice = byId("notice", HTMLElement);
    notice.textContent = message;
    notice.hidden = message === "";
  }

  /** @param {string} text @param {Medium[]} media */
  fill(text, media) {
    this.#question.value = text;
    this.#media = media;
    byId("editing", HTMLElement).hidden = true;
    this.#showTray();
    this.#question.focus();
  }

  /** @param {Message} message */
  edit({ text, media }) {
    this.fill(text, [...media]);
    byId("editing", HTMLElement).hidden = false;
  }

  /** @param {boolean} running */
  busy(running) {
    this.#running = running;
    byId("send", HTMLElement).hidden = running;
    byId("stop", HTMLElement).hidden = !running;
  }

  #send() {
    const text = this.#question.value.trim(), media = this.#media;
    if (this.#running || (text === "" && media.length === 0)) return;
    this.say("");
    this.fill("", []);
    this.outside.send(text, media);
  }

  #showTray() {
    const tray = byId("tray", HTMLElement);
    tray.hidden = this.#media.length === 0;
    tray.replaceChildren(...this.#media.map((medium) =>
      mediumView(medium, () => {
        this.#media = this.#media.filter((other) => other !== medium);
        this.#showTray();
        this.#question.focus();
      })
    ));
    this.#fit();
  }

  #fit() {
    const field = this.#question;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    byId("send", HTMLButtonElement).disabled = field.value.trim() === "" && this.#media.length === 0;
  }

  async #microphone() {
    const button = byId("microphone", HTMLElement);
    try {
      if (this.#recording === null) {
        this.#recording = new Recording(await openDevices({ audio: true }), false);
      } else {
        const recording = this.#recording;
        this.#recording = null;
        this.attach([await recording.stop()]);
      }
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error));
    }
    const on = this.#recording !== null;
    button.setAttribute("aria-pressed", String(on));
    button.title = on ? "Stop recording" : "Record sound";
    button.setAttribute("aria-label", button.title);
  }

  async #camera() {
    const dialog = byId("camera-dialog", HTMLDialogElement), preview = byId("preview", HTMLVideoElement);
    const film = byId("film", HTMLButtonElement);
    try {
      const stream = await openDevices({ video: true, audio: true }).catch(() =>
        openDevices({ video: true })
      );
      /** @type {Recording | null} */
      let recording = null;
      preview.srcObject = stream;
      await preview.play();
      film.textContent = "Record video";
      byId("snap", HTMLElement).onclick = async () => {
        this.attach([await snapshot(preview)]);
        dialog.close();
      };
      film.onclick = async () => {
        if (recording === null) {
          recording = new Recording(stream, true);
          film.textContent = "Stop and attach";
          return;
        }
        this.attach([await recording.stop()]);
        dialog.close();
      };
      byId("camera-close", HTMLElement).onclick = () => dialog.close();
      dialog.onclose = () => close(stream);
      dialog.showModal();
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error));
    }
  }
}
