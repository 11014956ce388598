// @ts-check
/** Conversations in the browser's own database, media included; settings beside it. */

/** @import { Conversation, Settings } from "./types.d.ts" */

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class Store {
  /** @param {IDBDatabase | null} database null: the browser keeps nothing (private window) */
  constructor(database) {
    this.database = database;
  }

  static async open() {
    try {
      const request = indexedDB.open("valley", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("conversations", { keyPath: "id" });
      return new Store(await done(request));
    } catch {
      return new Store(null);
    }
  }

  /** @param {IDBTransactionMode} mode */
  #table(mode) {
    return this.database?.transaction("conversations", mode).objectStore("conversations");
  }

  /** @returns {Promise<Conversation[]>} latest first */
  async all() {
    const table = this.#table("readonly");
    const found = table ? await done(table.getAll()) : [];
    return found.sort((a, b) => b.updated - a.updated);
  }

  /** @param {Conversation} conversation */
  async save(conversation) {
    const table = this.#table("readwrite");
    if (table) await done(table.put(conversation));
  }

  /** @param {string} id */
  async remove(id) {
    const table = this.#table("readwrite");
    if (table) await done(table.delete(id));
  }
}

/** @returns {Settings} */
export function loadSettings() {
  const fallback = { system: "", tools: "", effort: "" };
  try {
    return { ...fallback, ...JSON.parse(localStorage.getItem("valley-settings") ?? "{}") };
  } catch {
    return fallback;
  }
}

/** @param {Settings} settings */
export function saveSettings(settings) {
  localStorage.setItem("valley-settings", JSON.stringify(settings));
}
