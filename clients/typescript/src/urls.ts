/** Web addresses as events may have them. */

import { isIPv6 } from "node:net";

/** The most characters of a web address. */
export const URL_MAX = 2048;
const WRITTEN = /^https?:\/\/[!-~]+$/i;
const FORBIDDEN = /[<>"{}|\\^`]|%(?![0-9A-Fa-f]{2})/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|[0-9a-f:.]+)$/;
const FUTURE_IP = /^v[a-fA-F0-9]+\..+$/;
const PORT_MAX = 65_535;

/** http or https with a host, without user names, spaces or characters a URL must encode. */
export function isWebAddress(text: string): boolean {
  if (!WRITTEN.test(text) || FORBIDDEN.test(text)) return false;
  const [authority = ""] = text.slice(text.indexOf("//") + 2).split(/[/?#]/);
  if (authority.includes("@")) return false;
  const bracketed = /^\[([^[\]]*)\](?::(.*))?$/.exec(authority);
  if (!bracketed && /[[\]]/.test(authority)) return false;
  if (bracketed && !isIPv6(bracketed[1] ?? "") && !FUTURE_IP.test(bracketed[1] ?? "")) return false;
  const [host = "", ...rest] = bracketed ? bracketed.slice(1) : authority.split(":");
  return HOST.test(host.toLowerCase()) && isPort(rest.filter((part) => part !== undefined).join(":"));
}

function isPort(text: string): boolean {
  return text === "" || (/^[0-9]+$/.test(text) && Number(text) <= PORT_MAX);
}
