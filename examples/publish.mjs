// Sends the event in a file with the npm package `nats` and nothing of Loa's.
//
//     npm install nats
//     LOA_NATS_URL=nats://... LOA_NATS_NKEY_FILE=unit.nk node publish.mjs van-phong-bo event.json [binary]
//
// The file holds the unit's key for the bus, as `loa units bus-key` writes it.

import { connect, headers, nkeyAuthenticator } from "nats";
import { readFileSync } from "node:fs";

const [unit, file, mode = "structured"] = process.argv.slice(2);
const seed = readFileSync(process.env.LOA_NATS_NKEY_FILE, "utf8").trim();
const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
const event = JSON.parse(readFileSync(file, "utf8"));
const kind = event.type.split(".").at(-2); // submitted, corrected, withdrawn

// Attributes travel in headers percent-encoded: everything but visible ASCII, and `"` and `%`.
const encoded = (value) =>
  String(value).replace(/[^\x21-\x7e]|["%]/gu, (character) => encodeURIComponent(character));

const head = headers();
let body = JSON.stringify(event);
if (mode === "binary") {
  const { data, ...attributes } = event;
  for (const [name, value] of Object.entries(attributes)) head.set(`ce-${name}`, encoded(value));
  body = JSON.stringify(data);
} else {
  head.set("Content-Type", "application/cloudevents+json");
}

const connection = await connect({ servers: process.env.LOA_NATS_URL, authenticator, name: unit });
try {
  const stream = connection.jetstream();
  const msgID = `${event.source}|${event.id}`; // a repeat within ten minutes is stored once
  const answer = await stream.publish(`content.${unit}.${kind}`, body, { msgID, headers: head });
  console.log(`${answer.stream} #${answer.seq}${answer.duplicate ? ", stored before" : ""}`);
} finally {
  await connection.close();
}
