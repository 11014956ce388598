// @ts-check
/** The page put together: which conversation is open, what is asked, what is shown. */

import { ApiFailure, apiKey, servedModel, streamChat } from "./api.js";
import { byId, h, iconButton } from "./dom.js";
import { mediumOf } from "./media.js";
import { messageView } from "./message_view.js";
import { loadSettings, saveSettings, Store } from "./store.js";
import { Composer } from "./composer.js";
import { progressView } from "./progress_view.js";
import { bodyOf } from "./request.js";
import { showWelcome } from "./welcome.js";

/** @import { Conversation, Medium, Message, Model, ToolCall } from "./types.d.ts" */

const settings = loadSettings(), store = await Store.open();
const list = byId("messages", HTMLOListElement), scroll = byId("scroll", HTMLElement);
const live = byId("live", HTMLElement), effort = byId("effort", HTMLSelectElement);

/** @type {{ model: Model | null, open: Conversation, running: AbortController | null, editing: number | null }} */
const state = { model: null, open: fresh(), running: null, editing: null };
const composer = new Composer({
  model: () => state.model,
  send: (text, media) => void ask(text, media),
  stop: () => state.running?.abort(),
  cancelEdit: () => state.editing = null,
});

/** @returns {Conversation} */
function fresh() {
  return { id: crypto.randomUUID(), title: "", updated: Date.now(), messages: [] };
}

/**
 * @param {Message["role"]} role
 * @param {Partial<Message>} [rest]
 * @returns {Message}
 */
function messageOf(role, rest = {}) {
  const empty = {
    text: "",
    media: [],
    reasoning: "",
    calls: [],
    callId: null,
    stats: null,
    error: null,
    end: null,
  };
  return { role, ...empty, ...rest };
}

/** @param {string} text @param {Medium[]} media */
async function ask(text, media) {
  if (state.editing !== null) state.open.messages.length = state.editing;
  state.editing = null;
  state.open.messages.push(messageOf("user", { text, media }));
  state.open.title ||= text.slice(0, 60) || media[0].name;
  await answer();
}

/** Asks for the next message of the open conversation, and shows it as it comes. */
async function answer() {
  const conversation = state.open, message = messageOf("assistant"), running = new AbortController();
  conversation.messages.push(message);
  state.running = running;
  composer.busy(true);
  show();
  live.textContent = "Sending the question.";
  const view = progressView(message), started = performance.now();
  list.lastElementChild?.replaceWith(view.element);
  let first = 0, last = 0;
  const thinking = state.model?.reasoning === "none" ? null : effort.value;
  const stats = message.stats = { firstMs: /** @type {number | null} */ (null), decodeMs: 0, usage: null };
  try {
    await streamChat(
      await bodyOf(conversation.messages.slice(0, -1), settings, thinking),
      (news) => {
        if (news.type === "content" || news.type === "reasoning" || news.type === "call") {
          last = performance.now();
          first ||= last;
          stats.firstMs = first - started;
          stats.decodeMs = last - first;
        }
        if (news.type === "content") message.text += news.text;
        else if (news.type === "reasoning") message.reasoning += news.text;
        else if (news.type === "call") addCall(message, news);
        else if (news.type === "usage") Object.assign(stats, { usage: news.usage });
        else if (news.type === "finish" && news.reason === "length") message.end = "length";
        const below = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
        view.tell(news);
        if (below) scroll.scrollTop = scroll.scrollHeight;
      },
      running.signal,
    );
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") message.end = "stopped";
    else message.error = error instanceof Error ? error.message : String(error);
    if (error instanceof ApiFailure && error.status === 401) message.error += " Type the key in Settings.";
  }
  view.close();
  state.running = null;
  composer.busy(false);
  conversation.updated = Date.now();
  await store.save(conversation).catch(() => composer.say("The browser could not keep this conversation."));
  if (state.open === conversation) show();
  live.textContent = message.error ??
    (message.end === "stopped" ? "Stopped." : message.text || "The model calls a tool.");
  await showHistory();
}

/** @param {Message} message @param {{ index: number, id: string | null, name: string, arguments: string }} news */
function addCall(message, { index, id, name, arguments: text }) {
  const call = message.calls[index] ??= { id: id ?? `call_${index}`, name: "", arguments: "" };
  call.name += name;
  call.arguments += text;
}

function show() {
  const { messages } = state.open, idle = state.running === null;
  byId("welcome", HTMLElement).hidden = messages.length > 0;
  list.replaceChildren(...messages.map((message, index) =>
    messageView(message, {
      copy: () => void navigator.clipboard.writeText(message.text).then(() => live.textContent = "Copied."),
      edit: message.role === "user" && idle ? () => edit(index) : null,
      retry: message.role === "assistant" && idle ? () => retry(index) : null,
      answerCall: message.calls.length > 0 && idle ? answerOf(index) : null,
    })
  ));
  scroll.scrollTop = scroll.scrollHeight;
}

