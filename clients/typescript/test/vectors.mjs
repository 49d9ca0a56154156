// The golden vectors of Loa, held against the client. A group without an answer here is a failure.
//
//     node vectors.mjs FOLDER VECTORS [PLANTED]
//
// FOLDER holds the client's modules. PLANTED names a group whose answers are spoilt, to show that it is judged.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, file, planted] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(resolve(folder, `${name}.js`)));
const { keys, subjects, headerValue, ContractError, VOCABULARY } = await load("index");
const [{ BrokenRule }, { line }, json] = await Promise.all(
  ["errors", "text", "json"].map(load),
);
const [{ checkSender, checkSourceSpelling }, envelope, { readParts }, { PATTERNS }, { day }] = await Promise.all(
  ["check", "envelope", "schemaCheck", "generated/schemas", "moments"].map(load),
);

const attributes = { specversion: "1.0", id: "1", source: "/units/a", type: "t" };
const eventWith = (given) => envelope.fromPlain({ ...attributes, ...given, data: {} });
const kindOf = (type) => type.split(".").at(-2);

function readValue(value, schema) {
  const { details } = readParts(new Map([["value", value]]), { properties: { value: schema } });
  if (details.length) throw new BrokenRule("invalid");
  return value;
}

function sourceOf({ unit, source }) {
  const event = eventWith({ source });
  checkSender(event, unit, VOCABULARY);
  checkSourceSpelling(source);
  return { taken: true };
}

function headerRead({ header }) {
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
  const event = envelope.decode({ ...headers, "ce-submitter": header }, Buffer.from("{}"));
  return { value: event.extensions.get("submitter") };
}

function delivery({ content_id, revision, channel, recipient_id, domain }) {
  const key = keys.deliveryKey(content_id, revision, channel, recipient_id);
  return { delivery_key: key, message_id: keys.messageId(key, domain), tracking_id: keys.trackingId(key) };
}

const whole = { type: "integer", minimum: 1, maximum: 2 ** 31 - 1 };
const ANSWERS = {
  digest: ({ parts }) => ({ digest: keys.digest(...parts) }),
  event_id: ({ unit, source, id }) => ({ event_id: keys.eventId(unit, source, id) }),
  content_hash: ({ type, data }) => ({ canonical: keys.canonical(type, data), content_hash: keys.contentHash(type, data) }),
  publication_key: ({ content_id, revision }) => ({ publication_key: keys.publicationKey(content_id, revision) }),
  delivery,
  case_content_id: ({ case_code }) => ({ content_id: keys.caseContentId(case_code) }),
  normalisation: ({ text }) => ({ nfc: text.normalize("NFC") }),
  key_order: ({ keys: given }) => ({ sorted: [...given].sort(json.compareCodePoints) }),
  line: ({ text }) => ({ kept: line(text) }),
  revision: ({ json: text }) => ({ revision: readValue(json.readJson(Buffer.from(text)), whole) }),
  time: ({ text }) => ({ utc: eventWith({ time: text }).attributes.get("time") }),
  id: ({ id }) => ({ taken: readValue(id, { type: "string", pattern: PATTERNS.id, maxLength: 64 }) === id }),
  source: sourceOf,
  subject: ({ type, unit }) => ({
    subject: kindOf(type) === "updated" ? subjects.caseUpdated(unit) : subjects.content(unit, kindOf(type)),
  }),
  publication_subject: ({ topic, content_id }) => ({ subject: subjects.publication(topic, content_id) }),
  msg_id: ({ source, id }) => ({ msg_id: `${source}|${id}` }),
  header: ({ value }) => ({ header: headerValue(value) }),
  header_read: headerRead,
  day: ({ text }) => ({ taken: day(text) === text }),
  case_code: ({ case_code: code }) => ({ taken: readValue(code, { type: "string", pattern: PATTERNS.case_code, maxLength: 60 }) === code }),
};

/** The code of a text's refusal, the status of an event's; of other values no more than that. */
function refusalOf(group, error) {
  if (error instanceof BrokenRule) return group === "line" ? error.code : "invalid";
  if (!(error instanceof ContractError)) throw error;
  return group === "time" ? "invalid" : error.status;
}

function answerTo(group, vector) {
  try {
    return ANSWERS[group](vector);
  } catch (error) {
    return { refused: refusalOf(group, error) };
  }
}

function wrongWords(group, vector) {
  const answer = answerTo(group, vector);
  if (group === planted) answer.planted = true;
  const words = Object.keys(answer).filter((word) => JSON.stringify(answer[word]) !== JSON.stringify(vector[word]));
  return words.concat("refused" in vector && !("refused" in answer) ? ["refused"] : []);
}

const groups = Object.entries(JSON.parse(readFileSync(file, "utf8"))).filter(([, vectors]) => Array.isArray(vectors));
const wrong = groups.flatMap(([group, vectors]) =>
  group in ANSWERS
    ? vectors.flatMap((vector, number) => wrongWords(group, vector).map((word) => `${group}[${number}]: ${word}`))
    : [`${group}: this client does not know it`],
);
const count = groups.reduce((sum, [, vectors]) => sum + vectors.length, 0);
console.log(wrong.length ? wrong.join("\n") : `${count} vectors hold`);
process.exit(wrong.length ? 1 : 0);
