/** Addresses of hubs and where they may redirect to: never from a public host into a private network. */
import { isIP } from "node:net";
import { HubError } from "./hub_error.ts";

/** Without a slash at the end. @throws Error naming the endpoint that is no http(s) address */
export function baseOf(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error(`Cannot use hub ${JSON.stringify(text)}: it is not an address`);
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new Error(`Cannot use hub ${url.origin}: it must be http(s), without a name or password in it`);
  }
  return url.href.replace(/\/$/, "");
}

/** A redirect's target, where it may be followed. @throws HubError */
export function allowed(to: URL, from: URL, home: URL): URL {
  const refuse = (reason: string): never => {
    throw new HubError(`Cannot follow a redirect from ${from.host} to ${to.host}: ${reason}`, false);
  };
  if (to.protocol !== "https:" && to.protocol !== home.protocol) {
    refuse(`${to.protocol.slice(0, -1)} is not safe`);
  }
  if (to.username !== "" || to.password !== "") refuse("it carries a password");
  if (isPrivate(to.hostname) && !isPrivate(home.hostname)) refuse("it is not a public address");
  if (linkLocal(to.hostname)) refuse("it is a link-local address");
  return to;
}

const linkLocal = (host: string): boolean => /^169\.254\.|^\[fe[89ab]/i.test(host);

/** Addresses that only this machine or its network has. Names are taken as public. */
function isPrivate(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (bare === "localhost" || bare.endsWith(".localhost") || bare.endsWith(".internal")) return true;
  if (isIP(bare) === 4) return /^(0|10|127)\.|^169\.254\.|^192\.168\.|^172\.(1[6-9]|2\d|3[01])\./.test(bare);
  return isIP(bare) === 6 && /^(::1?$|::ffff:|f[cd]|fe[89ab])/i.test(bare);
}
