/** A certificate for localhost. */

import { assert } from "./assert.ts";

export interface Certificate {
  /** PEM. */
  cert: string;
  key: string;
}

/** A test with a certificate; skipped where there is no openssl. Connections may outlive it. */
export function testTls(name: string, run: (tls: Certificate, t: Deno.TestContext) => Promise<void>): void {
  const fn = async (t: Deno.TestContext) => {
    const tls = await certificate();
    if (tls !== null) await run(tls, t);
  };
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Null where there is no openssl. */
export async function certificate(): Promise<Certificate | null> {
  const openssl = new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" });
  if (!await openssl.output().then(({ success }) => success, () => false)) {
    console.log("skipped: no openssl here");
    return null;
  }
  const folder = await Deno.makeTempDir();
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  args.push(
    "-days",
    "2",
    "-keyout",
    `${folder}/key.pem`,
    "-out",
    `${folder}/cert.pem`,
    "-subj",
    "/CN=localhost",
  );
  args.push("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE");
  const { success } = await new Deno.Command("openssl", { args, stdout: "null", stderr: "null" }).output();
  assert(success, "openssl made no certificate");
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => Deno.readTextFileSync(`${folder}/${name}`));
  await Deno.remove(folder, { recursive: true });
  return { cert, key };
}
