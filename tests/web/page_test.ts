/** The page in real Chromium, against the whole server on the fake engine. */

import { deepStrictEqual as same, match, ok, strictEqual as equal } from "node:assert";
import { type Browser, chromium, type Page } from "playwright-core";
import { Media } from "../../src/prompt/media.ts";
import { PAGE_HEADERS } from "../../src/server/page.ts";
import { which } from "../../tools/setup/probe.ts";
import { startServer } from "../support/server_harness.ts";

const MEDIA = new URL("../fixtures/media/", import.meta.url);
const CHROMIUM = which("chromium");
if (!CHROMIUM) console.log("skipped: the page in a browser (no Chromium here)");

interface Opened {
  page: Page;
  /** Addresses asked for outside the server. */
  outside: string[];
  /** Errors and what the content policy refused. */
  errors: string[];
}

/** A page on a new server and a new browser. */
async function withPage(size: { width: number; height: number }, run: (opened: Opened) => Promise<void>) {
  const ffmpeg = which("ffmpeg"), ffprobe = which("ffprobe");
  const media = new Media({ ffmpeg: ffmpeg && ffprobe ? { ffmpeg, ffprobe } : null });
  const server = await startServer({ decoder: media });
  let browser: Browser | null = null;
  try {
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"], headless: true });
    const page = await browser.newPage({ viewport: size });
    const outside: string[] = [], errors: string[] = [];
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) {
        outside.push(request.url());
      }
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("dialog", (dialog) => {
      errors.push(dialog.message());
      void dialog.dismiss();
    });
    await page.goto(server.url);
    await page.locator("#welcome button").first().waitFor();
    await run({ page, outside, errors });
    same(outside, []);
    same(errors, []);
  } finally {
    await browser?.close();
    await server.close();
    media.close();
  }
}

/** Drops files as a person does. */
async function drop(page: Page, files: { name: string; type: string; path: string }[]) {
  const given = files.map(({ name, type, path }) => ({
    name,
    type,
    data: Deno.readFileSync(new URL(path, MEDIA)).toBase64(),
  }));
  await page.evaluate((given) => {
    const transfer = new DataTransfer();
    for (const { name, type, data } of given) {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    document.dispatchEvent(
      new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }),
    );
  }, given);
}

async function ask(page: Page, text: string) {
  await page.fill("#question", text);
  await page.keyboard.press("Enter");
}

const answers = (page: Page) => page.locator(".assistant .stats");
const DESKTOP = { width: 1180, height: 800 };
const options = { ignore: !CHROMIUM, sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "page: a picture, a sound and a video are dropped and answered; the history outlives a reload",
  options,
  async () => {
    await withPage(DESKTOP, async ({ page }) => {
      const video = which("ffmpeg") ? [{ name: "v.mp4", type: "video/mp4", path: "videos/sound.mp4" }] : [];
      await drop(page, [
        { name: "p.jpg", type: "image/jpeg", path: "images/sub0.jpg" },
        { name: "s.flac", type: "audio/flac", path: "sounds/s.flac" },
        ...video,
      ]);
      equal(await page.locator("#tray li").count(), 2 + video.length);
      await ask(page, "what is it");
      await answers(page).filter({ hasText: "prompt" }).waitFor();
      const text = await page.locator(".assistant .text").innerText();
      match(
        text,
        video.length ? /image tokens and \d+ video tokens and \d+ audio/ : /image tokens and \d+ audio/,
      );
      match(await answers(page).innerText(), /tokens\/s · first after .* cached · picture \d+/);
      await page.reload();
      await page.locator(".assistant .text").filter({ hasText: text }).waitFor();
      equal(await page.locator(".user .medium").count(), 2 + video.length);
    });
  },
);

Deno.test("page: an answer is stopped by Escape, and tried again", options, async () => {
  await withPage(DESKTOP, async ({ page }) => {
    await ask(page, "slow forever");
    await page.locator(".assistant .text").filter({ hasText: "la la" }).waitFor();
    await page.keyboard.press("Escape");
    await answers(page).filter({ hasText: "Stopped" }).waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await ask(page, "say 3 words");
    await page.locator(".assistant .text").filter({ hasText: "word1 word2 word3" }).waitFor();
    equal(await page.locator(".user").count(), 1);
  });
});

Deno.test("page: hostile answers run nothing and ask for nothing outside", options, async () => {
  await withPage(DESKTOP, async ({ page }) => {
    const hostile =
      `<img src=//evil.example onerror=alert(1)> <script>alert(2)</script> [a](javascript:alert(3)) ` +
      `![b](https://evil.example/c.png) <svg onload=alert(4)> <a href="data:text/html,x">d</a>`;
    await ask(page, `echo: ${hostile}`);
    await answers(page).filter({ hasText: "prompt" }).waitFor();
    equal(await page.locator(".assistant .text :is(img, script, svg, iframe)").count(), 0);
    same(
      await page.locator(".assistant .text a[href]").evaluateAll((all) =>
        all.map((a) => a.getAttribute("href"))
      ),
      [
        "https://evil.example/c.png",
      ],
    );
    match(await page.locator(".assistant .text").innerText(), /<script>alert\(2\)<\/script>/);
  });
});

Deno.test("page: a phone has no sideways scroll; keys alone reach everything", options, async () => {
  await withPage({ width: 360, height: 740 }, async ({ page }) => {
    await ask(page, `echo: ${"x".repeat(300)}\n\n| a | b |\n|---|---|\n| ${"y".repeat(200)} | c |`);
    await answers(page).filter({ hasText: "prompt" }).waitFor();
    equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const seen = new Set<string>();
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("Tab");
      seen.add(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? ""));
    }
    for (const label of ["Settings", "Attach files", "Record sound", "Copy", "Try again"]) {
      ok(seen.has(label), label);
    }
  });
});

Deno.test("page: files come with the headers, a tag, and 304 for what is known", async () => {
  const server = await startServer();
  try {
    const first = await fetch(`${server.url}/web/app.js`);
    await first.text();
    for (const [name, value] of Object.entries(PAGE_HEADERS)) equal(first.headers.get(name), value);
    const again = await fetch(`${server.url}/web/app.js`, {
      headers: { "if-none-match": first.headers.get("etag")! },
    });
    equal(again.status, 304);
    const post = await fetch(server.url, { method: "POST" });
    equal(post.status, 405);
    await post.text();
  } finally {
    await server.close();
  }
});
