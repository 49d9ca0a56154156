/** Identity: one intent has one key for ever, which makes repeats harmless. */

import { createHash } from "node:crypto";
import { canonicalJson } from "./json.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
const SEPARATOR = "\0";
const DELIVERY_VERSION = "1";

/** Lower-case base32 (no padding) of the SHA-256 over the parts joined by NUL; 52 characters. */
export function digest(...parts: readonly string[]): string {
  return base32(createHash("sha256").update(parts.join(SEPARATOR)).digest());
}

/** The public name of an accepted event: 26 characters, safe in URLs, subjects and KV keys. */
export function eventId(unit: string, source: string, id: string): string {
  return digest(unit, source, id).slice(0, 26);
}

/** Hash of an event's content: `[type, data]` as canonical JSON after NFC. */
export function contentHash(type: string, data: object): string {
  return digest(canonical(type, data));
}

/** The canonical JSON that `contentHash` is made of. */
export function canonical(type: string, data: object): string {
  return canonicalJson([type, data]);
}

/** One approved revision. */
export function publicationKey(contentId: string, revision: number): string {
  return `${contentId}.${revision}`;
}

/** One effect on one recipient, fixed before anything is sent; 52 characters. */
export function deliveryKey(
  contentId: string,
  revision: number,
  channel: string,
  recipientId: string,
): string {
  return digest(DELIVERY_VERSION, contentId, String(revision), channel, recipientId);
}

/** The mail's Message-ID: the same on every retry, another for a correction. */
export function messageId(delivery: string, domain: string): string {
  return `<${delivery.slice(0, 32)}@${domain}>`;
}

/** Zalo's tracking_id: at most 48 characters. */
export function trackingId(delivery: string): string {
  return delivery.slice(0, 48);
}

/** The content_id of one person's dossier; the code itself stays out of keys and subjects. */
export function caseContentId(caseCode: string): string {
  return `case-${digest(caseCode).slice(0, 20)}`;
}

/** Whether an item is a dossier's: no content item may be called so. */
export function isCase(contentId: string): boolean {
  return /^case-[a-z2-7]{20}$/.test(contentId);
}

/** The content_id of a transactional mail; the parts must not identify a person. */
export function transactionalContentId(...parts: readonly string[]): string {
  return `letter-${digest(...parts).slice(0, 20)}`;
}

/** Whether an item is a transactional mail's: no content item may be called so. */
export function isTransactional(contentId: string): boolean {
  return /^letter-[a-z2-7]{20}$/.test(contentId);
}

/** The content_id of the digest of one day (`2026-11-26`). */
export function digestContentId(frequency: string, day: string): string {
  return `digest-${frequency}-${day}`;
}

/** Whether an item is a digest's: no content item may be called so. */
export function isDigest(contentId: string): boolean {
  return /^digest-(?:daily|weekly)-[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(contentId);
}

/** Whether an item is for one person. */
export function isPersonal(contentId: string): boolean {
  return isCase(contentId) || isTransactional(contentId);
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += LETTERS[(bits >> count) & 31];
    }
    bits &= (1 << count) - 1;
  }
  return count ? text + LETTERS[(bits << (5 - count)) & 31] : text;
}
