// Sends the event in a file with the npm package `nats` and nothing of Loa's.
//
//     npm install nats
//     node publish.mjs NATS_URL van-phong-bo first-event.json [binary]
//
// `var/run/ready.json` says where the bus of a running Loa listens (`nats_url`).

import { connect, headers } from "nats";
import { readFileSync } from "node:fs";

const [url, unit, file, mode = "structured"] = process.argv.slice(2);
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

const connection = await connect({ servers: url, name: unit });
try {
  const stream = connection.jetstream();
  const msgID = `${event.source}|${event.id}`; // a repeat within ten minutes is stored once
  const answer = await stream.publish(`content.${unit}.${kind}`, body, { msgID, headers: head });
  console.log(`${answer.stream} #${answer.seq}${answer.duplicate ? ", stored before" : ""}`);
} finally {
  await connection.close();
}
