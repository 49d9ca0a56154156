// The keys of Loa in JavaScript, held to the golden vectors.
//
//     node examples/keys.mjs contracts/schemas/vectors.json

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

function base32(bytes) {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  return bits.match(/.{1,5}/g).map((five) => LETTERS[parseInt(five.padEnd(5, "0"), 2)]).join("");
}

const digest = (...parts) => base32(createHash("sha256").update(parts.join("\0")).digest());

const eventId = (unit, source, id) => digest(unit, source, id).slice(0, 26);

// Keys are in code point order, which is the order of their UTF-8 bytes.
const compareKeys = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function canonical(value) {
  if (typeof value === "string") return JSON.stringify(value.normalize("NFC"));
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, inner]) => [key.normalize("NFC"), inner]);
  pairs.sort(([a], [b]) => compareKeys(a, b));
  return `{${pairs.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(",")}}`;
}

const contentHash = (type, data) => digest(canonical([type, data]));

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const wrong = [
  ...vectors.digest.filter((one) => digest(...one.parts) !== one.digest),
  ...vectors.event_id.filter((one) => eventId(one.unit, one.source, one.id) !== one.event_id),
  ...vectors.content_hash.filter((one) => contentHash(one.type, one.data) !== one.content_hash),
];
console.log(wrong.length ? wrong : "every vector holds");
process.exit(wrong.length ? 1 : 0);
