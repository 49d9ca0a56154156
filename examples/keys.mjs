// The keys of Loa in JavaScript, held to the golden vectors.
//
//     node examples/keys.mjs contracts/schemas/vectors.json
//
// For systems that do without Loa's clients, so it shares nothing with them: the TypeScript client
// answers the same groups and more in `clients/typescript/test/vectors.mjs`.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

function base32(bytes) {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  return bits.match(/.{1,5}/g).map((five) => LETTERS[parseInt(five.padEnd(5, "0"), 2)]).join("");
}

const digest = (...parts) => base32(createHash("sha256").update(parts.join("\0")).digest());

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

// Attributes travel in headers percent-encoded: everything but visible ASCII, and `"` and `%`.
const encoded = (value) => value.replace(/[^\x21-\x7e]|["%]/gu, (one) => encodeURIComponent(one));

const kindOf = (type) => type.split(".").at(-2);

function delivery({ content_id, revision, channel, recipient_id, domain }) {
  const key = digest("1", content_id, String(revision), channel, recipient_id);
  return { delivery_key: key, message_id: `<${key.slice(0, 32)}@${domain}>`, tracking_id: key.slice(0, 48) };
}

const ANSWERS = {
  digest: ({ parts }) => ({ digest: digest(...parts) }),
  event_id: ({ unit, source, id }) => ({ event_id: digest(unit, source, id).slice(0, 26) }),
  content_hash({ type, data }) {
    const text = canonical([type, data]);
    return { canonical: text, content_hash: digest(text) };
  },
  publication_key: ({ content_id, revision }) => ({ publication_key: `${content_id}.${revision}` }),
  delivery,
  case_content_id: ({ case_code }) => ({ content_id: `case-${digest(case_code).slice(0, 20)}` }),
  normalisation: ({ text }) => ({ nfc: text.normalize("NFC") }),
  key_order: ({ keys }) => ({ sorted: [...keys].sort(compareKeys) }),
  subject: ({ type, unit }) => ({ subject: `${type.split(".").at(-3)}.${unit}.${kindOf(type)}` }),
  publication_subject: ({ topic, content_id }) => ({ subject: `publication.${topic}.${content_id}` }),
  msg_id: ({ source, id }) => ({ msg_id: `${source}|${id}` }),
  header: ({ value }) => ({ header: encoded(value) }),
};

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const wrong = Object.entries(ANSWERS).flatMap(([group, answer]) =>
  vectors[group].flatMap((vector, number) =>
    Object.entries(answer(vector))
      .filter(([word, value]) => JSON.stringify(value) !== JSON.stringify(vector[word]))
      .map(([word]) => `${group}[${number}]: ${word}`),
  ),
);
console.log(wrong.length ? wrong.join("\n") : "every vector holds");
process.exit(wrong.length ? 1 : 0);