/** @param {number} index of a message with calls; null when all are answered @returns {((call: ToolCall, result: string) => void) | null} */
function answerOf(index) {
  const { messages } = state.open;
  const given = new Set(messages.slice(index + 1).map(({ callId }) => callId));
  const open = messages[index].calls.filter(({ id }) => !given.has(id));
  if (open.length === 0) return null;
  return (call, text) => {
    if (given.has(call.id)) return;
    messages.push(messageOf("tool", { text, callId: call.id }));
    if (open.length === 1) void answer();
    else show();
  };
}

/** @param {number} index */
function edit(index) {
  state.editing = index;
  composer.edit(state.open.messages[index]);
}

/** @param {number} index */
function retry(index) {
  state.open.messages.length = index;
  void answer();
}

/** @param {Conversation} conversation */
function open(conversation) {
  state.running?.abort();
  state.open = conversation;
  state.editing = null;
  menu(false);
  show();
  void showHistory();
  byId("question", HTMLTextAreaElement).focus();
}

async function showHistory() {
  const all = await store.all();
  byId("history", HTMLUListElement).replaceChildren(...all.map((conversation) => {
    const current = conversation.id === state.open.id, onclick = () => open(conversation);
    const remove = iconButton("bin", `Delete “${conversation.title}”`, async () => {
      await store.remove(conversation.id);
      if (current) open(fresh());
      else await showHistory();
    });
    const title = h(
      "button",
      { type: "button", class: "open", onclick, "aria-current": current && "true" },
      conversation.title,
    );
    return h("li", {}, title, remove);
  }));
}

/** @param {boolean} shown */
function menu(shown) {
  byId("sidebar", HTMLElement).classList.toggle("open", shown);
  byId("shade", HTMLElement).hidden = !shown;
  byId("menu", HTMLElement).setAttribute("aria-expanded", String(shown));
}

async function connect() {
  try {
    const model = state.model = await servedModel();
    byId("model", HTMLElement).textContent = model.id;
    byId("modalities", HTMLElement).textContent = model.modalities.join(", ").replace("image", "pictures")
      .replace("audio", "sound");
    const levels = model.reasoning === "prompted"
      ? ["medium", "minimal", "high"]
      : ["none", "minimal", "medium", "high"];
    effort.replaceChildren(...levels.map((value) => h("option", { value }, value)));
    if (levels.includes(settings.effort)) effort.value = settings.effort;
    byId("effort-label", HTMLElement).hidden = model.reasoning === "none";
    showWelcome(model, async (name, question) => {
      if (name === null) return composer.fill(question, []);
      const blob = await (await fetch(`/web/samples/${name}`)).blob();
      composer.fill(question, [mediumOf(blob, name, model)]);
    });
  } catch (error) {
    byId("model", HTMLElement).textContent = "No model";
    composer.say(error instanceof Error ? error.message : String(error));
    if (!(error instanceof ApiFailure && error.status === 401)) setTimeout(connect, 3000);
  }
}

effort.onchange = () => saveSettings(Object.assign(settings, { effort: effort.value }));
byId("new", HTMLElement).onclick = () => open(fresh());
byId("menu", HTMLElement).onclick = () => menu(true);
byId("shade", HTMLElement).onclick = () => menu(false);
byId("theme", HTMLElement).onclick = () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  localStorage.setItem("valley-theme", document.documentElement.dataset.theme = dark ? "light" : "dark");
};
const dialog = byId("settings", HTMLDialogElement), system = byId("system", HTMLTextAreaElement);
const tools = byId("tools", HTMLTextAreaElement), key = byId("key", HTMLInputElement);
byId("open-settings", HTMLElement).onclick = () => {
  [system.value, tools.value, key.value] = [settings.system, settings.tools, apiKey.get()];
  dialog.showModal();
};
tools.oninput = () => {
  let wrong = "";
  try {
    if (tools.value.trim() && !Array.isArray(JSON.parse(tools.value))) wrong = "This must be a list.";
  } catch {
    wrong = "This is not JSON.";
  }
  tools.setCustomValidity(wrong);
};
dialog.onclose = () => {
  const list = tools.validity.valid ? tools.value : settings.tools;
  saveSettings(Object.assign(settings, { system: system.value, tools: list }));
  apiKey.set(key.value.trim());
  if (state.model === null) void connect();
};

await Promise.all([connect(), store.all().then((all) => open(all[0] ?? fresh()))]);
